"""Gaussian blur, Gaussian noise and cutout."""

import math

import tensorflow as tf

from models.labels import IGNORE
from models.segmenter import GREY
from pipeline.config.input import AugmentConfig
from pipeline.input.transforms.random_draws import Kind, between, normal, uniform

DEVIATIONS = 3
"""The Gaussian is truncated at this many standard deviations of the strongest blur; 0.3 % of it lies beyond."""


def enabled(config: AugmentConfig) -> bool:
    """Whether the config enables blur, noise or cutout."""
    return any((config.blur, config.noise, config.cutout))


def apply(pixels: tf.Tensor, label: tf.Tensor, config: AugmentConfig, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Blur, add noise, and cut out a rectangle; only the last changes the mask, to IGNORE.

    Args:
        pixels: float32 [h,w,3], 0..255.
        label: uint8 [h,w], 255 = ignored.
        config: The limits: blur in pixels of deviation, noise in shares of 255, cutout in shares of a side.
        seed: The example's seed, int64 [2].

    Returns:
        pixels float32 [h,w,3], which noise may bring out of 0..255, and label uint8 [h,w].
    """
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
    """Blur along each axis by weighted sums of shifted images: faster than a convolution for three channels."""
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
    """Draw a rectangle whose sides are up to `limit` of those of `size`: bool [h,w]."""
    draws = uniform(4, seed, Kind.CUTOUT)
    sides = limit * draws[:2]
    begin = between(0.0, 1 - sides, draws[2:])
    return inside(size, begin, begin + sides)


def inside(size: tf.Tensor, begin: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """Mark the pixels of a rectangle.

    Args:
        size: int32 [2], h and w.
        begin: Top and left, float32 [2], as shares of h and w.
        end: Bottom and right, likewise.

    Returns:
        bool [h,w], True for pixels whose centres lie inside.
    """
    rows, columns = (
        (centres >= begin[axis]) & (centres < end[axis])
        for axis, centres in enumerate(
            (tf.range(size[axis], dtype=tf.float32) + 0.5) / tf.cast(size[axis], tf.float32) for axis in (0, 1)
        )
    )
    return rows[:, None] & columns[None]
