"""Zoom, crop, flip, rotation and shear: one resampling of image and mask.

Without rotation and shear, a window of whole pixels is cropped and resized. Where it reaches beyond the image, only the
part inside is resized and padded afterwards: twice as fast as a projective transform, and margins are not recoloured.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from models.labels import IGNORE
from models.segmenter import GREY
from pipeline.config.input import AugmentConfig
from pipeline.input.transforms import rare_classes
from pipeline.input.transforms.random_draws import Kind, between, uniform

OUTSIDE = 256.0
"""Marks pixels outside the image while a mask is rotated; no label has this value."""

Pad = Callable[[tf.Tensor], tf.Tensor]
"""Fills the area outside the image with grey: uint8 [h',w',3] -> uint8 [h,w,3]."""


class Window(NamedTuple):
    """The part of an image that is cropped.

    Attributes:
        begin: int32 [2], row and column of its first pixel, negative where it reaches beyond the image.
        length: int32 [2], height and width in pixels of the image.
        mirrored: bool scalar, whether it is flipped left to right.
    """

    begin: tf.Tensor
    length: tf.Tensor
    mirrored: tf.Tensor


def enabled(config: AugmentConfig) -> bool:
    """Whether the config enables a change of geometry."""
    return config.flip or config.crop is not None or config.scale != (1.0, 1.0) or _rotates(config)


def apply(
    image: tf.Tensor, label: tf.Tensor, config: AugmentConfig, draws: tf.Tensor, seed: tf.Tensor, rarity: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, Pad]:
    """Resample an image and its mask.

    Args:
        image: uint8 [H,W,3].
        label: uint8 [H,W], 255 = ignored.
        config: The transforms and their limits; the output size [h,w] is its crop, or [H,W] without one.
        draws: float32 [4] in 0..1: for zoom, top, left and flip.
        seed: The example's seed, int64 [2]; for all other draws.
        rarity: Weight of each label, float32 [256]; see rare_classes.place_window.

    Returns:
        The resampled part of the image, float32 [h',w',3] in 0..255; the label, uint8 [h,w]; and the function that
        pads that part, rounded to uint8, to [h,w,3].
    """
    size = tf.constant(config.crop) if config.crop else tf.shape(label)
    window = _window(label, size, config, draws, seed, rarity)
    pixels, label, pad = (_rotate if _rotates(config) else _crop)(image, label, window, size, config, seed)
    shape = config.crop or tuple(label.shape)
    return pixels, tf.ensure_shape(label, shape), lambda part: tf.ensure_shape(pad(part), [*shape, 3])


def _rotates(config: AugmentConfig) -> bool:
    return config.rotate > 0 or config.shear > 0


def _window(
    label: tf.Tensor, size: tf.Tensor, config: AugmentConfig, draws: tf.Tensor, seed: tf.Tensor, rarity: tf.Tensor
) -> Window:
    """Draw the window. One larger than the image contains it; a smaller one lies inside it."""
    zoom = tf.exp(between(tf.math.log(config.scale[0]), tf.math.log(config.scale[1]), draws[0]))
    length = tf.maximum(1, tf.cast(tf.round(tf.cast(size, tf.float32) / zoom), tf.int32))
    spare = tf.shape(label) - length
    begin = tf.cast(tf.round(draws[1:3] * tf.cast(spare, tf.float32)), tf.int32)
    if config.rare_crops:
        begin = rare_classes.place_window(label, config.rare_crops, length, draws[1:3], seed, rarity, begin)
        begin = tf.clip_by_value(begin, tf.minimum(0, spare), tf.maximum(0, spare))
    return Window(begin, length, draws[3] < 0.5 if config.flip else tf.constant(value=False))


def _crop(
    image: tf.Tensor, label: tf.Tensor, window: Window, size: tf.Tensor, config: AugmentConfig, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, Pad]:
    first, last = tf.maximum(window.begin, 0), tf.minimum(window.begin + window.length, tf.shape(label))
    before, after = (_resized_position(bound - window.begin, window.length, size) for bound in (first, last))
    inner = tf.maximum(1, after - before)
    before = tf.minimum(before, size - inner)
    inside = image[first[0] : last[0], first[1] : last[1]]
    pixels = tf.raw_ops.ResizeBilinear(  # twice as fast on float32 as on uint8
        images=tf.cast(inside, tf.float32)[None], size=inner, half_pixel_centers=True
    )[0]
    rows, columns = (
        first[axis] + ((2 * tf.range(inner[axis]) + 1) * (last - first)[axis]) // (2 * inner[axis]) for axis in (0, 1)
    )
    # Columns are gathered as rows of the transpose: gather copies whole rows at once, pixels one by one.
    mask = tf.transpose(tf.gather(tf.transpose(tf.gather(label, rows)), columns))
    margins = tf.stack([before, size - inner - before], axis=1)

    def pad(part: tf.Tensor, value: int) -> tf.Tensor:
        channels = 1 if len(part.shape) == 2 else part.shape[-1]
        rows = tf.reshape(part, [inner[0], inner[1] * channels])  # whole rows are copied at once
        rows = tf.pad(rows, margins * [[1], [channels]], constant_values=tf.constant(value, tf.uint8))
        padded = tf.reshape(rows, tf.concat([size, tf.shape(part)[2:]], axis=0))
        return tf.cond(window.mirrored, lambda: tf.reverse(padded, [1]), lambda: padded) if config.flip else padded

    return pixels, pad(mask, IGNORE), lambda part: pad(part, int(GREY))


def _resized_position(position: tf.Tensor, length: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Map a position in a window of this length to the resized window: int32 [2], rounded."""
    return (2 * position * size + length) // (2 * length)


