"""Random augmentation of an image and its mask, a pure function of the example's seed.

The same function runs on the host, inside tf.data, and on a device, inside the training step. Zoom, crop, flip,
rotation and shear are one resampling; brightness, contrast, saturation and hue are one 3x3 matrix and an offset.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from pipeline.config.input import AugmentConfig
from pipeline.input.transforms import colour, geometry, mixing, rare_classes, texture
from pipeline.input.transforms.random_draws import uniform

Example = Mapping[str, tf.Tensor]


def augment(
    image: tf.Tensor, label: tf.Tensor, config: AugmentConfig, seed: tf.Tensor, rarity: np.ndarray | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Augment one image and its mask.

    Args:
        image: uint8 [H,W,3].
        label: uint8 [H,W], 255 = ignored.
        config: The transforms to apply and their limits.
        seed: int64 [2]; the same seed and image give the same result.
        rarity: Weight of each label for `rare_crops`, float32 [256] (see rare_classes.rarity); None: uniform weights.

    Returns:
        image uint8 [h,w,3] and label uint8 [h,w]; [h,w] is config.crop, or [H,W] without one.
    """
    if not (geometry.enabled(config) or colour.enabled(config) or texture.enabled(config)):
        return image, label
    draws, pixels, pad = uniform(8, seed), tf.cast(image, tf.float32), None
    if geometry.enabled(config):
        weights = tf.constant(rare_classes.uniform_weights() if rarity is None else rarity)
        pixels, label, pad = geometry.apply(image, label, config, draws[:4], seed, weights)
    if colour.enabled(config):
        pixels = colour.apply(pixels, image, config, draws[4:], seed)
    if pad is not None:
        pixels = pad(_rounded(pixels))  # after colour: margins stay grey, and are not computed
    if texture.enabled(config):
        pixels, label = texture.apply(tf.cast(pixels, tf.float32), label, config, seed)
    return pixels if pixels.dtype == tf.uint8 else _rounded(pixels), label


def _rounded(pixels: tf.Tensor) -> tf.Tensor:
    return tf.saturate_cast(pixels + 0.5, tf.uint8)


def augment_example(example: Example, config: AugmentConfig, rarity: np.ndarray | None = None) -> Example:
    """Augment one example, and mix it with another where the config enables that.

    Args:
        example: image, label and seed as for `augment`, and key int64. Where mixing is enabled also kind (see
            mixing.Plan) and other_image, other_label, other_seed of the partner.
        config: The transforms to apply and their limits.
        rarity: As for `augment`.

    Returns:
        image, label, key.
    """
    own = augment(example["image"], example["label"], config, example["seed"], rarity)
    if mixing.enabled(config):

        def mixed() -> tuple[tf.Tensor, tf.Tensor]:
            other = augment(example["other_image"], example["other_label"], config, example["other_seed"], rarity)
            return mixing.mix(*own, other, example["kind"], example["seed"])

        own = tf.cond(example["kind"] == mixing.NONE, lambda: own, mixed)
    return {"image": own[0], "label": own[1], "key": example["key"]}
