"""A light feature pyramid over any backbone, for CPUs and real time: sums from coarse to fine, down to 1/2.

Laterals and sums as in FPN (Lin et al. 2017, arXiv:1612.03144), one 3x3 merge a level; a gate from the global mean
weighs the channels of the coarsest features, as in LR-ASPP (Howard et al. 2019, arXiv:1905.02244, section 6.4).
Channels halve towards the finest level, since a 3x3 convolution costs four times as much a level further down: the
merges at 1/8, 1/4 and 1/2 cost the same. A sum is normalised once, not each of its terms.

Over EfficientNet-Lite0 with 11 classes it has 3,637,515 weights and 2.90 G multiply-adds at 360x480, as `fast` has.
"""

import keras

from models import backbones, blocks
from models.typed_values import Backbone, DropRate, Positive, Sha256, Weights

STRIDE = 32
"""Images are padded to a multiple of this; the catalogue reads it, and rejects smaller images."""


def build(
    num_classes: int,
    *,
    synchronized: bool = False,
    backbone: Backbone = "efficientnet_lite0",
    weights: Weights = "random",
    weights_sha256: Sha256 | None = None,
    width: Positive = 64,
    dropout: DropRate = 0.1,
) -> keras.Model:
    """Build the network.

    >>> build(num_classes=2, backbone="mobilenet_v2", width=8).output_shape
    (None, None, None, 2)

    Args:
        num_classes: Number of classes: channels of the logits.
        synchronized: Share batch statistics between replicas.
        backbone: Network that computes the features.
        weights: Its initial weights: `random`, `imagenet`, `package:NAME` or a file (see backbones.pyramid).
        weights_sha256: Expected SHA-256 of that file; None: not checked.
        width: Channels at 1/4; twice as many at 1/8 to 1/32, half at 1/2.
        dropout: Share of the decoder's channels dropped in training.

    Returns:
        Model of images [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes].

    Raises:
        ModelError: The weights are missing, damaged or of another network.
    """
    images = blocks.image_input()
    features = backbones.pyramid(
        backbone, images, weights=weights, weights_sha256=weights_sha256, synchronized=synchronized
    )
    x = _context(features[STRIDE], 2 * width, synchronized=synchronized)
    for stride, filters in ((16, 2 * width), (8, 2 * width), (4, width), (2, max(1, width // 2))):
        x = _merge(x, features[stride], filters, name=f"merge{stride}", synchronized=synchronized)
    x = blocks.Dropout(dropout, noise_shape=(None, 1, 1, None), name="dropout")(x)
    return keras.Model(images, blocks.logits(x, images, num_classes, factor=2), name="fpn")


def _context(x: keras.KerasTensor, filters: int, *, synchronized: bool) -> keras.KerasTensor:
    """Project the coarsest features, weigh their channels by a gate from the global mean, then convolve.

    The gate has a bias in place of normalisation, which could not be computed from a single image.
    """
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True, name="context_mean")(x)
    gate = keras.layers.Conv2D(filters, 1, activation="sigmoid", kernel_initializer="he_normal", name="context_gate")(
        gate
    )
    x = blocks.convolution(x, filters, 1, name="context_project", synchronized=synchronized)
    x = keras.layers.Multiply(name="context")([x, gate])
    return blocks.convolution(x, filters, 3, name="merge32", synchronized=synchronized)


def _merge(
    coarse: keras.KerasTensor, fine: keras.KerasTensor, filters: int, *, name: str, synchronized: bool
) -> keras.KerasTensor:
    """Add the upsampled coarse features to the fine ones, each projected, then convolve."""
    options = {"use_bias": False, "kernel_initializer": "he_normal"}
    coarse = keras.layers.Conv2D(filters, 1, name=f"{name}_coarse", **options)(coarse)
    coarse = blocks.Upsample(2, name=f"{name}_upsample")(coarse)
    fine = keras.layers.Conv2D(filters, 1, name=f"{name}_lateral", **options)(fine)
    x = keras.layers.Add(name=f"{name}_sum")([coarse, fine])
    x = blocks.norm(x, name=f"{name}_sum", synchronized=synchronized)
    return blocks.convolution(x, filters, 3, name=name, synchronized=synchronized)
