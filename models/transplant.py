"""Rebuild a network of keras.applications on top of a tensor, as a part of a larger model.

Function and weights stay the same. What changes: layer names, which are the same in every process and have a prefix;
batch normalisation, dropout and depthwise convolutions, which are those of models.blocks; the momentum of moving
statistics; strides, which may be replaced by dilation; and strided 1x1 convolutions, whose gradient is wrong on a CPU
in TensorFlow 2.21.
"""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from models import blocks

SIDE = 224
"""Input height and width for which a network is built: a multiple of 32, and the size of ImageNet training."""

MOMENTUM = 0.99
"""Largest momentum of moving statistics. MobileNets have 0.999, for the hundreds of thousands of steps on ImageNet:
after a short training of 1000 steps the initial statistics would still weigh a third (0.999^1000 = 0.37)."""

UNNAMED: Mapping[type[keras.layers.Layer], tuple[str, str]] = MappingProxyType(
    {
        keras.layers.ZeroPadding2D: (r"zero_padding2d(_\d+)?", "pad"),
        keras.layers.ReLU: (r"re_lu(_\d+)?", "relu"),
        keras.layers.Activation: (r"activation(_\d+)?", "{activation}"),
    }
)
"""Layers that keras.applications leaves unnamed: pattern of their automatic names -> their suffix here, appended to the
name of the layer before them."""


OURS: Mapping[type[keras.layers.Layer], type[keras.layers.Layer]] = MappingProxyType(
    {keras.layers.Dropout: blocks.Dropout, keras.layers.DepthwiseConv2D: blocks.DepthwiseConv}
)
"""Layers with the same configuration that take the place of Keras's."""


class Pointwise(keras.layers.Conv2D):
    """A 1x1 convolution that drops the pixels between its strides first.

    The result equals Conv2D's, whose weight gradient corrupts memory for a batch of one on a CPU (TensorFlow 2.21 with
    oneDNN).
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolve [B,H,W,C]."""
        rows, columns = self.strides
        y = keras.ops.conv(inputs[:, ::rows, ::columns], self.kernel, padding=self.padding)
        return self.activation(keras.ops.add(y, self.bias) if self.use_bias else y)


def transplant(
    network: keras.Model, x: keras.KerasTensor, *, prefix: str, output_stride: int, synchronized: bool
) -> dict[str, keras.KerasTensor]:
    """Rebuild a network on `x`.

    A layer that would make the features coarser than `output_stride` is not strided, and the kernels after it are
    dilated by the stride left out, so that they cover the same pixels (Chen et al. 2018, arXiv:1606.00915, 3.1). The
    window of a pooling is not dilated: with output stride 8 this affects VGG and DenseNet.

    Args:
        network: Model of keras.applications, built for SIDE x SIDE, that calls each of its layers once.
        x: Float [B,H,W,3], normalised as the network expects, H and W multiples of `output_stride`.
        prefix: Prefix of all layer names.
        output_stride: Coarsest stride of a feature.
        synchronized: Share batch statistics between replicas.

    Returns:
        {layer name without the prefix: the layer's output}.
    """
    tensors, names, outputs = {id(network.input): x}, {id(network.input): "input"}, {}
    sums = {id(op.output) for op in network.operations if not isinstance(op, keras.layers.Layer)}
    for layer in network.operations:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        sources = layer.input if isinstance(layer.input, list) else [layer.input]
        y, name = [tensors[id(source)] for source in sources], names[id(sources[0])]
        y = y if isinstance(layer.input, list) else y[0]
        if not _is_skipped(layer, output_stride):
            name = _name(layer, name)
            rebuilt = _rebuild(layer, f"{prefix}{name}", output_stride=output_stride, synchronized=synchronized)
            if id(sources[0]) in sums:  # MobileNetV3 writes relu6(x + 3) * (1/6)
                name = name.removesuffix("relu") + "hard_sigmoid"
                rebuilt = keras.layers.Activation("hard_sigmoid", dtype=layer.dtype_policy, name=f"{prefix}{name}")
            y = rebuilt(y)
            rebuilt.set_weights(layer.get_weights())
        tensors[id(layer.output)], names[id(layer.output)], outputs[name] = y, name, y
    return outputs


def _is_skipped(layer: Any, output_stride: int) -> bool:
    """Whether a layer is left out: a part of a hard sigmoid written as operations, or padding for a removed stride."""
    if not isinstance(layer, keras.layers.Layer):
        return True
    return isinstance(layer, keras.layers.ZeroPadding2D) and _stride(layer.input) >= output_stride


def _name(layer: keras.layers.Layer, before: str) -> str:
    by_keras, name = UNNAMED.get(type(layer), ("", ""))
    if not re.fullmatch(by_keras, layer.name):
        return str(layer.name)
    return f"{before}_{name.format(activation=layer.get_config().get('activation'))}"


def _rebuild(layer: keras.layers.Layer, name: str, *, output_stride: int, synchronized: bool) -> keras.layers.Layer:
    config, kind = {**layer.get_config(), "name": name}, type(layer)
    if kind is keras.layers.BatchNormalization:
        momentum = min(config["momentum"], MOMENTUM)
        return blocks.BatchNorm.from_config(config | {"synchronized": synchronized, "momentum": momentum})
    kind = OURS.get(kind, kind)
    if hasattr(layer, "strides"):
        config |= _strides(layer, output_stride)
        if kind is keras.layers.Conv2D and layer.kernel_size == (1, 1) and max(config["strides"]) > 1:
            kind = Pointwise
    return kind.from_config(config)


def _strides(layer: keras.layers.Layer, output_stride: int) -> dict[str, Any]:
    """Return the changes to the configuration of a convolution or pooling that limit its stride to `output_stride`."""
    before, after = _stride(layer.input), _stride(layer.output)
    dilation = before // output_stride
    changes: dict[str, Any] = {"strides": layer.strides}
    if after > before and after > output_stride:
        changes |= {"strides": (1, 1), "padding": "same"}
    if dilation > 1 and max(getattr(layer, "kernel_size", (1, 1))) > 1:
        changes |= {"dilation_rate": (dilation, dilation), "padding": "same"}
    return changes


def _stride(tensor: keras.KerasTensor) -> int:
    """Return the stride of a feature of the original network, ignoring padding."""
    return int(2 ** round(math.log2(SIDE / tensor.shape[1])))
