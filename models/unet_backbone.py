"""U-Net's decoder on any backbone, as in the network of TensorFlow's segmentation tutorial.

Each decoder step is a transposed convolution, batch normalisation and ReLU, as in pix2pix (Isola et al. 2017,
arXiv:1611.07004), concatenated with the backbone's features of that size. On DenseNet121 with 59 classes it has
16,472,827 weights, of which 9,433,403 are trainable while the backbone is frozen.
"""

import keras

from models import backbones, blocks
from models.typed_values import Backbone, DropRate, Positive, Sha256, Weights

STRIDE = 32
"""Images are padded to a multiple of this; the catalogue reads it, and rejects smaller images."""

STRIDES = (16, 8, 4, 2)
"""Strides of the features that the decoder concatenates, in its order."""


def build(
    num_classes: int,
    *,
    synchronized: bool = False,
    backbone: Backbone = "densenet121",
    weights: Weights = "random",
    weights_sha256: Sha256 | None = None,
    widths: tuple[Positive, Positive, Positive, Positive] = (512, 256, 128, 64),
    dropout: DropRate = 0.0,
) -> keras.Model:
    """Build the network.

    >>> build(num_classes=2, backbone="mobilenet_v2", widths=(4, 4, 4, 4)).output_shape
    (None, None, None, 2)

    Args:
        num_classes: Number of classes: channels of the logits.
        synchronized: Share batch statistics between replicas.
        backbone: Network that computes the features.
        weights: Its initial weights: `random`, `imagenet`, `package:NAME` or a file (see backbones.pyramid).
        weights_sha256: Expected SHA-256 of that file; None: not checked.
        widths: Channels of the four decoder steps, at strides 16, 8, 4 and 2.
        dropout: Share dropped after each decoder step in training.

    Returns:
        Model of images [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes].

    Raises:
        ModelError: The weights are missing, damaged or of another network.
    """
    images = blocks.image_input()
    features = backbones.pyramid(
        backbone, images, weights=weights, weights_sha256=weights_sha256, synchronized=synchronized
    )
    x = features[STRIDE]
    for stride, width in zip(STRIDES, widths, strict=True):
        x = _upsample(x, width, name=f"up{stride}", synchronized=synchronized)
        if dropout:
            x = blocks.Dropout(dropout, name=f"up{stride}_dropout")(x)
        x = keras.layers.Concatenate(name=f"up{stride}_join")([x, features[stride]])
    x = keras.layers.Conv2DTranspose(num_classes, 3, strides=2, padding="same", name="logits", dtype="float32")(x)
    return keras.Model(images, blocks.CropLike(name="crop", dtype="float32")(x, images), name="unet_backbone")


def _upsample(x: keras.KerasTensor, width: int, *, name: str, synchronized: bool) -> keras.KerasTensor:
    """Double height and width."""
    options = {"use_bias": False, "kernel_initializer": keras.initializers.RandomNormal(stddev=0.02)}
    x = keras.layers.Conv2DTranspose(width, 3, strides=2, padding="same", name=f"{name}_enlarge", **options)(x)
    return blocks.norm(x, name=name, synchronized=synchronized)
