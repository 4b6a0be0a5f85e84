"""Building blocks that the models share: normalisation, padding to a multiple, convolutions with batch normalisation.

Every layer gets its name from the caller, so that checkpoints stay legible.
"""

from typing import Any

import keras
import tensorflow as tf

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""Mean red, green and blue of ImageNet in 0..255: (0.485, 0.456, 0.406) * 255, as in torchvision."""

IMAGENET_STD = (58.395, 57.12, 57.375)
"""Their standard deviations: (0.229, 0.224, 0.225) * 255, as in torchvision."""


def image_input() -> keras.KerasTensor:
    """Give the input of every model: images [B,H,W,3] in 0..255, of any size."""
    return keras.Input((None, None, 3), name="image")


def normalise(images: keras.KerasTensor) -> keras.KerasTensor:
    """Shift and scale 0..255 by ImageNet's mean and standard deviation; in float32 under any precision."""
    scale = [1 / std for std in IMAGENET_STD]
    offset = [-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    return keras.layers.Rescaling(scale, offset, name="normalise", dtype="float32")(images)


class PadToMultiple(keras.layers.Layer):
    """Pad [B,H,W,C] with zeros at the bottom and right until height and width are multiples of `multiple`.

    Every feature then lies over the same pixels whatever the image's size, and odd sizes need no other care.
    """

    def __init__(self, multiple: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Pad."""
        height, width = -tf.shape(images)[1] % self.multiple, -tf.shape(images)[2] % self.multiple
        return tf.pad(images, [[0, 0], [0, height], [0, width], [0, 0]])

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the padded shape; unknown lengths stay unknown."""
        lengths = (None if length is None else length + -length % self.multiple for length in shape[1:3])
        return (shape[0], *lengths, shape[3])


class CropLike(keras.layers.Layer):
    """Cut [B,H,W,C] at the bottom and right to a second tensor's height and width: undoes PadToMultiple."""

    def call(self, scores: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
        """Cut `scores` to the size of `images`."""
        return scores[:, : tf.shape(images)[1], : tf.shape(images)[2]]

    def compute_output_shape(
        self, scores_shape: tuple[int | None, ...], images_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Give the shape after cutting."""
        return (scores_shape[0], *images_shape[1:3], scores_shape[3])


class Upsample(keras.layers.Layer):
    """Enlarge [B,H,W,C] by a whole factor, bilinearly, pixel centres aligned.

    keras.layers.UpSampling2D cannot do so inside a tf.function of unknown sizes (Keras 3.15).
    """

    def __init__(self, factor: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Enlarge; the result has the precision of `x`."""
        size = tf.shape(x)[1:3] * self.factor
        return tf.cast(tf.image.resize(x, size, method="bilinear"), x.dtype)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the enlarged shape; unknown lengths stay unknown."""
        lengths = (None if length is None else length * self.factor for length in shape[1:3])
        return (shape[0], *lengths, shape[3])


def convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel: int,
    *,
    name: str,
    strides: int = 1,
    dilation: int = 1,
    relu: bool = True,
    synchronized: bool = False,
) -> keras.KerasTensor:
    """Convolve, normalise by batch, and rectify where `relu`; layers `<name>_conv`, `<name>_norm`, `<name>_relu`."""
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        dilation_rate=dilation,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=synchronized, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def residual(
    x: keras.KerasTensor,
    filters: int,
    *,
    name: str,
    strides: int = 1,
    dilation: int = 1,
    synchronized: bool = False,
) -> keras.KerasTensor:
    """Apply a basic residual block (He et al. 2016): two 3x3 convolutions beside a shortcut, projected if needed."""
    shortcut = x
    if strides > 1 or x.shape[-1] != filters:
        shortcut = convolution(
            x, filters, 1, strides=strides, relu=False, synchronized=synchronized, name=f"{name}_shortcut"
        )
    y = convolution(x, filters, 3, strides=strides, dilation=dilation, synchronized=synchronized, name=f"{name}_a")
    y = convolution(y, filters, 3, dilation=dilation, relu=False, synchronized=synchronized, name=f"{name}_b")
    y = keras.layers.Add(name=f"{name}_add")([y, shortcut])
    return keras.layers.ReLU(name=f"{name}_relu")(y)
