"""Zoom, crop, mirror, turn and slant: one sampling of image and mask.

A window of whole pixels is cut out and resized; where it reaches beyond the image, what is cut out is smaller, and is
surrounded afterwards. That is twice as quick as sampling at any place, and what is outside need not be coloured.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from datasets.spec import IGNORE
from models.segmenter import GREY
from pipeline.config.recipe import AugmentConfig
from pipeline.input.transforms import rare_classes
from pipeline.input.transforms.random_draws import Kind, between, uniform

OUTSIDE = 256.0
"""Stands for what is outside the image while a mask is turned: no label has this number."""

Surround = Callable[[tf.Tensor], tf.Tensor]
"""Puts grey where there is no image: uint8 [h',w',3] -> uint8 [h,w,3]."""


class Window(NamedTuple):
    """The part of an image that is shown.

    Attributes:
        begin: int32 [2], row and column of its first pixel, below 0 where it reaches beyond the image.
        length: int32 [2], in pixels of the image.
        mirrored: bool.
    """

    begin: tf.Tensor
    length: tf.Tensor
    mirrored: tf.Tensor


def asked(config: AugmentConfig) -> bool:
    """Whether anything here is on."""
    return config.flip or config.crop is not None or config.scale != (1.0, 1.0) or _turns(config)


def change(
    image: tf.Tensor, label: tf.Tensor, config: AugmentConfig, draws: tf.Tensor, seed: tf.Tensor, rarity: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, Surround]:
    """Sample an example.

    Args:
        image: uint8 [H,W,3].
        label: uint8 [H,W].
        config: What may be done; the size [h,w] is its crop, or the image's own.
        draws: Four numbers in 0..1: for zoom, top, left and mirror.
        seed: Of the example; for all else.
        rarity: See rare.place.

    Returns:
        What is shown of the image, float32 [h',w',3], the whole label, uint8 [h,w], and what makes the image whole.
    """
    size = tf.constant(config.crop) if config.crop else tf.shape(label)
    window = _window(label, size, config, draws, seed, rarity)
    pixels, label, surround = (_turned if _turns(config) else _cut)(image, label, window, size, config, seed)
    shape = config.crop or tuple(label.shape)
    return pixels, tf.ensure_shape(label, shape), lambda shown: tf.ensure_shape(surround(shown), [*shape, 3])


def _turns(config: AugmentConfig) -> bool:
    return config.rotate > 0 or config.shear > 0


def _window(
    label: tf.Tensor, size: tf.Tensor, config: AugmentConfig, draws: tf.Tensor, seed: tf.Tensor, rarity: tf.Tensor
) -> Window:
    """Choose what is shown. A window larger than the image lies around it, one smaller lies inside."""
    zoom = tf.exp(between(tf.math.log(config.scale[0]), tf.math.log(config.scale[1]), draws[0]))
    length = tf.maximum(1, tf.cast(tf.round(tf.cast(size, tf.float32) / zoom), tf.int32))
    spare = tf.shape(label) - length
    begin = tf.cast(tf.round(draws[1:3] * tf.cast(spare, tf.float32)), tf.int32)
    if config.rare_crops:
        found = rare_classes.place(label, config.rare_crops, length, draws[1:3], seed, rarity, begin)
        begin = tf.clip_by_value(found, tf.minimum(0, spare), tf.maximum(0, spare))
    return Window(begin, length, draws[3] < 0.5 if config.flip else tf.constant(value=False))


def _cut(
    image: tf.Tensor, label: tf.Tensor, window: Window, size: tf.Tensor, config: AugmentConfig, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, Surround]:
    first, last = tf.maximum(window.begin, 0), tf.minimum(window.begin + window.length, tf.shape(label))
    before, after = (_scaled(place - window.begin, window.length, size) for place in (first, last))
    shown = tf.maximum(1, after - before)
    before = tf.minimum(before, size - shown)
    seen = image[first[0] : last[0], first[1] : last[1]]
    pixels = tf.raw_ops.ResizeBilinear(  # twice as quick on float32 as on uint8
        images=tf.cast(seen, tf.float32)[None], size=shown, half_pixel_centers=True
    )[0]
    rows, columns = (
        first[axis] + ((2 * tf.range(shown[axis]) + 1) * (last - first)[axis]) // (2 * shown[axis]) for axis in (0, 1)
    )
    # Columns are gathered as rows: whole ones are copied, where single pixels would be looked up.
    mask = tf.transpose(tf.gather(tf.transpose(tf.gather(label, rows)), columns))
    margins = tf.stack([before, size - shown - before], axis=1)

    def whole(part: tf.Tensor, value: int) -> tf.Tensor:
        channels = 1 if len(part.shape) == 2 else part.shape[-1]
        rows = tf.reshape(part, [shown[0], shown[1] * channels])  # whole rows are copied at once
        rows = tf.pad(rows, margins * [[1], [channels]], constant_values=tf.constant(value, tf.uint8))
        padded = tf.reshape(rows, tf.concat([size, tf.shape(part)[2:]], axis=0))
        return tf.cond(window.mirrored, lambda: tf.reverse(padded, [1]), lambda: padded) if config.flip else padded

    return pixels, whole(mask, IGNORE), lambda changed: whole(changed, int(GREY))


def _scaled(places: tf.Tensor, length: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Where places of a window of this length come to lie when it is resized: int32 [2], rounded."""
    return (2 * places * size + length) // (2 * length)


def _turned(
    image: tf.Tensor, label: tf.Tensor, window: Window, size: tf.Tensor, config: AugmentConfig, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, Surround]:
    transform = _transform(window, size, config, seed)
    mask = _projected(label[..., None], transform, size, "NEAREST", OUTSIDE)[..., 0]
    outside = mask == OUTSIDE
    grey = tf.constant(int(GREY), tf.uint8)
    pixels = _projected(image, transform, size, "BILINEAR", GREY)
    label = tf.cast(tf.minimum(mask, float(IGNORE)), tf.uint8)
    return pixels, label, lambda changed: tf.where(outside[..., None], grey, changed)


def _transform(window: Window, size: tf.Tensor, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Where in the image each shown pixel is taken from, as ImageProjectiveTransformV3 wants it: float32 [1,8].

    The window is turned and slanted around its middle. Pixels are counted from 0 at the centre of the first.
    """
    begin, length, shown = (tf.cast(part, tf.float32) for part in (window.begin, window.length, size))
    turn, slant = tf.unstack(between(-1.0, 1.0, uniform(2, seed, Kind.TURN)))
    angle = math.radians(config.rotate) * turn
    across = tf.tan(math.radians(config.shear) * slant)
    pixels = length / shown  # of the image, for one that is shown
    sign = tf.where(window.mirrored, -1.0, 1.0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    x_x, x_y = sign * cosine * pixels[1], (across * cosine - sine) * pixels[0]
    y_x, y_y = sign * sine * pixels[1], (across * sine + cosine) * pixels[0]
    middle, shown_middle = begin + (length - 1) / 2, (shown - 1) / 2
    x_0 = middle[1] - x_x * shown_middle[1] - x_y * shown_middle[0]
    y_0 = middle[0] - y_x * shown_middle[1] - y_y * shown_middle[0]
    return tf.stack([x_x, x_y, x_0, y_x, y_y, y_0, 0.0, 0.0])[None]


def _projected(image: tf.Tensor, transform: tf.Tensor, size: tf.Tensor, method: str, fill: float) -> tf.Tensor:
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(image, tf.float32)[None],
        transforms=transform,
        output_shape=size,
        fill_value=fill,
        interpolation=method,
        fill_mode="CONSTANT",
    )[0]
