"""Backbones: classification networks as feature pyramids {stride: tensor}.

Each includes its own normalisation. To add a backbone, add an entry to BACKBONES.

In any model, the backbone's layers are those whose names start with PREFIX. So it can be frozen, unfrozen later, or
trained with its own learning rate: `variables(model)` returns its weights, `set_trainable(model, trainable=False)`
freezes it. Even in training, frozen batch normalisation uses its moving statistics and does not update them, and frozen
dropout (EfficientNet's stochastic depth) drops nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models import blocks, efficientnet_lite, published_weights
from models.errors import ModelError
from models.transplant import SIDE, transplant
from models.weights import check_finite, check_sha256, is_own, load, reason

Pyramid = dict[int, keras.KerasTensor]

PREFIX = "backbone_"
"""Prefix of the name of each layer of a backbone, and of no other layer."""

CAFFE_MEAN = (103.939, 116.779, 123.68)
"""Mean blue, green and red of ImageNet in 0..255, as VGG was trained with (Simonyan & Zisserman 2015)."""


class CaffeNormalise(keras.layers.Layer):
    """Turn RGB in 0..255 into zero-centred BGR, unscaled, in float32, as Caffe's ImageNet weights expect."""

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Normalise [B,H,W,3]."""
        return tf.reverse(tf.cast(images, tf.float32), [-1]) - tf.constant(CAFFE_MEAN)

    def compute_output_shape(self, shape: blocks.Shape) -> blocks.Shape:
        """Return the same shape."""
        return shape


def caffe(images: keras.KerasTensor) -> keras.KerasTensor:
    """Normalise for VGG and ResNet by CaffeNormalise."""
    return CaffeNormalise(name="normalise", dtype="float32")(images)


def symmetric(images: keras.KerasTensor) -> keras.KerasTensor:
    """Normalise for MobileNet: scale 0..255 to -1..1."""
    return keras.layers.Rescaling(1 / 127.5, -1, name="normalise", dtype="float32")(images)


@dataclass(frozen=True)
class Backbone:
    """An entry of the table: how to build the network, and which layers yield its pyramid.

    Attributes:
        make: Function of keras.applications, or one of the same signature.
        normalise: Turns RGB in 0..255 into the input that the ImageNet weights expect, in a layer named `normalise`.
        taps: Stride -> name of the last layer of that stride.
        options: Further arguments of `make`.
    """

    make: Callable[..., keras.Model]
    normalise: Callable[[keras.KerasTensor], keras.KerasTensor]
    taps: Mapping[int, str]
    options: Mapping[str, Any] = field(default_factory=dict)


RAW = MappingProxyType({"include_preprocessing": False})
"""Option of networks that otherwise include their own normalisation."""


def _taps(*layers: str) -> dict[int, str]:
    """Return the taps of strides 2, 4, 8, 16 and 32."""
    return dict(zip((2, 4, 8, 16, 32), layers, strict=True))


def _lite_taps(*last: int) -> dict[int, str]:
    """Return the taps of an EfficientNet-Lite, given the number of the last block of strides 4, 8, 16 and 32."""
    return _taps("block0_project_norm", *(f"block{number}_add" for number in last[:3]), f"block{last[3]}_project_norm")


VGG = _taps("block1_pool", "block2_pool", "block3_pool", "block4_pool", "block5_pool")

BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        "vgg16": Backbone(keras.applications.VGG16, caffe, VGG),
        "vgg19": Backbone(keras.applications.VGG19, caffe, VGG),
        "resnet50": Backbone(
            keras.applications.ResNet50,
            caffe,
            _taps("conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"),
        ),
        "densenet121": Backbone(
            keras.applications.DenseNet121,
            blocks.normalise,
            _taps("conv1_relu", "pool2_relu", "pool3_relu", "pool4_relu", "relu"),
        ),
        "mobilenet_v2": Backbone(
            keras.applications.MobileNetV2,
            symmetric,
            _taps(*(f"block_{block}_expand_relu" for block in (1, 3, 6, 13)), "block_16_project_BN"),
        ),
        "mobilenet_v3_large": Backbone(
            keras.applications.MobileNetV3Large,
            symmetric,
            _taps(
                *(f"expanded_conv_{block}_expand_bn_relu" for block in (1, 3)),
                *(f"expanded_conv_{block}_expand_bn_hard_silu" for block in (6, 12)),
                "conv_1_bn_hard_silu",
            ),
            RAW,
        ),
        "efficientnet_v2_b0": Backbone(
            keras.applications.EfficientNetV2B0,
            blocks.normalise,
            _taps("block1a_project_activation", "block2b_add", "block3b_add", "block5e_add", "block6h_add"),
            RAW,
        ),
        "efficientnet_lite0": Backbone(efficientnet_lite.lite0, symmetric, _lite_taps(2, 4, 10, 15)),
        "efficientnet_lite1": Backbone(efficientnet_lite.lite1, symmetric, _lite_taps(3, 6, 14, 20)),
        "efficientnet_lite2": Backbone(efficientnet_lite.lite2, symmetric, _lite_taps(3, 6, 14, 20)),
    }
)


def pyramid(
    name: str,
    images: keras.KerasTensor,
    *,
    weights: str = "random",
    weights_sha256: str | None = None,
    output_stride: int = 32,
    synchronized: bool = False,
) -> Pyramid:
    """Compute a backbone's feature pyramid.

    >>> features = pyramid("mobilenet_v2", blocks.image_input(), output_stride=8)
    >>> {stride: x.shape for stride, x in features.items()}
    {2: (None, None, None, 96), 4: (None, None, None, 144), 8: (None, None, None, 320)}

    Args:
        name: A key of BACKBONES.
        images: Float [B,H,W,3] in 0..255. The pyramid pads them with the mean colour at the bottom and right to a
            multiple of `output_stride`; crop the logits with blocks.CropLike.
        weights: `random`; `package:NAME`, a package of models.published_weights; `imagenet`: such a package where there
            is one, otherwise downloaded once by Keras, which checks the file's hash, except MobileNetV2's; or a weights
            file: Keras's of the network without its top, Segline's of a model with this backbone, or a package's.
        weights_sha256: Expected SHA-256 of the weights file, in hexadecimal; None: not checked.
        output_stride: Coarsest stride, 8, 16 or 32. Below 32 the later layers are dilated instead of strided, and their
            output replaces the features of that stride.
        synchronized: Share batch statistics between replicas.

    Returns:
        {stride: [B, H/stride, W/stride, C]} for 2, 4, ... `output_stride`, with H and W after padding.

    Raises:
        ModelError: The weights are missing, damaged or of another network.
    """
    backbone = BACKBONES[name]
    weights, weights_sha256 = _source(name, weights, weights_sha256)
    network = _network(name, weights, weights_sha256)
    x = blocks.PadToMultiple(output_stride, name="pad", dtype="float32")(backbone.normalise(images))
    outputs = transplant(network, x, prefix=PREFIX, output_stride=output_stride, synchronized=synchronized)
    features = {min(stride, output_stride): outputs[layer] for stride, layer in sorted(backbone.taps.items())}
    model = keras.Model(images, features, name=name)
    _check_strides(name, model)
    if is_own(Path(weights)):  # it names weights as in this model, not as in Keras's network
        load(model, Path(weights), prefix=PREFIX)
    return features


def vgg16_head(weights: str, sha256: str | None = None) -> dict[str, list[np.ndarray]]:
    """Load VGG16's first two fully connected layers as convolutions (Long et al. 2015, section 4.1).

    Args:
        weights: `imagenet`, or Keras's file of VGG16 with its top.
        sha256: Expected SHA-256 of that file; None: not checked.

    Returns:
        {"fc6": [kernel [7,7,512,4096], bias [4096]], "fc7": [kernel [1,1,4096,4096], bias [4096]]}, float32.

    Raises:
        ModelError: The weights are missing, damaged or of another network.
    """
    network = _network("vgg16", *_source("vgg16", weights, sha256), top=True)
    (first, first_bias), (second, second_bias) = (network.get_layer(name).get_weights() for name in ("fc1", "fc2"))
    return {"fc6": [first.reshape(7, 7, 512, -1), first_bias], "fc7": [second[None, None], second_bias]}


def layers(model: keras.Model, *, beyond: int = 0) -> list[keras.layers.Layer]:
    """Return the layers of a model's backbone, with `beyond` those after the last of this stride; [] if it has none."""
    own = [layer for layer in model.layers if layer.name.startswith(PREFIX)]
    if not beyond:
        return own
    part = keras.Model(model.input, [layer.output for layer in own])
    strides = [SIDE / shape[1] for shape in part.compute_output_shape((1, SIDE, SIDE, 3))]
    # A gate's single pixel counts as coarse; it lies before a layer of its block's stride.
    return own[max((index for index, stride in enumerate(strides, 1) if stride <= beyond), default=0) :]


