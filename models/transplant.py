"""Rebuild a network of keras.applications on top of a tensor, as a part of a larger model.

What it computes stays, and so do its weights. What changes: names, which are the same in every process and carry a
prefix; batch normalisation and dropout, which are those of blocks; MOMENTUM; strides, which may give way to dilation;
and 1x1 convolutions that stride, whose gradient TensorFlow 2.21 gets wrong on a CPU.
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
"""Height and width at which a network is looked at: a multiple of 32, and what ImageNet weights were made for."""

MOMENTUM = 0.99
"""Of moving statistics, at most. MobileNets have 0.999, for ImageNet's hundred thousands of steps: after the 1000 of a
small training a third of what is answered with would still be what it began with."""

UNNAMED: Mapping[type[keras.layers.Layer], tuple[str, str]] = MappingProxyType(
    {
        keras.layers.ZeroPadding2D: (r"zero_padding2d(_\d+)?", "pad"),
        keras.layers.ReLU: (r"re_lu(_\d+)?", "relu"),
        keras.layers.Activation: (r"activation(_\d+)?", "{activation}"),
    }
)
"""Layers that keras.applications leaves to Keras's counter: what it calls them, and what they are called here, after
the layer before them."""


class Pointwise(keras.layers.Conv2D):
    """A 1x1 convolution that first drops the pixels it strides over.

    The same numbers as Conv2D, whose weight gradient corrupts memory here for a batch of one on a CPU (TensorFlow 2.21
    with oneDNN).
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

    Where a layer would make the features coarser than `output_stride`, it no longer strides, and the kernels after it
    are dilated by what was left out, so that each still sees what it saw (Chen et al. 2018, arXiv:1606.00915, 3.1).
    The window of a pooling is not dilated: with output stride 8 that matters to VGG and DenseNet.

    Args:
        network: Of keras.applications, built for SIDE x SIDE; each of its layers is called once.
        x: Its input, [B,H,W,3], heights and widths multiples of `output_stride`.
        prefix: Put before the name of each layer.
        output_stride: Coarsest stride of a feature.
        synchronized: Share batch statistics between replicas.

    Returns:
        {name of a layer without the prefix: what it gives}.
    """
    tensors, names, outputs = {id(network.input): x}, {id(network.input): "input"}, {}
    sums = {id(op.output) for op in network.operations if not isinstance(op, keras.layers.Layer)}
    for layer in network.operations:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        sources = layer.input if isinstance(layer.input, list) else [layer.input]
        y, name = [tensors[id(source)] for source in sources], names[id(sources[0])]
        y = y if isinstance(layer.input, list) else y[0]
        if not _is_void(layer, output_stride):
            name = _name(layer, name)
            rebuilt = _rebuild(layer, f"{prefix}{name}", output_stride=output_stride, synchronized=synchronized)
            if id(sources[0]) in sums:  # MobileNetV3 writes relu6(x + 3) * (1/6)
                name = name.removesuffix("relu") + "hard_sigmoid"
                rebuilt = keras.layers.Activation("hard_sigmoid", dtype=layer.dtype_policy, name=f"{prefix}{name}")
            y = rebuilt(y)
            rebuilt.set_weights(layer.get_weights())
        tensors[id(layer.output)], names[id(layer.output)], outputs[name] = y, name, y
    return outputs


def _is_void(layer: Any, output_stride: int) -> bool:
    """Whether a layer has nothing to do: a part of a sigmoid written out, or padding for a stride that goes."""
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
    if kind is keras.layers.Dropout:
        kind = blocks.Dropout
    if hasattr(layer, "strides"):
        config |= _strides(layer, output_stride)
        if kind is keras.layers.Conv2D and layer.kernel_size == (1, 1) and max(config["strides"]) > 1:
            kind = Pointwise
    return kind.from_config(config)


def _strides(layer: keras.layers.Layer, output_stride: int) -> dict[str, Any]:
    """Give what changes in the configuration of a convolution or a pooling so that it keeps to the output stride."""
    before, after = _stride(layer.input), _stride(layer.output)
    dilation = before // output_stride
    changes: dict[str, Any] = {"strides": layer.strides}
    if after > before and after > output_stride:
        changes |= {"strides": (1, 1), "padding": "same"}
    if dilation > 1 and max(getattr(layer, "kernel_size", (1, 1))) > 1:
        changes |= {"dilation_rate": (dilation, dilation), "padding": "same"}
    return changes


def _stride(tensor: keras.KerasTensor) -> int:
    """Stride of a feature of the network as it was made; its padding is not counted."""
    return int(2 ** round(math.log2(SIDE / tensor.shape[1])))
