"""SegNet: an encoder of VGG16's convolutions, and a decoder that unpools by the indices of max pooling.

Badrinarayanan, Kendall, Cipolla, TPAMI 2017, arXiv:1511.00561. With 12 classes it has 29,449,932 trainable weights, as
the authors' definition (alexgkendall/SegNet-Tutorial, Models/segnet_inference.prototxt, which is for 11); the ENet
paper (arXiv:1606.02147, table II) counts 29.46M.
"""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from models import backbones, blocks
from models.blocks import Shape
from models.typed_values import Sha256, Weights
from models.weights import check_sha256, has_weight, load

STRIDE = 32
"""Images are padded to a multiple of this; the catalogue reads it, and rejects smaller images."""

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of convolutions of each stage of VGG16."""


def build(
    num_classes: int,
    *,
    synchronized: bool = False,
    weights: Weights = "random",
    weights_sha256: Sha256 | None = None,
) -> keras.Model:
    """Build SegNet.

    >>> build(num_classes=2).output_shape
    (None, None, None, 2)

    Args:
        num_classes: Number of classes: channels of the logits.
        synchronized: Share batch statistics between replicas.
        weights: Initial weights of the encoder: `random`; those of VGG16's convolutions, from `imagenet`, a package or
            a file (see backbones.pyramid); or convolutions and normalisation of a file of Segline's SegNet.
        weights_sha256: Expected SHA-256 of that file; None: not checked.

    Returns:
        Model of images [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes].

    Raises:
        ModelError: The weights are missing, damaged or of another network.
    """
    images = blocks.image_input()
    x = blocks.PadToMultiple(STRIDE, name="pad", dtype="float32")(backbones.caffe(images))
    places = []
    for stage, (filters, count) in enumerate(STAGES, start=1):
        for number in range(1, count + 1):
            x = _convolution(x, filters, f"{backbones.PREFIX}block{stage}_conv{number}", synchronized=synchronized)
        pooled = keras.layers.MaxPooling2D(2, name=f"{backbones.PREFIX}block{stage}_pool")(x)
        places.append(PoolingIndices(name=f"{backbones.PREFIX}block{stage}_indices")(x, pooled))
        x = pooled
    encoded = x
    for stage, (filters, count) in reversed(list(enumerate(STAGES, start=1))):
        x = Unpool(name=f"decoder{stage}_unpool")(x, places.pop())
        below = STAGES[max(stage - 2, 0)][0]
        for number in range(count, 0 if stage > 1 else 1, -1):
            wide = below if number == 1 else filters
            x = _convolution(x, wide, f"decoder{stage}_conv{number}", synchronized=synchronized)
    x = keras.layers.Conv2D(num_classes, 3, padding="same", name="logits", dtype="float32")(x)
    model = keras.Model(images, blocks.CropLike(name="crop", dtype="float32")(x, images), name="segnet")
    if weights != "random":
        _load_encoder(keras.Model(images, encoded, name="segnet"), weights, weights_sha256)
    return model


class PoolingIndices(keras.layers.Layer):
    """Compute the position of the maximum in each 2x2 window: 0, 1, 2 or 3, row by row; the first of equal values.

    TensorFlow's max_pool_with_argmax does not support bfloat16, and its indices depend on the width of the image.
    """

    def call(self, x: tf.Tensor, pooled: tf.Tensor) -> tf.Tensor:
        """Return the positions [B,H,W,C], in the dtype of `x`, of the maxima `pooled` [B,H,W,C] in `x` [B,2H,2W,C]."""
        x, pooled = tf.stop_gradient(x), tf.stop_gradient(pooled)
        place = tf.fill(tf.shape(pooled), tf.constant(3, pooled.dtype))
        for index, corner in ((2, x[:, 1::2, ::2]), (1, x[:, ::2, 1::2]), (0, x[:, ::2, ::2])):
            place = tf.where(corner == pooled, tf.constant(index, pooled.dtype), place)
        return place

    def compute_output_shape(self, x_shape: Shape, pooled_shape: Shape) -> Shape:
        """Return the shape of the maxima."""
        return pooled_shape


class Unpool(keras.layers.Layer):
    """Put each value at the position in its 2x2 window that PoolingIndices returned; the others are 0."""

    def call(self, x: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        """Return `x` [B,H,W,C] unpooled to [B,2H,2W,C] by the positions `places` [B,H,W,C]."""
        corners = [tf.where(places == tf.constant(index, places.dtype), x, tf.zeros_like(x)) for index in range(4)]
        rows = tf.stack([tf.stack(corners[:2], axis=3), tf.stack(corners[2:], axis=3)], axis=2)  # [B,H,2,W,2,C]
        shape = tf.shape(x)
        larger = tf.reshape(rows, [shape[0], 2 * shape[1], 2 * shape[2], x.shape[3]])
        return tf.ensure_shape(larger, self.compute_output_shape(x.shape, places.shape))

    def compute_output_shape(self, x_shape: Shape, places_shape: Shape) -> Shape:
        """Return the shape with height and width doubled; unknown lengths stay unknown."""
        lengths = (None if length is None else 2 * length for length in x_shape[1:3])
        return (x_shape[0], *lengths, x_shape[3])


def _convolution(x: Any, filters: int, name: str, *, synchronized: bool) -> keras.KerasTensor:
    """Apply a convolution with bias, as VGG16's, batch normalisation, ReLU: `<name>`, `<name>_norm`, `<name>_relu`."""
    x = keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer="he_normal", name=name)(x)
    return blocks.norm(x, name=name, synchronized=synchronized)


def _load_encoder(encoder: keras.Model, weights: str, sha256: str | None) -> None:
    """Load a SegNet's encoder, or copy VGG16's convolutions into the layers of the same names."""
    if has_weight(Path(weights), f"{backbones.PREFIX}block1_conv1_norm/gamma"):
        check_sha256(Path(weights), sha256)
        load(encoder, Path(weights), prefix=backbones.PREFIX)
        return
    images = blocks.image_input()
    vgg = keras.Model(images, backbones.pyramid("vgg16", images, weights=weights, weights_sha256=sha256)[32])
    for layer in vgg.layers:
        if isinstance(layer, keras.layers.Conv2D):
            encoder.get_layer(layer.name).set_weights(layer.get_weights())
