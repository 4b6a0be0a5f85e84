"""Fixed changes, each of which adds a changed copy of every example: the seven of the Clothing Co-Parsing article.

No copy is held: which example and which change an index means is arithmetic. Where the article's code and these differ:
masks take the nearest pixel and are never blended, and what leaves 0..255 is cut off.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import tensorflow as tf

from pipeline.input.decoded import KEYS, Example, Examples

Pair = tuple[tf.Tensor, tf.Tensor]

BRIGHTER = 0.1
"""Share of 255 that is added."""

GAMMA = 0.1
"""Power of the pixels in 0..1: dark becomes very bright."""

HUE = -0.1
"""Share of the colour circle."""

CENTRAL = 0.7
"""Share of the height and the width that is kept, and enlarged to the whole."""


def with_copies(examples: Examples, names: Sequence[str]) -> Examples:
    """Give the examples, then all of them under each of the changes in turn."""
    if not names:
        return examples
    number = examples.number
    changes: list[Callable[[tf.Tensor, tf.Tensor], Pair]] = [lambda image, label: (image, label)]
    changes += [CHANGES[name] for name in names]

    def fetch(index: tf.Tensor) -> Example:
        example, which = examples.fetch(index % number), index // number
        branches = [lambda change=change: change(example["image"], example["label"]) for change in changes]
        image, label = tf.switch_case(tf.cast(which, tf.int32), branches)
        return {"image": image, "label": label, "key": example["key"] + KEYS * which}

    return replace(examples, number=number * len(changes), fetch=fetch)


def _brightness(image: tf.Tensor, label: tf.Tensor) -> Pair:
    return _rounded(tf.cast(image, tf.float32) + 255 * BRIGHTER), label


def _gamma(image: tf.Tensor, label: tf.Tensor) -> Pair:
    return _rounded(255 * tf.pow(tf.cast(image, tf.float32) / 255, GAMMA)), label


def _hue(image: tf.Tensor, label: tf.Tensor) -> Pair:
    return _rounded(255 * tf.image.adjust_hue(tf.cast(image, tf.float32) / 255, HUE)), label


def _central_crop(image: tf.Tensor, label: tf.Tensor) -> Pair:
    size = tf.shape(label)
    kept = tf.image.central_crop(label[..., None], CENTRAL)
    mask = tf.cast(tf.image.resize(kept, size, method="nearest"), tf.uint8)[..., 0]
    pixels = tf.image.resize(tf.cast(tf.image.central_crop(image, CENTRAL), tf.float32), size)
    return tf.ensure_shape(_rounded(pixels), image.shape), tf.ensure_shape(mask, label.shape)


def _flip_left_right(image: tf.Tensor, label: tf.Tensor) -> Pair:
    return tf.reverse(image, [1]), tf.reverse(label, [1])


def _flip_up_down(image: tf.Tensor, label: tf.Tensor) -> Pair:
    return tf.reverse(image, [0]), tf.reverse(label, [0])


def _rot90(image: tf.Tensor, label: tf.Tensor) -> Pair:
    return tf.image.rot90(image), tf.image.rot90(label[..., None])[..., 0]


def _rounded(pixels: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(tf.clip_by_value(pixels, 0.0, 255.0)), tf.uint8)


CHANGES: dict[str, Callable[[tf.Tensor, tf.Tensor], Pair]] = {
    "brightness": _brightness,
    "gamma": _gamma,
    "hue": _hue,
    "central_crop": _central_crop,
    "flip_left_right": _flip_left_right,
    "flip_up_down": _flip_up_down,
    "rot90": _rot90,
}
"""By the names that `input.copies` knows them by."""
