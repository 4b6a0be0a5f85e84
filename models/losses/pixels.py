"""Losses of single pixels: a mean over the pixels, each weighted by its own weight times that of its true class.

Logits are float [B,H,W,C] of any precision; everything is computed in float32.
"""

import math

import tensorflow as tf

from models.labels import IGNORE
from models.losses.target import Sums, Target
from models.typed_values import Fraction, NotNegative, Positive

EPSILON = 1e-6
"""Lower bound of 1 - p in the focal loss (a power below 1 has an infinite slope at 0) and of ohem's threshold."""


def cross_entropy(logits: tf.Tensor, target: Target) -> Sums:
    """Softmax cross-entropy.

    >>> from models.losses import target
    >>> loss, weight = cross_entropy([[[[0.0, 2.0], [0.0, 2.0], [9.0, 0.0]]]], target.make([[[1, 0, 255]]], 2))
    >>> round(float(loss), 3), float(weight)  # of 0.127 and 2.127; the third pixel is ignored
    (2.254, 2.0)
    """
    return _mean(_cross_entropies(logits, target.soft), target.pixel_weights)


def focal(logits: tf.Tensor, target: Target, *, gamma: NotNegative = 2.0) -> Sums:
    """Cross-entropy times (1 - p)^gamma, which down-weights easy pixels (Lin et al. 2017, arXiv:1708.02002).

    >>> from models.losses import target
    >>> loss, weight = focal([[[[0.0, 2.0], [0.0, 2.0]]]], target.make([[[1, 0]]], 2))
    >>> round(float(loss), 3), float(weight)
    (1.652, 2.0)

    Args:
        logits: Float [B,H,W,C].
        target: Truth and weights of the same pixels.
        gamma: 0 is cross-entropy; 2 is the paper's choice. The mean is over all pixels, not over the foreground.
    """
    log_p = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    error = tf.maximum(1 - tf.exp(log_p), EPSILON)
    return _mean(-tf.reduce_sum(target.soft * error**gamma * log_p, axis=-1), target.pixel_weights)


def ohem(logits: tf.Tensor, target: Target, *, threshold: Fraction = 0.9, min_share: Fraction = 0.125) -> Sums:
    """Cross-entropy of the hard pixels (online hard example mining, Shrivastava et al. 2016, arXiv:1604.03540).

    >>> from models.losses import target
    >>> loss, weight = ohem([[[[0.0, 9.0], [0.0, 2.0]]]], target.make([[[1, 1]]], 2))
    >>> round(float(loss), 3), float(weight)  # the first pixel is predicted with probability 0.9999 and left out
    (0.127, 1.0)

    Args:
        logits: Float [B,H,W,C].
        target: Truth and weights of the same pixels.
        threshold: A pixel is hard if the probability of its true class is at most this. Label smoothing is disregarded,
            since a smoothed loss is never small. The default is HRNet's.
        min_share: Least share of each image's counted pixels to use, the hardest first. The published code sets the
            minimum for a whole batch, which makes it depend on how the batch is split over devices.
    """
    losses = _cross_entropies(logits, target.soft)
    hardness = losses if target.soft is target.truth else _cross_entropies(logits, target.truth)
    weights = target.pixel_weights
    # Ignored pixels rank below all others, whose hardness is at least 0.
    ranked = tf.where(weights > 0, tf.stop_gradient(hardness), -1.0)
    batch, pixels = tf.shape(losses)[0], tf.shape(losses)[1] * tf.shape(losses)[2]
    counted = tf.reduce_sum(tf.cast(weights > 0, tf.float32), axis=[1, 2])
    wanted = tf.cast(tf.math.ceil(min_share * counted), tf.int32)
    most = tf.minimum(tf.cast(tf.math.ceil(min_share * tf.cast(pixels, tf.float32)), tf.int32) + 1, pixels)
    hardest = tf.math.top_k(tf.reshape(ranked, [batch, pixels]), k=most).values
    last = tf.gather(hardest, tf.clip_by_value(wanted - 1, 0, most - 1), batch_dims=1)
    limit = -math.log(max(threshold, EPSILON))
    cut = tf.where(wanted > 0, tf.minimum(last, limit), limit)
    return _mean(losses, tf.where(ranked >= cut[:, None, None], weights, 0.0))


def boundary(logits: tf.Tensor, target: Target, *, radius: Positive = 3) -> Sums:
    """Cross-entropy of the pixels near a boundary between two classes; use it in addition to that of all pixels.

    Like PIDNet's boundary-aware term (Xu et al. 2023, arXiv:2206.02066, eq. 3), with the true boundary instead of a
    predicted one. The edge of an ignored region is not a boundary.

    >>> from models.losses import target
    >>> loss, weight = boundary(tf.zeros([1, 1, 6, 2]), target.make([[[0, 0, 0, 1, 1, 1]]], 2), radius=1)
    >>> round(float(loss / weight), 3), float(weight)  # the two pixels in the middle
    (0.693, 2.0)

    Args:
        logits: Float [B,H,W,C].
        target: Truth and weights of the same pixels.
        radius: A pixel is near a boundary if the (2 * radius + 1)^2 pixels around it hold two classes.
    """
    counts = target.labels != IGNORE
    labels = tf.cast(target.labels, tf.float32)
    highest_and_lowest = tf.stack([tf.where(counts, labels, -IGNORE), tf.where(counts, -labels, -IGNORE)], axis=-1)
    pooled = tf.nn.max_pool2d(highest_and_lowest, 2 * radius + 1, strides=1, padding="SAME")
    near = tf.reduce_sum(pooled, axis=-1) > 0  # the highest label in the window is not the lowest
    return _mean(_cross_entropies(logits, target.soft), tf.where(near, target.pixel_weights, 0.0))


def _cross_entropies(logits: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Return the cross-entropy with `truth` [B,H,W,C], one-hot or smoothed: float32 [B,H,W], 0 for ignored pixels.

    Twice as fast on a CPU as TensorFlow's sparse kernel.
    """
    logits = tf.cast(logits, tf.float32)
    below_top = logits - tf.stop_gradient(tf.reduce_max(logits, axis=-1, keepdims=True))
    log_sum = tf.math.log(tf.reduce_sum(tf.exp(below_top), axis=-1))
    counted = tf.reduce_sum(truth, axis=-1)
    return counted * log_sum - tf.reduce_sum(below_top * truth, axis=-1)


def _mean(losses: tf.Tensor, weights: tf.Tensor) -> Sums:
    return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)
