"""What a loss compares logits with: the truth of a batch, and how much each pixel and each class counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

IGNORE = 255
"""The label of pixels that do not count; the same number as datasets.spec.IGNORE."""

Sums = tuple[tf.Tensor, tf.Tensor]
"""(sum of weight * loss, sum of weights), float32 scalars >= 0. Both are 0 where nothing counts."""


@dataclass(frozen=True)
class Target:
    """The truth of a batch.

    Attributes:
        labels: int32 [B,H,W] in 0..C-1, or 255 where a pixel does not count.
        truth: float32 [B,H,W,C], 1 for the true class; all 0 where a pixel does not count.
        soft: The same with label smoothing.
        weights: float32 [B,H,W], the pixels' own weights; 0 where a pixel does not count.
        class_weights: float32 [C].
    """

    labels: tf.Tensor
    truth: tf.Tensor
    soft: tf.Tensor
    weights: tf.Tensor
    class_weights: tf.Tensor

    @property
    def pixel_weights(self) -> tf.Tensor:
        """float32 [B,H,W]: a pixel's own weight times that of its true class."""
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

    Args:
        labels: Integers [B,H,W] in 0..C-1, or 255 for pixels that do not count.
        num_classes: C.
        class_weights: [C] weights >= 0; None: all 1.
        pixel_weights: [B,H,W] weights >= 0; None: all 1. A pixel of weight 0 does not count.
        label_smoothing: Share of the truth, in 0..1, that is spread evenly over all classes (Szegedy et al. 2016).

    Raises:
        tf.errors.InvalidArgumentError: A label is neither a class nor 255.
    """
    labels = tf.cast(labels, tf.int32)
    known = (labels == IGNORE) | ((labels >= 0) & (labels < num_classes))
    tf.debugging.Assert(tf.reduce_all(known), [f"Labels must be in 0..{num_classes - 1}, or {IGNORE}."])
    counts = labels != IGNORE
    weights = tf.cast(counts, tf.float32)
    if pixel_weights is not None:
        # Not a product: what is ignored may hold any number, NaN too.
        weights = tf.where(counts, tf.cast(pixel_weights, tf.float32), 0.0)
        labels = tf.where(weights > 0, labels, IGNORE)
    truth = tf.one_hot(labels, num_classes)  # 255 is a row of zeros
    soft = truth
    if label_smoothing:
        counted = tf.reduce_sum(truth, axis=-1, keepdims=True)
        soft = (1 - label_smoothing) * truth + label_smoothing / num_classes * counted
    if class_weights is None:
        return Target(labels, truth, soft, weights, tf.ones([num_classes]))
    return Target(labels, truth, soft, weights, tf.convert_to_tensor(class_weights, tf.float32))
