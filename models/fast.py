"""Segline's own fast network: residual blocks at 1/4, 1/8 and 1/16, designed for training from scratch on a CPU.

1,568,219 weights with 11 classes. Its shape was chosen by short single runs on CamVid (6 epochs, 2 cores, nearly equal
cost per step): val mIoU was 0.45 with two strided 3x3 convolutions as the stem, 0.37 with one 8x8 convolution of stride
4, and 0.40 with fewer channels at 1/4 and in the decoder and one more block at 1/16 instead. The decoder continues to
1/2, with the features of the first convolution, for poles and signs, which are one pixel wide at 1/4.
"""

import keras

from models import blocks
from models.typed_values import DropRate, Positive

STRIDE = 16
"""Images are padded to a multiple of this; the catalogue reads it, and rejects smaller images."""


def build(
    num_classes: int, *, synchronized: bool = False, width: Positive = 48, dropout: DropRate = 0.1
) -> keras.Model:
    """Build the network.

    >>> build(num_classes=2, width=8).output_shape
    (None, None, None, 2)

    Args:
        num_classes: Number of classes: channels of the logits.
        synchronized: Share batch statistics between replicas.
        width: Channels at 1/4; twice as many at 1/8, three times at 1/16.
        dropout: Share of the decoder's channels dropped in training.

    Returns:
        Model of images [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes].
    """
    images = blocks.image_input()
    x = blocks.normalise(images)
    x = blocks.PadToMultiple(STRIDE, name="pad")(x)
    finest = x = blocks.convolution(x, width // 2, 3, strides=2, name="stem_a", synchronized=synchronized)
    x = blocks.convolution(x, width, 3, strides=2, name="stem_b", synchronized=synchronized)
    fine = x = blocks.residual(x, width, name="stage4_1", synchronized=synchronized)
    for block, strides in enumerate((2, 1), start=1):
        x = blocks.residual(x, 2 * width, strides=strides, name=f"stage8_{block}", synchronized=synchronized)
    middle = x
    for block, (strides, dilation) in enumerate(((2, 1), (1, 2), (1, 4)), start=1):
        x = blocks.residual(
            x, 3 * width, strides=strides, dilation=dilation, name=f"stage16_{block}", synchronized=synchronized
        )
    x = _fuse(x, middle, 2 * width, name="fuse8", synchronized=synchronized)
    x = _fuse(x, fine, width, name="fuse4", synchronized=synchronized)
    x = _fuse(x, finest, width // 2, name="fuse2", synchronized=synchronized)
    x = blocks.Dropout(dropout, noise_shape=(None, 1, 1, None), name="dropout")(x)
    return keras.Model(images, blocks.logits(x, images, num_classes, factor=2), name="fast")


def _fuse(
    coarse: keras.KerasTensor, fine: keras.KerasTensor, filters: int, *, name: str, synchronized: bool
) -> keras.KerasTensor:
    """Add the upsampled coarse features to the fine ones, then convolve."""
    coarse = blocks.convolution(coarse, filters, 1, relu=False, name=f"{name}_coarse", synchronized=synchronized)
    coarse = blocks.Upsample(2, name=f"{name}_upsample")(coarse)
    fine = blocks.convolution(fine, filters, 1, relu=False, name=f"{name}_fine", synchronized=synchronized)
    x = keras.layers.Add(name=f"{name}_add")([coarse, fine])
    x = keras.layers.ReLU(name=f"{name}_relu")(x)
    return blocks.convolution(x, filters, 3, name=f"{name}_merge", synchronized=synchronized)
