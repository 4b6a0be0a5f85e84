"""Mix two examples: CutMix pastes a rectangle of another one, ClassMix half of the other's classes.

Yun et al.: CutMix, ICCV 2019. Olsson et al.: ClassMix, WACV 2021, here with both labels given.
"""

from typing import NamedTuple

import tensorflow as tf

from models.labels import IGNORE
from pipeline.config.input import AugmentConfig
from pipeline.input.transforms.random_draws import Kind, uniform
from pipeline.input.transforms.rare_classes import LABELS, present_labels
from pipeline.input.transforms.texture import inside

NONE, CUTMIX, CLASSMIX = 0, 1, 2


class Plan(NamedTuple):
    """How an example is mixed.

    Attributes:
        kind: int32 scalar, NONE, CUTMIX or CLASSMIX.
        partner: int64 scalar, index of the other example.
    """

    kind: tf.Tensor
    partner: tf.Tensor


def enabled(config: AugmentConfig) -> bool:
    """Whether the config enables mixing."""
    return config.cutmix + config.classmix > 0


def draw_plan(config: AugmentConfig, seed: tf.Tensor, count: int) -> Plan:
    """Draw how an example is mixed and with which of `count` examples; depends only on its seed, int64 [2]."""
    draws = uniform(2, seed, Kind.PARTNER)
    either = tf.where(draws[0] < config.cutmix, CUTMIX, CLASSMIX)
    kind = tf.where(draws[0] < config.cutmix + config.classmix, either, NONE)
    return Plan(kind, tf.minimum(tf.cast(draws[1] * count, tf.int64), count - 1))


def mix(
    image: tf.Tensor, label: tf.Tensor, other: tuple[tf.Tensor, tf.Tensor], kind: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Paste a part of `other` into an example.

    Args:
        image: uint8 [h,w,3].
        label: uint8 [h,w], 255 = ignored.
        other: image and label of the partner, of the same shapes.
        kind: int32 scalar, CUTMIX or CLASSMIX.
        seed: The example's seed, int64 [2].

    Returns:
        image uint8 [h,w,3], label uint8 [h,w].
    """
    pasted = tf.cond(
        kind == CUTMIX, lambda: _rectangle(tf.shape(label), seed), lambda: _half_of_the_classes(other[1], seed)
    )
    return tf.where(pasted[..., None], other[0], image), tf.where(pasted, other[1], label)


def _rectangle(size: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw CutMix's rectangle, bool [h,w]: area uniform in 0..1, the image's aspect ratio, centre uniform in it."""
    draws = uniform(3, seed, Kind.MIX)
    half = tf.sqrt(draws[0]) / 2
    return inside(size, draws[1:] - half, draws[1:] + half)


def _half_of_the_classes(label: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw half of the classes in a label, rounded down, and mark their pixels: bool [h,w]."""
    present = present_labels(tf.cast(label, tf.int32)) & (tf.range(LABELS) != IGNORE)
    draws = tf.where(present, uniform(LABELS, seed, Kind.MIX), 2.0)
    half = tf.reduce_sum(tf.cast(present, tf.int32)) // 2
    last = tf.concat([[-1.0], tf.sort(draws)], axis=0)[half]
    return tf.gather(draws <= last, tf.cast(label, tf.int32))
