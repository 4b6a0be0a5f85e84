"""Losses that judge each pixel by itself: a mean over pixels, each weighted by itself and by its true class.

Logits are float [B,H,W,C] of any precision; everything is computed in float32.
"""

import math

import tensorflow as tf

from models.losses.target import IGNORE, Sums, Target
from models.parameters import Fraction, NotNegative, Positive

SMALLEST = 1e-6
"""Bound under 1 - p in the focal loss: powers below 1 have no finite slope at 0."""


def cross_entropy(logits: tf.Tensor, target: Target) -> Sums:
    """Softmax cross-entropy."""
    return _mean(_cross_entropies(logits, target.soft), target.pixel_weights)


def focal(logits: tf.Tensor, target: Target, *, gamma: NotNegative = 2.0) -> Sums:
    """Cross-entropy times (1 - p)^gamma: pixels that are right already count less (Lin et al. 2017, arXiv:1708.02002).

    Args:
        logits: Float [B,H,W,C].
        target: See Target.
        gamma: 0 is cross-entropy; 2 is the paper's choice. The mean is over all pixels, not over the foreground.
    """
    log_p = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    far = tf.maximum(1 - tf.exp(log_p), SMALLEST)
    return _mean(-tf.reduce_sum(target.soft * far**gamma * log_p, axis=-1), target.pixel_weights)


def ohem(logits: tf.Tensor, target: Target, *, threshold: Fraction = 0.9, min_share: Fraction = 0.125) -> Sums:
    """Cross-entropy of the hard pixels alone (online hard example mining, Shrivastava et al. 2016, arXiv:1604.03540).

    Args:
        logits: Float [B,H,W,C].
        target: See Target.
        threshold: A pixel is hard if its true class is given less than this probability, whatever the label smoothing:
            a smoothed loss is never small. The default is HRNet's.
        min_share: At least this share of each image's pixels that count is taken, the hardest first. The published code
            sets the minimum for a whole batch, which depends on how the batch is shared out over devices.
    """
    losses = _cross_entropies(logits, target.soft)
    hardness = losses if target.soft is target.truth else _cross_entropies(logits, target.truth)
    weights = target.pixel_weights
    # Ranked below every pixel that counts, which is at least 0 hard.
    ranked = tf.where(weights > 0, tf.stop_gradient(hardness), -1.0)
    batch, pixels = tf.shape(losses)[0], tf.shape(losses)[1] * tf.shape(losses)[2]
    counted = tf.reduce_sum(tf.cast(weights > 0, tf.float32), axis=[1, 2])
    wanted = tf.cast(tf.math.ceil(min_share * counted), tf.int32)
    most = tf.minimum(tf.cast(tf.math.ceil(min_share * tf.cast(pixels, tf.float32)), tf.int32) + 1, pixels)
    hardest = tf.math.top_k(tf.reshape(ranked, [batch, pixels]), k=most).values
    last = tf.gather(hardest, tf.clip_by_value(wanted - 1, 0, most - 1), batch_dims=1)
    limit = -math.log(max(threshold, SMALLEST))
    cut = tf.where(wanted > 0, tf.minimum(last, limit), limit)
    return _mean(losses, tf.where(ranked >= cut[:, None, None], weights, 0.0))


def boundary(logits: tf.Tensor, target: Target, *, radius: Positive = 3) -> Sums:
    """Cross-entropy of the pixels near a boundary between two classes alone; add it to that of all pixels.

    As PIDNet's boundary-aware term (Xu et al. 2023, arXiv:2206.02066, eq. 3), with the true boundary in place of a
    predicted one. The edge of an ignored region is no boundary.

    Args:
        logits: Float [B,H,W,C].
        target: See Target.
        radius: A pixel is near if the square of pixels up to this far holds another class.
    """
    counts = target.labels != IGNORE
    labels = tf.cast(target.labels, tf.float32)
    highest_and_lowest = tf.stack([tf.where(counts, labels, -IGNORE), tf.where(counts, -labels, -IGNORE)], axis=-1)
    pooled = tf.nn.max_pool2d(highest_and_lowest, 2 * radius + 1, strides=1, padding="SAME")
    near = tf.reduce_sum(pooled, axis=-1) > 0  # the highest label around is not the lowest
    return _mean(_cross_entropies(logits, target.soft), tf.where(near, target.pixel_weights, 0.0))


def _cross_entropies(logits: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """From a target's `truth` or `soft`: float32 [B,H,W], 0 where a pixel does not count.

    On a CPU twice as fast as TensorFlow's sparse kernel.
    """
    logits = tf.cast(logits, tf.float32)
    below_top = logits - tf.stop_gradient(tf.reduce_max(logits, axis=-1, keepdims=True))
    log_sum = tf.math.log(tf.reduce_sum(tf.exp(below_top), axis=-1))
    counted = tf.reduce_sum(truth, axis=-1)
    return counted * log_sum - tf.reduce_sum(below_top * truth, axis=-1)


def _mean(losses: tf.Tensor, weights: tf.Tensor) -> Sums:
    return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)
