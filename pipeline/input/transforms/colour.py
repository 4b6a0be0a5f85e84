"""Brightness, contrast, saturation and hue as one 3x3 matrix and an offset; then gamma."""

import math

import tensorflow as tf

from pipeline.config.input import AugmentConfig
from pipeline.input.transforms.random_draws import Kind, between, uniform

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""

YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
"""RGB -> YIQ (FCC 1953). Hue is rotated in the IQ plane: a linear map, where HSV needs a sort of the channels."""


def enabled(config: AugmentConfig) -> bool:
    """Whether the config enables a change of colour."""
    return _recolours(config) or config.gamma > 0


def apply(pixels: tf.Tensor, image: tf.Tensor, config: AugmentConfig, draws: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Change brightness, contrast, saturation, hue and gamma.

    Args:
        pixels: The resampled image, float32 [h,w,3], 0..255.
        image: The original, uint8 [H,W,3]: contrast is scaled around its mean.
        config: The largest change of each.
        draws: float32 [4] in 0..1: for brightness, contrast, saturation and hue.
        seed: The example's seed, int64 [2]; for gamma.

    Returns:
        float32 [h,w,3]; without gamma, values may leave 0..255.
    """
    if _recolours(config):
        pixels = _recolour(pixels, _mean(image), config, draws)
    if config.gamma:
        limit = math.log1p(config.gamma)
        power = tf.exp(between(-limit, limit, uniform(1, seed, Kind.GAMMA)[0]))
        pixels = 255 * tf.pow(tf.clip_by_value(pixels / 255, 0.0, 1.0), power)
    return pixels


def _recolours(config: AugmentConfig) -> bool:
    return any((config.brightness, config.contrast, config.saturation, config.hue))


def _mean(image: tf.Tensor) -> tf.Tensor:
    """Mean colour, float32 [3], of every eighth row and column: accurate enough here, at 1/64 of the cost."""
    return tf.reduce_mean(tf.cast(image[::8, ::8], tf.float32), axis=[0, 1])


def _recolour(pixels: tf.Tensor, mean: tf.Tensor, config: AugmentConfig, draws: tf.Tensor) -> tf.Tensor:
    """Change brightness, contrast, saturation and hue of float32 [h,w,3]; `mean` float32 [3] as `_mean`."""
    limits = (config.brightness, config.contrast, config.saturation)
    brightness, contrast, saturation = (
        between(-limit, limit, draw) for limit, draw in zip(limits, tf.unstack(draws[:3]), strict=True)
    )
    offset = 255 * brightness - contrast * tf.tensordot(mean, tf.constant(LUMA), 1)
    if not (config.saturation or config.hue):
        return pixels * (1 + contrast) + offset
    grey = tf.tile(tf.constant(LUMA)[:, None], [1, 3])
    matrix = (1 + saturation) * tf.eye(3) - saturation * grey
    if config.hue:
        matrix = tf.matmul(matrix, _hue_rotation(between(-config.hue, config.hue, draws[3])))
    changed = tf.matmul(tf.reshape(pixels, [-1, 3]), matrix * (1 + contrast)) + offset
    return tf.reshape(changed, tf.shape(pixels))


def _hue_rotation(turns: tf.Tensor) -> tf.Tensor:
    """Matrix float32 [3,3] that rotates the hue of row vectors by `turns`, in full turns."""
    to_yiq = tf.transpose(tf.constant(YIQ))
    cosine, sine = tf.cos(2 * math.pi * turns), tf.sin(2 * math.pi * turns)
    rotation = tf.stack([[1.0, 0.0, 0.0], [0.0, cosine, sine], [0.0, -sine, cosine]])
    return tf.matmul(tf.matmul(to_yiq, rotation), tf.linalg.inv(to_yiq))
