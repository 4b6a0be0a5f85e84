"""Losses that judge how a class's region is covered: a mean over the pairs of an image and a class that it shows.

Each pair weighs what its class weighs. Regions are those of one image, not of the batch: the mean is then the same
however a batch is shared out over devices. Logits are float [B,H,W,C] of any precision; computed in float32.
"""

import tensorflow as tf

from models.losses.target import Sums, Target
from models.parameters import Fraction

SMALLEST = 1e-6
"""Pixels added to a divisor, so that it is never 0."""


def dice(logits: tf.Tensor, target: Target) -> Sums:
    """One minus soft Dice, 2 |A n B| / (|A| + |B|) (Milletari et al. 2016, arXiv:1606.04797, without their squares)."""
    return tversky(logits, target, alpha=0.5, beta=0.5)


def jaccard(logits: tf.Tensor, target: Target) -> Sums:
    """One minus soft intersection over union (Rahman and Wang 2016)."""
    return tversky(logits, target, alpha=1.0, beta=1.0)


def tversky(logits: tf.Tensor, target: Target, *, alpha: Fraction = 0.3, beta: Fraction = 0.7) -> Sums:
    """One minus hits / (hits + alpha * false alarms + beta * misses) (Salehi et al. 2017, arXiv:1706.05721).

    Args:
        logits: Float [B,H,W,C].
        target: See Target.
        alpha: Weight of probability given to pixels of other classes.
        beta: Weight of probability that the class's own pixels lack. The defaults are the paper's best.
    """
    weights = target.weights[..., None]
    p = tf.nn.softmax(tf.cast(logits, tf.float32))
    hits = tf.reduce_sum(weights * p * target.soft, axis=[1, 2])
    false_alarms = tf.reduce_sum(weights * p, axis=[1, 2]) - hits
    misses = tf.reduce_sum(weights * target.soft, axis=[1, 2]) - hits
    return _mean(1 - hits / (hits + alpha * false_alarms + beta * misses + SMALLEST), target)


def lovasz_softmax(logits: tf.Tensor, target: Target) -> Sums:
    """Convex extension of the intersection over union (Berman et al. 2018, arXiv:1705.08790), `present` classes alone.

    The errors of each class are sorted: on a CPU the dearest of the losses by far.
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
    mine = tf.reduce_sum(truth * weights, axis=-1, keepdims=True)
    hits = mine - tf.cumsum(truth * weights, axis=-1)
    union = mine + tf.cumsum((1 - truth) * weights, axis=-1)
    lost = 1 - tf.math.divide_no_nan(hits, union)
    slopes = lost - tf.concat([tf.zeros_like(lost[..., :1]), lost[..., :-1]], axis=-1)
    return _mean(tf.reduce_sum(tf.gather(errors, order, batch_dims=2) * tf.stop_gradient(slopes), axis=-1), target)


def _mean(losses: tf.Tensor, target: Target) -> Sums:
    """Add up losses [B,C] over the classes that each image shows."""
    shown = tf.reduce_max(target.truth, axis=[1, 2]) * target.class_weights
    return tf.reduce_sum(losses * shown), tf.reduce_sum(shown)