def _rotate(
    image: tf.Tensor, label: tf.Tensor, window: Window, size: tf.Tensor, config: AugmentConfig, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, Pad]:
    transform = _transform(window, size, config, seed)
    mask = _project(label[..., None], transform, size, "NEAREST", OUTSIDE)[..., 0]
    outside = mask == OUTSIDE
    grey = tf.constant(int(GREY), tf.uint8)
    pixels = _project(image, transform, size, "BILINEAR", GREY)
    label = tf.cast(tf.minimum(mask, float(IGNORE)), tf.uint8)
    return pixels, label, lambda part: tf.where(outside[..., None], grey, part)


def _transform(window: Window, size: tf.Tensor, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Transform from output to image coordinates, for ImageProjectiveTransformV3: float32 [1,8].

    The window is rotated and sheared around its centre. Coordinates are 0 at the centre of the first pixel.
    """
    begin, length, output = (tf.cast(part, tf.float32) for part in (window.begin, window.length, size))
    turn, slant = tf.unstack(between(-1.0, 1.0, uniform(2, seed, Kind.ROTATION)))
    angle = math.radians(config.rotate) * turn
    across = tf.tan(math.radians(config.shear) * slant)
    pixels = length / output  # image pixels per output pixel
    sign = tf.where(window.mirrored, -1.0, 1.0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    x_x, x_y = sign * cosine * pixels[1], (across * cosine - sine) * pixels[0]
    y_x, y_y = sign * sine * pixels[1], (across * sine + cosine) * pixels[0]
    centre, output_centre = begin + (length - 1) / 2, (output - 1) / 2
    x_0 = centre[1] - x_x * output_centre[1] - x_y * output_centre[0]
    y_0 = centre[0] - y_x * output_centre[1] - y_y * output_centre[0]
    return tf.stack([x_x, x_y, x_0, y_x, y_y, y_0, 0.0, 0.0])[None]


def _project(image: tf.Tensor, transform: tf.Tensor, size: tf.Tensor, method: str, fill: float) -> tf.Tensor:
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(image, tf.float32)[None],
        transforms=transform,
        output_shape=size,
        fill_value=fill,
        interpolation=method,
        fill_mode="CONSTANT",
    )[0]
