"""Batch normalisation in training: by the statistics of one device's images, or of the images of all devices.

Both use TensorFlow's fused kernel, which computes in float32 under any precision.
"""

from typing import Any

import tensorflow as tf

Normalised = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""[B,H,W,C] in the dtype of the input; its mean and its biased variance, float32 [C]."""

_fused = tf.compat.v1.nn.fused_batch_norm


def by_own(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> Normalised:
    """Normalise [B,H,W,C] by its own mean and variance; gamma and beta are float32 [C]."""
    y, mean, variance = _fused(x, gamma, beta, epsilon=epsilon)
    pixels = _pixels(x)
    return y, mean, variance * (pixels - 1) / pixels  # the kernel returns the unbiased one, Keras stores the biased one


def by_all(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float, *, near: tf.Tensor) -> Normalised:
    """Normalise [B,H,W,C] by mean and variance over all replicas: one all-reduce forward and one back.

    Keras's own sends three forward and two back (3.15): 125 of the 128 of a step of `fast`, most of whose time on two
    workers they took. A message costs its latency, not its few bytes, so the sums travel as one vector.

    Forward: with n of N pixels, the own mean m and variance v, and d = m - near, all replicas sum n d, n (v + d^2) and
    n. Then mean = near + D and variance = Q - D^2, D and Q being the first two sums divided by N. Any `near` gives the
    same result; a close one keeps the difference of squares from cancelling.

    Backward, with the normalised x^ and the gradient g of the output (Ioffe & Szegedy 2015, arXiv:1502.03167, 3.1):
    gamma / deviation * (g - G - x^ * H), G and H being the means of g and g * x^ over all replicas.

    Args:
        x: Of this replica; call it in a replica context.
        gamma: Scale, float32 [C].
        beta: Offset, float32 [C].
        epsilon: Added to the variance.
        near: Float32 [C] near the mean, equal on all replicas: the moving mean.
    """
    replica = tf.distribute.get_replica_context()

    def total(*vectors: tf.Tensor) -> list[tf.Tensor]:
        joined = replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.concat(vectors, axis=0))
        parts: list[tf.Tensor] = tf.split(joined, [vector.shape[0] for vector in vectors])
        return parts

    @tf.custom_gradient
    def normalise(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[Normalised, Any]:
        _, own_mean, own_variance = by_own(x, tf.ones_like(gamma), tf.zeros_like(beta), epsilon)
        own, difference = _pixels(x), own_mean - near
        sums = total(own * difference, own * (own_variance + difference**2), own[None])
        pixels = sums[2][0]
        shift = sums[0] / pixels
        mean, variance = near + shift, tf.maximum(sums[1] / pixels - shift**2, 0.0)
        with tf.GradientTape(persistent=True) as tape:  # several losses go back through it one after the other
            tape.watch((x, gamma, beta))
            y, *_ = _fused(x, gamma, beta, mean, variance, epsilon=epsilon, is_training=False)

        def gradient(upstream: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            to_x, to_gamma, to_beta = tape.gradient(y, (x, gamma, beta), upstream)  # as if the statistics were fixed
            means = [each / pixels for each in total(to_gamma, to_beta)]
            factor = -gamma * tf.math.rsqrt(variance + epsilon)
            through, *_ = _fused(
                x, factor * means[0], factor * means[1], mean, variance, epsilon=epsilon, is_training=False
            )
            return to_x + through, to_gamma, to_beta

        return (y, mean, variance), gradient

    return normalise(x, gamma, beta)


def _pixels(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.reduce_prod(tf.shape(x)[:3]), tf.float32)
