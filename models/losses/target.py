"""The target of a loss: the true classes of a batch, and the weights of its pixels and classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from models.labels import IGNORE

Sums = tuple[tf.Tensor, tf.Tensor]
"""(sum of weight * loss, sum of weights), float32 scalars >= 0. Both are 0 if every pixel is ignored."""


@dataclass(frozen=True)
class Target:
    """True classes and weights of a batch.

    Attributes:
        labels: int32 [B,H,W] in 0..C-1, or 255 for ignored pixels.
        truth: float32 [B,H,W,C], one-hot; all 0 for ignored pixels.
        soft: The same with label smoothing.
        weights: float32 [B,H,W] >= 0, the pixels' own weights; 0 for ignored pixels.
        class_weights: float32 [C] >= 0.
    """

    labels: tf.Tensor
    truth: tf.Tensor
    soft: tf.Tensor
    weights: tf.Tensor
    class_weights: tf.Tensor

    @property
    def pixel_weights(self) -> tf.Tensor:
        """Weights of pixels times those of their true classes, float32 [B,H,W]."""
        return self.weights * tf.linalg.matvec(self.truth, self.class_weights)


def make(
    labels: tf.Tensor,
    num_classes: int,
    *,
    class_weights: Sequence[float] | tf.Tensor | None = None,
    pixel_weights: tf.Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Target:
    """Make the target of a batch.

    >>> make([[[0, 1, 255]]], num_classes=2, class_weights=[1.0, 3.0]).pixel_weights.numpy().tolist()
    [[[1.0, 3.0, 0.0]]]

    Args:
        labels: Integers [B,H,W] in 0..C-1, or 255 for ignored pixels.
        num_classes: C.
        class_weights: Float [C] >= 0; None: all 1.
        pixel_weights: Float [B,H,W] >= 0; None: all 1. A pixel of weight 0 is ignored.
        label_smoothing: Share of the truth, in 0..1, spread evenly over all classes (Szegedy et al. 2016).

    Raises:
        tf.errors.InvalidArgumentError: A label is neither a class nor 255.
    """
    labels = tf.cast(labels, tf.int32)
    known = (labels == IGNORE) | ((labels >= 0) & (labels < num_classes))
    tf.debugging.Assert(tf.reduce_all(known), [f"Labels must be in 0..{num_classes - 1}, or {IGNORE}."])
    counts = labels != IGNORE
    weights = tf.cast(counts, tf.float32)
    if pixel_weights is not None:
        # tf.where, not a product: the weight of an ignored pixel may be NaN.
        weights = tf.where(counts, tf.cast(pixel_weights, tf.float32), 0.0)
        labels = tf.where(weights > 0, labels, IGNORE)
    truth = tf.one_hot(labels, num_classes)  # 255 becomes a row of zeros
    soft = truth
    if label_smoothing:
        counted = tf.reduce_sum(truth, axis=-1, keepdims=True)
        soft = (1 - label_smoothing) * truth + label_smoothing / num_classes * counted
    if class_weights is None:
        return Target(labels, truth, soft, weights, tf.ones([num_classes]))
    return Target(labels, truth, soft, weights, tf.convert_to_tensor(class_weights, tf.float32))
