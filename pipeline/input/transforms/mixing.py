"""Two examples into one: CutMix lays a rectangle of another over it, ClassMix half of the other's classes.

Yun et al.: CutMix, ICCV 2019. Olsson et al.: ClassMix, WACV 2021, here with both labels known.
"""

from typing import NamedTuple

import tensorflow as tf

from datasets.spec import IGNORE
from pipeline.config.recipe import AugmentConfig
from pipeline.input.transforms.random_draws import Kind, uniform
from pipeline.input.transforms.rare_classes import IDS, occurring
from pipeline.input.transforms.texture import inside

NONE, CUTMIX, CLASSMIX = 0, 1, 2


class Plan(NamedTuple):
    """What is mixed with an example.

    Attributes:
        kind: NONE, CUTMIX or CLASSMIX, int32.
        partner: Index of the other example, int64.
    """

    kind: tf.Tensor
    partner: tf.Tensor


def asked(config: AugmentConfig) -> bool:
    """Whether anything here is on."""
    return config.cutmix + config.classmix > 0


def plan(config: AugmentConfig, seed: tf.Tensor, number: int) -> Plan:
    """Draw what is mixed with the example of this seed, among `number` of them: no other example has a say."""
    draws = uniform(2, seed, Kind.PARTNER)
    either = tf.where(draws[0] < config.cutmix, CUTMIX, CLASSMIX)
    kind = tf.where(draws[0] < config.cutmix + config.classmix, either, NONE)
    return Plan(kind, tf.minimum(tf.cast(draws[1] * number, tf.int64), number - 1))


def mix(
    image: tf.Tensor, label: tf.Tensor, other: tuple[tf.Tensor, tf.Tensor], kind: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Lay a part of `other` (image, label) over image uint8 [h,w,3] and label uint8 [h,w]; all have one size."""
    taken = tf.cond(
        kind == CUTMIX, lambda: _rectangle(tf.shape(label), seed), lambda: _half_of_the_classes(other[1], seed)
    )
    return tf.where(taken[..., None], other[0], image), tf.where(taken, other[1], label)


def _rectangle(size: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw a rectangle as CutMix does: its area uniform in 0..1, its shape the image's, its middle anywhere in it."""
    draws = uniform(3, seed, Kind.MIX)
    half = tf.sqrt(draws[0]) / 2
    return inside(size, draws[1:] - half, draws[1:] + half)


def _half_of_the_classes(label: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Choose half of the classes of a label, rounded down, and mark their pixels: bool [h,w]."""
    there = occurring(tf.cast(label, tf.int32))
    there &= tf.range(IDS) != IGNORE
    draws = tf.where(there, uniform(IDS, seed, Kind.MIX), 2.0)
    half = tf.reduce_sum(tf.cast(there, tf.int32)) // 2
    last = tf.concat([[-1.0], tf.sort(draws)], axis=0)[half]
    return tf.gather(draws <= last, tf.cast(label, tf.int32))
