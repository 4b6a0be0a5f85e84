"""The random part of the input: an example's image and mask changed together, as a function of its seed.

Measured at 360x480 -> 288x384 on one busy core: everything on 4 ms. Zoom, crop and flip are one sampling; brightness,
contrast, saturation and hue are one 3x3 matrix and an offset.
"""

import math

import tensorflow as tf

from datasets.spec import IGNORE
from pipeline.config import AugmentConfig, Size

FILL = 114.5
"""What is seen outside the image: mean of the three channels of models.blocks.IMAGENET_MEAN, so about 0 after it."""

INWARDS = 1e-6
"""Share of a window by which its samples move towards its centre, so that rounding throws none off the image."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""

YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
"""RGB -> YIQ (FCC 1953). Hue is turned in its IQ plane: linear, where HSV would need sorting."""


def augment(image: tf.Tensor, label: tf.Tensor, config: AugmentConfig, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Change an example at random.

    Args:
        image: uint8 [H,W,3].
        label: uint8 [H,W], 255 ignored.
        config: What may be changed, and how far.
        seed: int [2]; the same seed changes the same example in the same way.

    Returns:
        image uint8 [h,w,3], label uint8 [h,w], of the size config.crop, or H and W as they were.
    """
    draws = tf.random.stateless_uniform([8], seed, alg="philox")
    pixels = tf.cast(image, tf.float32)
    if _moves(config):
        window = _window(tf.shape(image)[:2], config, draws[:4])
        size = config.crop or tf.shape(image)[:2]
        pixels = _sample(image, window, size, "bilinear", FILL)
        label = tf.cast(_sample(label[..., None], window, size, "nearest", float(IGNORE))[..., 0], tf.uint8)
    if _colours(config):
        pixels = _recolour(pixels, _mean(image), config, draws[4:])
    elif not _moves(config):
        return image, label
    return tf.cast(tf.clip_by_value(pixels, 0.0, 255.0) + 0.5, tf.uint8), label


def _moves(config: AugmentConfig) -> bool:
    return config.flip or config.crop is not None or config.scale != (1.0, 1.0)


def _colours(config: AugmentConfig) -> bool:
    return any((config.brightness, config.contrast, config.saturation, config.hue))


def _window(own: tf.Tensor, config: AugmentConfig, draws: tf.Tensor) -> tf.Tensor:
    """Choose the part of the image that is shown: (top, left, bottom, right) of its outermost samples.

    In units of the image, whose outermost pixel centres are 0 and 1. A window larger than the image lies around it, one
    smaller lies inside. Left and right change places where the image is mirrored.
    """
    zoom = _between(tf.math.log(config.scale[0]), tf.math.log(config.scale[1]), draws[0])
    extent = tf.cast(own - 1, tf.float32)
    shown = tf.constant(config.crop, tf.float32) - 1 if config.crop else extent
    length = shown / (tf.exp(zoom) * extent)
    begin = draws[1:3] * (1 - length) + INWARDS * length
    end = begin + (1 - 2 * INWARDS) * length
    if config.flip:
        mirrored = draws[3] < 0.5
        left, right = tf.where(mirrored, end[1], begin[1]), tf.where(mirrored, begin[1], end[1])
        return tf.stack([begin[0], left, end[0], right])
    return tf.concat([begin, end], axis=0)


def _sample(image: tf.Tensor, window: tf.Tensor, size: Size | tf.Tensor, method: str, fill: float) -> tf.Tensor:
    sampled = tf.image.crop_and_resize(image[None], window[None], [0], size, method=method, extrapolation_value=fill)
    return sampled[0]


def _mean(image: tf.Tensor) -> tf.Tensor:
    """Mean colour [3] of every eighth pixel of every eighth row: as good for this end, and free."""
    return tf.reduce_mean(tf.cast(image[::8, ::8], tf.float32), axis=[0, 1])


def _recolour(pixels: tf.Tensor, mean: tf.Tensor, config: AugmentConfig, draws: tf.Tensor) -> tf.Tensor:
    """Change brightness, contrast, saturation and hue of [h,w,3] around `mean` [3]."""
    brightness, contrast, saturation = (
        _between(-limit, limit, draw)
        for limit, draw in zip(
            (config.brightness, config.contrast, config.saturation), tf.unstack(draws[:3]), strict=True
        )
    )
    grey = tf.tile(tf.constant(LUMA)[:, None], [1, 3])
    matrix = (1 + saturation) * tf.eye(3) - saturation * grey
    if config.hue:
        matrix = tf.matmul(matrix, _turn(_between(-config.hue, config.hue, draws[3])))
    matrix *= 1 + contrast
    offset = 255 * brightness - contrast * tf.tensordot(mean, tf.constant(LUMA), 1)
    changed = tf.matmul(tf.reshape(pixels, [-1, 3]), matrix) + offset
    return tf.reshape(changed, tf.shape(pixels))


def _turn(share: tf.Tensor) -> tf.Tensor:
    """Matrix [3,3], for colours as rows, that turns the colour circle by a share of it."""
    to_yiq = tf.transpose(tf.constant(YIQ))
    cosine, sine = tf.cos(2 * math.pi * share), tf.sin(2 * math.pi * share)
    turn = tf.stack([[1.0, 0.0, 0.0], [0.0, cosine, sine], [0.0, -sine, cosine]])
    return tf.matmul(tf.matmul(to_yiq, turn), tf.linalg.inv(to_yiq))


def _between(low: float | tf.Tensor, high: float | tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
    """Map a draw in 0..1 to low..high."""
    return low + (high - low) * draw
