"""Losses of the overlap of regions: a mean over the pairs of an image and a class present in it, or of all pairs.

A pair has the weight of its class. Regions are those of single images, not of a batch, so that the mean does not depend
on how a batch is split over devices. Logits are float [B,H,W,C] of any precision; everything is computed in float32.
"""

import tensorflow as tf

from models.losses.target import Sums, Target
from models.typed_values import Fraction

EPSILON = 1e-6
"""Pixels added to a divisor, so that it is never 0."""

SMOOTHING = 1.0
"""Pixels by which a class that is absent from an image overlaps with its truth: without them its loss would be 1 for
any answer, and with fewer it would be near 1 for answers that are nearly right."""


def dice(logits: tf.Tensor, target: Target, *, absent: bool = False) -> Sums:
    """One minus soft Dice, 2 |A n B| / (|A| + |B|) (Milletari et al. 2016, arXiv:1606.04797, without their squares).

    >>> from models.losses import target
    >>> loss, weight = dice(tf.zeros([1, 1, 4, 2]), target.make([[[0, 1, 1, 1]]], 2))  # probabilities 0.5
    >>> round(float(loss), 3), float(weight)  # of 1 - 1/3 and 1 - 3/5
    (1.067, 2.0)

    Args:
        logits: Float [B,H,W,C].
        target: Truth and weights of the same pixels.
        absent: Whether classes that an image does not show count, as in `tversky`.
    """
    return tversky(logits, target, alpha=0.5, beta=0.5, absent=absent)


def jaccard(logits: tf.Tensor, target: Target) -> Sums:
    """One minus soft intersection over union (Rahman and Wang 2016).

    >>> from models.losses import target
    >>> loss, weight = jaccard(tf.zeros([1, 1, 4, 2]), target.make([[[0, 1, 1, 1]]], 2))  # probabilities 0.5
    >>> round(float(loss), 3), float(weight)  # of 1 - 0.5/2.5 and 1 - 1.5/3.5
    (1.371, 2.0)
    """
    return tversky(logits, target, alpha=1.0, beta=1.0)


def tversky(
    logits: tf.Tensor, target: Target, *, alpha: Fraction = 0.3, beta: Fraction = 0.7, absent: bool = False
) -> Sums:
    """One minus TP / (TP + alpha * FP + beta * FN), soft (Salehi et al. 2017, arXiv:1706.05721).

    >>> from models.losses import target
    >>> loss, weight = tversky(tf.zeros([1, 1, 4, 2]), target.make([[[0, 1, 1, 1]]], 2))  # probabilities 0.5
    >>> round(float(loss), 3), float(weight)  # of 1 - 0.5/1.3 and 1 - 1.5/2.7
    (1.06, 2.0)

    Args:
        logits: Float [B,H,W,C].
        target: Truth and weights of the same pixels.
        alpha: Weight of the false positives.
        beta: Weight of the false negatives. The defaults are the paper's best.
        absent: Whether classes that an image does not show count, too: as 1 - 1 / (1 + alpha * FP), of pixels. An
            object in an empty picture is then as wrong as one that is missed. Meant for a few classes.
    """
    weights = target.weights[..., None]
    p = tf.nn.softmax(tf.cast(logits, tf.float32))
    tp = tf.reduce_sum(weights * p * target.soft, axis=[1, 2])
    fp = tf.reduce_sum(weights * p, axis=[1, 2]) - tp
    fn = tf.reduce_sum(weights * target.soft, axis=[1, 2]) - tp
    losses = 1 - tp / (tp + alpha * fp + beta * fn + EPSILON)
    if not absent:
        return _mean(losses, target)
    shown = tf.reduce_max(target.truth, axis=[1, 2])
    empty = 1 - (tp + SMOOTHING) / (tp + alpha * fp + beta * fn + SMOOTHING)
    # An image whose pixels are all ignored shows no class, and so counts for none.
    weights = tf.reduce_max(shown, axis=1, keepdims=True) * target.class_weights
    return tf.reduce_sum(weights * tf.where(shown > 0, losses, empty)), tf.reduce_sum(weights)


def lovasz_softmax(logits: tf.Tensor, target: Target) -> Sums:
    """Convex extension of the intersection over union (Berman et al. 2018, arXiv:1705.08790), over `present` classes.

    It sorts the errors of each class: on a CPU by far the slowest of the losses.

    >>> from models.losses import target
    >>> loss, weight = lovasz_softmax(tf.zeros([1, 1, 4, 2]), target.make([[[0, 1, 1, 1]]], 2))  # all errors 0.5
    >>> float(loss), float(weight)
    (1.0, 2.0)
    """
    shape = tf.shape(target.truth)
    batch, pixels, classes = shape[0], shape[1] * shape[2], shape[3]

    def rows(x: tf.Tensor) -> tf.Tensor:
        return tf.transpose(tf.reshape(x, [batch, pixels, classes]), [0, 2, 1])  # [B,C,HW]

    weights = tf.broadcast_to(target.weights[..., None], shape)
    p = tf.nn.softmax(tf.cast(logits, tf.float32))
    errors = rows(tf.where(weights > 0, tf.abs(target.soft - p), 0.0))
    order = tf.argsort(tf.stop_gradient(errors), axis=-1, direction="DESCENDING")
    truth, weights = (tf.gather(rows(x), order, batch_dims=2) for x in (target.truth, weights))
    area = tf.reduce_sum(truth * weights, axis=-1, keepdims=True)
    intersection = area - tf.cumsum(truth * weights, axis=-1)
    union = area + tf.cumsum((1 - truth) * weights, axis=-1)
    jaccard_loss = 1 - tf.math.divide_no_nan(intersection, union)
    slopes = jaccard_loss - tf.concat([tf.zeros_like(jaccard_loss[..., :1]), jaccard_loss[..., :-1]], axis=-1)
    return _mean(tf.reduce_sum(tf.gather(errors, order, batch_dims=2) * tf.stop_gradient(slopes), axis=-1), target)


def _mean(losses: tf.Tensor, target: Target) -> Sums:
    """Add up losses [B,C] over the classes present in each image."""
    weights = tf.reduce_max(target.truth, axis=[1, 2]) * target.class_weights
    return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)
