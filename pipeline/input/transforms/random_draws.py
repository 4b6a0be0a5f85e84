"""Stateless random numbers. Each kind of transform folds its own number into the seed: none shifts another's draws.

A seed is int64 [2]. Philox generates the same numbers on every device.
"""

from enum import IntEnum

import tensorflow as tf


class Kind(IntEnum):
    """Purpose of a draw. The values are part of the seed's meaning: never change or reuse one."""

    PARTNER = 1
    ROTATION = 2
    RARE = 3
    GAMMA = 4
    BLUR = 5
    NOISE = 6
    CUTOUT = 7
    MIX = 8
    NOISE_STRENGTH = 9


def example_seed(seed: int, epoch: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Seed of an example in an epoch, int64 [2], from the training's seed and int64 scalars `epoch` and `key`."""
    return tf.random.fold_in(tf.stack([tf.constant(seed, tf.int64), epoch]), key)


def uniform(count: int, seed: tf.Tensor, kind: Kind | None = None) -> tf.Tensor:
    """Draw float32 [count] in [0, 1); kind None: the draws that zoom, crop, flip and colour share."""
    return tf.random.stateless_uniform([count], _folded(seed, kind), alg="philox")


def normal(shape: tf.Tensor, seed: tf.Tensor, kind: Kind) -> tf.Tensor:
    """Draw float32 of this shape from the standard normal distribution."""
    return tf.random.stateless_normal(shape, _folded(seed, kind), alg="philox")


def between(low: float | tf.Tensor, high: float | tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
    """Map a draw in 0..1 to low..high."""
    return low + (high - low) * draw


def _folded(seed: tf.Tensor, kind: Kind | None) -> tf.Tensor:
    return seed if kind is None else tf.random.fold_in(seed, tf.constant(int(kind), tf.int64))
