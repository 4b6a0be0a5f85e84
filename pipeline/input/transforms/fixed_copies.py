"""Fixed transforms, each adding a transformed copy of every example: the seven of the Clothing Co-Parsing article.

No copy is stored: index // count is the transform, index % count the example. Two differences from the article's code:
masks are resized by nearest neighbour, never blended, and pixels are clipped to 0..255.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import tensorflow as tf

from pipeline.input.decoded import KEYS, Example, Examples

Pair = tuple[tf.Tensor, tf.Tensor]

BRIGHTER = 0.1
"""Added to pixels in 0..1."""

GAMMA = 0.1
"""Exponent of pixels in 0..1: dark pixels become very bright."""

HUE = -0.1
"""Rotation of the hue, in full turns."""

CENTRAL = 0.7
"""Share of height and width that is kept, and resized to the full size."""


def with_copies(examples: Examples, names: Sequence[str]) -> Examples:
    """Return the examples followed by a copy of all of them under each transform in turn.

    Args:
        examples: The decoded split.
        names: Keys of TRANSFORMS; none: `examples` itself.

    Returns:
        Examples of count * (1 + len(names)). Key of a copy: that of its original + KEYS * (1 + index of its name).
    """
    if not names:
        return examples
    count = examples.count
    transforms: list[Callable[[tf.Tensor, tf.Tensor], Pair]] = [lambda image, label: (image, label)]
    transforms += [TRANSFORMS[name] for name in names]

    def fetch(index: tf.Tensor) -> Example:
        example, which = examples.fetch(index % count), index // count
        branches = [lambda apply=apply: apply(example["image"], example["label"]) for apply in transforms]
        image, label = tf.switch_case(tf.cast(which, tf.int32), branches)
        return {"image": image, "label": label, "key": example["key"] + KEYS * which}

    return replace(examples, count=count * len(transforms), fetch=fetch)


def _central_crop(image: tf.Tensor, label: tf.Tensor) -> Pair:
    size = tf.shape(label)
    kept = tf.image.central_crop(label[..., None], CENTRAL)
    mask = tf.cast(tf.image.resize(kept, size, method="nearest"), tf.uint8)[..., 0]
    pixels = tf.image.resize(_float(tf.image.central_crop(image, CENTRAL)), size)
    return tf.ensure_shape(_rounded(pixels), image.shape), tf.ensure_shape(mask, label.shape)


def _float(image: tf.Tensor) -> tf.Tensor:
    return tf.cast(image, tf.float32)


def _rounded(pixels: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(tf.clip_by_value(pixels, 0.0, 255.0)), tf.uint8)


TRANSFORMS: dict[str, Callable[[tf.Tensor, tf.Tensor], Pair]] = {
    "brightness": lambda image, label: (_rounded(_float(image) + 255 * BRIGHTER), label),
    "gamma": lambda image, label: (_rounded(255 * tf.pow(_float(image) / 255, GAMMA)), label),
    "hue": lambda image, label: (_rounded(255 * tf.image.adjust_hue(_float(image) / 255, HUE)), label),
    "central_crop": _central_crop,
    "flip_left_right": lambda image, label: (tf.reverse(image, [1]), tf.reverse(label, [1])),
    "flip_up_down": lambda image, label: (tf.reverse(image, [0]), tf.reverse(label, [0])),
    "rot90": lambda image, label: (tf.image.rot90(image), tf.image.rot90(label[..., None])[..., 0]),
}
"""By their names in `input.copies`: image uint8 [H,W,3], label uint8 [H,W] -> the same."""
