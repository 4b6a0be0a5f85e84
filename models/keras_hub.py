"""The segmenters that KerasHub publishes: SegFormer B0 to B5 (Xie et al. 2021) and DeepLabV3+ (Chen et al. 2018).

A preset of KerasHub says which network, and holds its weights and the normalisation of images. KerasHub's own
SegFormer computes squares of one size only (it takes the root of the number of pixels), and its GELU is approximated,
where the published weights were trained with the exact one. So the network is built of Segline's layers, for images
of any size, and takes the preset's weights. Attention has no dropout, as in the authors' code; KerasHub's has 0.1.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models import blocks, hub_deeplab, hub_presets, hub_weights, segformer
from models.backbones import PREFIX
from models.hub_presets import SegFormer
from models.typed_values import Preset, PresetWeights

STRIDE = 32
"""Images are padded to a multiple of this; the catalogue reads it, and rejects smaller images."""

MIN_BATCH_SIZE = 2
"""Fewest images to train on: DeepLabV3 normalises the mean of an image together with those of the others."""

DROPOUT = 0.1
"""Share of the values dropped before SegFormer's logits in training, as KerasHub and the authors do."""


def build(
    num_classes: int,
    *,
    synchronized: bool = False,
    preset: Preset = "segformer_b0_ade20k_512",
    weights: PresetWeights = "preset",
) -> keras.Model:
    """Build the network that a preset describes.

    >>> build(num_classes=2, preset="segformer_b0_ade20k_512", weights="random").output_shape
    (None, None, None, 2)

    Args:
        num_classes: Number of classes: channels of the logits.
        synchronized: Share batch statistics between replicas.
        preset: Name of a published preset, which KerasHub downloads once, or a preset's folder.
        weights: `preset`: its weights; those of the last layer only if the number of classes is the preset's.
            `random`: none, and ImageNet's normalisation; only the description is read.

    Returns:
        Model of images [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes].

    Raises:
        ModelError: The preset is missing, damaged or of another network, or KerasHub is not installed.
    """
    network = hub_presets.network(preset)
    images = blocks.image_input()
    x = ScaleOffset(name="normalise", dtype="float32")(images)
    x = blocks.PadToMultiple(STRIDE, name="pad", dtype="float32")(x)
    if isinstance(network, SegFormer):
        factor, stages = (
            4,
            [
                segformer.Stage(*stage)
                for stage in zip(network.channels, network.blocks, network.heads, network.reductions, strict=True)
            ],
        )
        features = segformer.encode(x, stages, network.drop_path, prefix=PREFIX)
        x = segformer.decode(features, network.width, DROPOUT, synchronized=synchronized)
    else:
        x, factor = hub_deeplab.features(network, x, synchronized=synchronized)
    model = keras.Model(images, blocks.logits(x, images, num_classes, factor=factor), name="keras_hub")
    if weights == "preset":
        hub_weights.load(model, preset, num_classes)
    return model


class ScaleOffset(keras.layers.Layer):
    """Normalise images by a scale and an offset of each channel, which are stored with the weights.

    So a trained network needs the preset's files no more. At first they are those of ImageNet.
    """

    def build(self, shape: blocks.Shape) -> None:
        """Make the scale and the offset, which are not trained."""
        deviation = np.asarray(blocks.IMAGENET_STD, np.float32)
        values = {"scale": 1 / deviation, "offset": -np.asarray(blocks.IMAGENET_MEAN, np.float32) / deviation}
        self.scale, self.offset = (
            self.add_weight(name=name, shape=(3,), initializer=_constant(value), trainable=False)
            for name, value in values.items()
        )

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Normalise [B,H,W,3] in 0..255."""
        return tf.cast(images, self.compute_dtype) * self.scale + self.offset

    def compute_output_shape(self, shape: blocks.Shape) -> blocks.Shape:
        """Return the same shape."""
        return shape


def _constant(value: np.ndarray) -> Any:
    return lambda shape, dtype=None: tf.constant(value, dtype, shape)