def variables(model: keras.Model, *, beyond: int = 0) -> list[keras.Variable]:
    """Return the trainable weights of a model's backbone, even while it is frozen; `beyond` as in `layers`."""
    # Keras's public list is empty for a frozen layer. Neither list holds the moving statistics of batch normalisation.
    return [variable for layer in layers(model, beyond=beyond) for variable in layer._trainable_variables]


def set_trainable(model: keras.Model, *, trainable: bool, beyond: int = 0) -> None:
    """Freeze or unfreeze a model's backbone, and with it `model.trainable_variables`; `beyond` as in `layers`.

    A tf.function that was traced before keeps the old state: trace it again.
    """
    for layer in layers(model, beyond=beyond):
        layer.trainable = trainable


def _source(backbone: str, weights: str, sha256: str | None) -> tuple[str, str | None]:
    """Return the file, and its hash, of weights that a package holds; others as they are."""
    packaged = published_weights.locate_for(backbone, weights)
    return (str(packaged[0]), packaged[1]) if packaged else (weights, sha256)


def _network(name: str, weights: str, sha256: str | None, *, top: bool = False) -> keras.Model:
    """Build Keras's network with its weights; `pyramid` loads those of a file of Segline's afterwards."""
    backbone = BACKBONES[name]
    settings = {"include_top": top, "input_shape": (SIDE, SIDE, 3), **backbone.options}
    if weights == "imagenet":
        try:
            network = backbone.make(weights="imagenet", **settings)
        except Exception as error:  # Keras raises bare Exception when it cannot download
            raise ModelError(
                f"The ImageNet weights of backbone {name!r} cannot be loaded ({reason(error)}). Go online once, or put "
                "that file into ~/.keras/models, and delete a damaged one there; or set `weights` to a file of yours, "
                "or to `random`."
            ) from error
        check_finite(network, "in ~/.keras/models")
        return network
    network = backbone.make(weights=None, **settings)
    if weights != "random":
        check_sha256(Path(weights), sha256)
        if top or not is_own(Path(weights)):
            load(network, Path(weights))
    return network


def _check_strides(name: str, model: keras.Model) -> None:
    """Assert that each tap has the stride it is listed under."""
    for stride, shape in model.compute_output_shape((1, SIDE, SIDE, 3)).items():
        received = SIDE / shape[1]
        assert received == stride, f"Backbone {name}: the tap of stride {stride} has stride {received:g}."
