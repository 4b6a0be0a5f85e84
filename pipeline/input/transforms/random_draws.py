"""Random numbers as functions of a seed. Each kind of change has a seed of its own, so that one does not shift another.

A seed is int64 [2]. Philox gives the same numbers on every device.
"""

from enum import IntEnum

import tensorflow as tf


class Kind(IntEnum):
    """What numbers are drawn for. The values are part of what a seed means: they are never given anew."""

    PARTNER = 1
    TURN = 2
    RARE = 3
    GAMMA = 4
    BLUR = 5
    NOISE = 6
    CUTOUT = 7
    MIX = 8
    NOISE_STRENGTH = 9


def of_example(seed: int, epoch: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Give the seed of an example in an epoch; all three are integers."""
    return tf.random.fold_in(tf.stack([tf.constant(seed, tf.int64), epoch]), key)


def uniform(count: int, seed: tf.Tensor, kind: Kind | None = None) -> tf.Tensor:
    """Draw `count` numbers in 0..1, float32; None: those that zoom, crop, mirror and colours share."""
    return tf.random.stateless_uniform([count], _of(seed, kind), alg="philox")


def normal(shape: tf.Tensor, seed: tf.Tensor, kind: Kind) -> tf.Tensor:
    """Draw from the normal distribution of mean 0 and deviation 1, float32."""
    return tf.random.stateless_normal(shape, _of(seed, kind), alg="philox")


def between(low: float | tf.Tensor, high: float | tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
    """Map a draw in 0..1 to low..high."""
    return low + (high - low) * draw


def _of(seed: tf.Tensor, kind: Kind | None) -> tf.Tensor:
    return seed if kind is None else tf.random.fold_in(seed, tf.constant(int(kind), tf.int64))
