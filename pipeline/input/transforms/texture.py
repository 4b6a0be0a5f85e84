"""Blur, noise, and a rectangle that is hidden."""

import math

import tensorflow as tf

from datasets.spec import IGNORE
from models.segmenter import GREY
from pipeline.config.recipe import AugmentConfig
from pipeline.input.transforms.random_draws import Kind, between, normal, uniform

DEVIATIONS = 3
"""A Gaussian is cut off at so many standard deviations of the strongest blur; 0.3 % lie beyond."""


def asked(config: AugmentConfig) -> bool:
    """Whether anything here is on."""
    return any((config.blur, config.noise, config.cutout))


def change(pixels: tf.Tensor, label: tf.Tensor, config: AugmentConfig, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Change float32 [h,w,3], 0..255, and uint8 [h,w]; the mask knows of the hidden rectangle alone."""
    if config.blur:
        pixels = _blur(pixels, config.blur, config.blur * uniform(1, seed, Kind.BLUR)[0])
    if config.noise:
        deviation = 255 * config.noise * uniform(1, seed, Kind.NOISE_STRENGTH)[0]
        pixels += deviation * normal(tf.shape(pixels), seed, Kind.NOISE)
    if config.cutout:
        hidden = _rectangle(tf.shape(label), config.cutout, seed)
        pixels = tf.where(hidden[..., None], GREY, pixels)
        label = tf.where(hidden, tf.constant(IGNORE, tf.uint8), label)
    return pixels, label


def _blur(pixels: tf.Tensor, strongest: float, deviation: tf.Tensor) -> tf.Tensor:
    """Blur along each axis by weighted sums of shifted images: for three channels quicker than a convolution."""
    radius = math.ceil(DEVIATIONS * strongest)
    reach = tf.range(-radius, radius + 1, dtype=tf.float32)
    weights = tf.nn.softmax(-tf.square(reach / tf.maximum(deviation, 1e-3)) / 2)
    for axis in (0, 1):
        length = tf.shape(pixels)[axis]
        padded = tf.gather(pixels, tf.clip_by_value(tf.range(-radius, length + radius), 0, length - 1), axis=axis)
        shifted = [
            weight * (padded[shift : shift + length] if axis == 0 else padded[:, shift : shift + length])
            for shift, weight in enumerate(tf.unstack(weights))
        ]
        pixels = tf.ensure_shape(tf.add_n(shifted), pixels.shape)
    return pixels


def _rectangle(size: tf.Tensor, limit: float, seed: tf.Tensor) -> tf.Tensor:
    """Draw a rectangle of up to `limit` of both sides of `size`: bool [h,w]."""
    draws = uniform(4, seed, Kind.CUTOUT)
    sides = limit * draws[:2]
    begin = between(0.0, 1 - sides, draws[2:])
    return inside(size, begin, begin + sides)


def inside(size: tf.Tensor, begin: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """Mark the pixels whose centres lie from `begin` to `end`, shares [2] of the height and the width: bool [h,w]."""
    rows, columns = (
        (centres >= begin[axis]) & (centres < end[axis])
        for axis, centres in enumerate(
            (tf.range(size[axis], dtype=tf.float32) + 0.5) / tf.cast(size[axis], tf.float32) for axis in (0, 1)
        )
    )
    return rows[:, None] & columns[None]
