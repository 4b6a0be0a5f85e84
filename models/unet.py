"""U-Net (Ronneberger, Fischer, Brox, MICCAI 2015, arXiv:1505.04597), with depth and width as parameters.

With one class and the defaults it has 31,037,633 trainable weights, as in Pytorch-UNet (milesial); with one input
channel and without batch normalisation 31,030,593, as in zhixuhao's Keras code except for its longer last layers.
Convolutions are padded, so that the logits cover the whole image.
"""

from typing import Literal

import keras
import tensorflow as tf

from models import blocks
from models.typed_values import DropRate, Positive

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luminance (ITU-R BT.601)."""


class Luminance(keras.layers.Layer):
    """Turn RGB [B,H,W,3] into grey [B,H,W,1]; a grey image stored as RGB keeps its values."""

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Return the weighted sum of the three channels."""
        return tf.reduce_sum(images * tf.constant(LUMA, images.dtype), axis=-1, keepdims=True)

    def compute_output_shape(self, shape: blocks.Shape) -> blocks.Shape:
        """Return the shape with one channel."""
        return (*shape[:3], 1)


def build(
    num_classes: int,
    *,
    synchronized: bool = False,
    depth: Positive = 4,
    width: Positive = 64,
    batch_norm: bool = True,
    dropout: DropRate = 0.0,
    channels: Literal[1, 3] = 3,
) -> keras.Model:
    """Build U-Net.

    >>> build(num_classes=2, depth=2, width=4).output_shape
    (None, None, None, 2)

    Args:
        num_classes: Number of classes: channels of the logits.
        synchronized: Share batch statistics between replicas.
        depth: Number of poolings. Images are padded to a multiple of 2^depth.
        width: Channels at full size; they double with each pooling.
        batch_norm: Apply batch normalisation after each convolution, which then has no bias.
        dropout: Share dropped in training, before the convolutions of each level except the first.
        channels: Input channels: 3 is RGB, 1 the luminance.

    Returns:
        Model of images [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes].
    """
    images = blocks.image_input()
    x = blocks.normalise(images)
    if channels == 1:
        x = Luminance(name="luminance", dtype="float32")(x)
    x = blocks.PadToMultiple(2**depth, name="pad")(x)
    level = _Levels(width, dropout, batch_norm=batch_norm, synchronized=synchronized)
    skips = []
    for number in range(depth):
        skips.append(x := level.convolve(x, number, name=f"down{number}"))
        x = keras.layers.MaxPooling2D(2, name=f"down{number}_pool")(x)
    x = level.convolve(x, depth, name="bottom")
    for number in reversed(range(depth)):
        x = keras.layers.Conv2DTranspose(
            width * 2**number, 2, strides=2, kernel_initializer="he_normal", name=f"up{number}_enlarge"
        )(x)
        x = keras.layers.Concatenate(name=f"up{number}_join")([skips[number], x])
        x = level.convolve(x, number, name=f"up{number}")
    return keras.Model(images, blocks.logits(x, images, num_classes), name="unet")


class _Levels:
    """Creates the two convolutions of a level."""

    def __init__(self, width: int, dropout: float, *, batch_norm: bool, synchronized: bool) -> None:
        self.width, self.dropout = width, dropout
        self.batch_norm, self.synchronized = batch_norm, synchronized

    def convolve(self, x: keras.KerasTensor, number: int, *, name: str) -> keras.KerasTensor:
        """Convolve twice, to the channels of level `number`; level 0 is at full size."""
        if self.dropout and name != "down0":
            x = blocks.Dropout(self.dropout, name=f"{name}_dropout")(x)
        filters = self.width * 2**number
        for part in (f"{name}_a", f"{name}_b"):
            if self.batch_norm:
                x = blocks.convolution(x, filters, 3, name=part, synchronized=self.synchronized)
            else:
                x = keras.layers.Conv2D(
                    filters, 3, padding="same", kernel_initializer="he_normal", name=f"{part}_conv"
                )(x)
                x = keras.layers.ReLU(name=f"{part}_relu")(x)
        return x
