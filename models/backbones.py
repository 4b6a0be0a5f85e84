"""Backbones: classification networks of keras.applications, seen as a pyramid of features {stride: tensor}.

Each brings its own normalisation. A further backbone is one more entry in BACKBONES.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import keras
import tensorflow as tf

from models import blocks
from models.errors import ModelError
from models.weights import check_finite, load, reason

Pyramid = dict[int, keras.KerasTensor]

CAFFE_MEAN = (103.939, 116.779, 123.68)
"""Mean blue, green and red of ImageNet in 0..255 that VGG (Simonyan & Zisserman 2015) was trained with."""


class CaffeNormalise(keras.layers.Layer):
    """Turn RGB in 0..255 into BGR around 0, unscaled, in float32: what VGG's ImageNet weights expect."""

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Normalise."""
        return tf.reverse(tf.cast(images, tf.float32), [-1]) - tf.constant(CAFFE_MEAN)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the same shape."""
        return shape


@dataclass(frozen=True)
class Backbone:
    """One entry: how to make the network, and which of its layers ends which stride.

    Attributes:
        make: Function of keras.applications.
        normalise: Layer class from RGB in 0..255 to what the network's ImageNet weights expect.
        taps: Stride -> name of the last layer of that stride.
    """

    make: Callable[..., keras.Model]
    normalise: type[keras.layers.Layer]
    taps: Mapping[int, str]


BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        "vgg16": Backbone(
            keras.applications.VGG16,
            CaffeNormalise,
            {2: "block1_pool", 4: "block2_pool", 8: "block3_pool", 16: "block4_pool", 32: "block5_pool"},
        ),
    }
)


def pyramid(name: str, images: keras.KerasTensor, *, weights: str = "random") -> Pyramid:
    """Compute a backbone's features.

    Args:
        name: One of BACKBONES.
        images: [B,H,W,3] in 0..255. Padded inside with the mean colour, bottom and right, to a multiple of the largest
            stride: cut the logits with blocks.CropLike.
        weights: `random`, `imagenet` (downloaded once by Keras), or a weights file.

    Returns:
        {stride: [B, H/stride, W/stride, C]}, heights and widths being those after padding.

    Raises:
        ModelError: The weights cannot be had, or are damaged.
    """
    backbone = BACKBONES[name]
    x = backbone.normalise(name="normalise", dtype="float32")(images)
    x = blocks.PadToMultiple(max(backbone.taps), name="pad", dtype="float32")(x)
    network = _network(name, x, weights)
    features = {stride: network.get_layer(layer).output for stride, layer in backbone.taps.items()}
    _check_strides(name, keras.Model(images, features))
    return features


def _network(name: str, x: keras.KerasTensor, weights: str) -> keras.Model:
    make = BACKBONES[name].make
    if weights == "imagenet":
        try:
            network = make(include_top=False, weights="imagenet", input_tensor=x)
        except Exception as error:  # Keras raises bare Exception when it cannot download
            raise ModelError(
                f"The ImageNet weights of backbone {name!r} cannot be had ({reason(error)}). Go online once, or "
                "put that file into ~/.keras/models, or set `weights` to a file of yours or to `random`."
            ) from error
        check_finite(network, "from Keras's cache")
        return network
    network = make(include_top=False, weights=None, input_tensor=x)
    if weights != "random":
        load(network, Path(weights))
    return network


def _check_strides(name: str, model: keras.Model) -> None:
    """Assert that each tap has the stride it is listed under."""
    side = 2 * max(model.output)
    for stride, shape in model.compute_output_shape((1, side, side, 3)).items():
        received = side / shape[1]
        assert received == stride, f"Backbone {name}: the tap of stride {stride} has stride {received:g}."
