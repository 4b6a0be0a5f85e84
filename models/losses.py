"""Losses. Each gives a weighted sum and the sum of the weights, both float32 scalars.

The trainer divides the sums over all replicas by each other, so that ignored pixels, class weights and uneven batches
give what one device would give.
"""

from collections.abc import Sequence

import tensorflow as tf

IGNORE = 255
"""The label of pixels that do not count; the same number as datasets.spec.IGNORE."""


def cross_entropy(
    logits: tf.Tensor,
    labels: tf.Tensor,
    class_weights: Sequence[float] | tf.Tensor | None = None,
    label_smoothing: float = 0.0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Softmax cross-entropy of every pixel, weighted by its true class.

    Args:
        logits: Float [..., C] of any precision; the sums are made in float32.
        labels: Integers [...] in 0..C-1, or 255 for pixels that do not count.
        class_weights: [C] weights >= 0; None: all 1.
        label_smoothing: Share of the target, in 0..1, that is spread evenly over all classes (Szegedy et al. 2016).

    Returns:
        (sum of weight * loss, sum of weights) over the pixels that count. Both are 0 where there are none.

    Raises:
        tf.errors.InvalidArgumentError: A label is neither a class nor 255.
    """
    num_classes = logits.shape[-1]
    logits = tf.cast(logits, tf.float32)
    labels = tf.cast(labels, tf.int32)
    known = (labels == IGNORE) | ((labels >= 0) & (labels < num_classes))
    tf.debugging.Assert(tf.reduce_all(known), [f"Labels must be in 0..{num_classes - 1}, or {IGNORE}."])
    # Twice as fast on a CPU as the sparse kernel, and a row of zeros is just what an ignored pixel needs.
    truth = tf.one_hot(labels, num_classes)
    below_top = logits - tf.stop_gradient(tf.reduce_max(logits, axis=-1, keepdims=True))
    losses = tf.math.log(tf.reduce_sum(tf.exp(below_top), axis=-1))
    if label_smoothing:
        losses -= label_smoothing * tf.reduce_mean(below_top, axis=-1)
    losses -= (1 - label_smoothing) * tf.reduce_sum(below_top * truth, axis=-1)
    weights = tf.ones([num_classes]) if class_weights is None else tf.convert_to_tensor(class_weights, tf.float32)
    weights = tf.linalg.matvec(truth, weights)
    return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)
