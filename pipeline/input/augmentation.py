"""The random part of the input: an example's image and mask changed together, as a function of its seed.

The same function runs on the host, inside tf.data, and on a device, inside the training step. Zoom, crop, flip, turn
and slant are one sampling; brightness, contrast, saturation and hue are one 3x3 matrix and an offset.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from pipeline.config.recipe import AugmentConfig
from pipeline.input.transforms import colour, geometry, mixing, rare_classes, texture
from pipeline.input.transforms.random_draws import uniform

Example = Mapping[str, tf.Tensor]


def augment(
    image: tf.Tensor,
    label: tf.Tensor,
    config: AugmentConfig,
    seed: tf.Tensor,
    rarity: np.ndarray | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Change an example at random.

    Args:
        image: uint8 [H,W,3].
        label: uint8 [H,W], 255 ignored.
        config: What may be changed, and how far.
        seed: int [2]; the same seed changes the same example in the same way.
        rarity: Weight of each label for `rare_crops`, float32 [256], as rare.rarity gives it; None: all classes alike.

    Returns:
        image uint8 [h,w,3], label uint8 [h,w], of the size config.crop, or H and W as they were.
    """
    if not (geometry.asked(config) or colour.asked(config) or texture.asked(config)):
        return image, label
    draws, shown, surround = uniform(8, seed), tf.cast(image, tf.float32), None
    if geometry.asked(config):
        weights = tf.constant(rare_classes.alike() if rarity is None else rarity)
        shown, label, surround = geometry.change(image, label, config, draws[:4], seed, weights)
    if colour.asked(config):
        shown = colour.change(shown, image, config, draws[4:], seed)
    if surround is not None:
        shown = surround(_rounded(shown))
    if texture.asked(config):
        shown, label = texture.change(tf.cast(shown, tf.float32), label, config, seed)
    return shown if shown.dtype == tf.uint8 else _rounded(shown), label


def _rounded(pixels: tf.Tensor) -> tf.Tensor:
    return tf.saturate_cast(pixels + 0.5, tf.uint8)


def change(example: Example, config: AugmentConfig, rarity: np.ndarray | None = None) -> Example:
    """Do all of the random part to one example.

    Args:
        example: image, label and seed as for `augment`, and key. Where examples are mixed also kind (see mixing.Plan)
            and other_image, other_label, other_seed, of the example that it is mixed with.
        config: What may be changed, and how far.
        rarity: As for `augment`.

    Returns:
        image, label, key.
    """
    own = augment(example["image"], example["label"], config, example["seed"], rarity)
    if mixing.asked(config):

        def mixed() -> tuple[tf.Tensor, tf.Tensor]:
            other = augment(example["other_image"], example["other_label"], config, example["other_seed"], rarity)
            return mixing.mix(*own, other, example["kind"], example["seed"])

        own = tf.cond(example["kind"] == mixing.NONE, lambda: own, mixed)
    return {"image": own[0], "label": own[1], "key": example["key"]}
