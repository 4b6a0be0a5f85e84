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
        tf.errors.InvalidArgumentError: On CPU, a label is neither a class nor 255. On GPU the loss is NaN then.
    """
    logits = tf.cast(logits, tf.float32)
    labels = tf.cast(labels, tf.int32)
    counts = labels != IGNORE
    labels = tf.where(counts, labels, 0)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    if label_smoothing:
        below_top = tf.reduce_max(logits, axis=-1, keepdims=True) - logits
        spread = tf.reduce_logsumexp(-below_top, axis=-1) + tf.reduce_mean(below_top, axis=-1)
        losses = (1 - label_smoothing) * losses + label_smoothing * spread
    weights = tf.cast(counts, tf.float32)
    if class_weights is not None:
        weights *= tf.gather(tf.convert_to_tensor(class_weights, tf.float32), labels)
    return tf.reduce_sum(tf.where(counts, losses, 0.0) * weights), tf.reduce_sum(weights)
