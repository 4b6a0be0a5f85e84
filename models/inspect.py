"""Inspection of a network: layers with shapes, weights and multiply-adds; filters; activations."""

import difflib
import math
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from models import segmenter
from models.errors import ModelError
from models.fit import Fit, Size


@dataclass(frozen=True)
class Row:
    """One layer.

    Attributes:
        name, kind: Its name, and the name of its class.
        shape: Shape of its output for one image: (H, W, C).
        weights: Number of its weights, including moving statistics.
        macs: Multiply-adds for one image, of convolutions, dense layers and attention; 0 for other layers.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    weights: int
    macs: int


def summary(model: keras.Model, size: Size) -> list[Row]:
    """List the layers of a model in the order of computation, for one image of `size` (height, width).

    >>> from models import fast
    >>> summary(fast.build(num_classes=2, width=8), (64, 96))[3]
    Row(name='stem_a_conv', kind='Conv2D', shape=(32, 48, 4), weights=108, macs=165888)
    """
    outputs = {layer.name: layer.output for layer in model.layers if not isinstance(layer.output, list | tuple | dict)}
    shapes = keras.Model(model.input, outputs).compute_output_shape((1, *size, 3))
    rows = []
    for layer in model.layers:
        shape = shapes[layer.name]
        sources = layer.input if isinstance(layer.input, list | tuple) else [layer.input]
        inputs = [shapes[source._keras_history.operation.name] for source in sources]
        weights = layer.count_params()
        rows.append(Row(layer.name, type(layer).__name__, shape[1:], weights, _macs(layer, inputs, shape)))
    return rows


def filters(model: keras.Model, layer: str, number: int | None = None) -> np.ndarray:
    """Return images of all filters of a convolution, or of the input channels of one filter.

    Args:
        model: Model of models.catalog.
        layer: Name of one of its layers.
        number: Number of one filter, from 0; None: all filters.

    Returns:
        float32 [N,h,w,1] in 0..1, where 0.5 is 0; all images have one scale. For all filters, N is their number (of a
        depthwise convolution, the number of channels), and each image is the mean over its input channels, or
        [N,h,w,3] in colour if there are three. For one filter, N is its number of input channels.

    Raises:
        ModelError: There is no such layer or filter, or the layer has no filters.
    """
    convolution = find(model, layer)
    if not has_filters(model, layer):
        convolutions = [other.name for other in model.layers if isinstance(other, keras.layers.Conv2D)]
        raise ModelError(
            f"Layer {layer!r} of model {model.name!r} is {_article(type(convolution).__name__)} and has no filters. "
            f"Convolutions are, for example: {', '.join(convolutions[:5])}."
        )
    kernel = np.asarray(convolution.kernel, np.float32)  # [h,w,in,out]
    if isinstance(convolution, keras.layers.DepthwiseConv2D):
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    elif isinstance(convolution, keras.layers.Conv2DTranspose):
        kernel = kernel.swapaxes(2, 3)
    pictures = kernel.transpose(3, 0, 1, 2)
    if number is not None:
        if not 0 <= number < len(pictures):
            raise ModelError(f"Layer {layer!r} has the filters 0 to {len(pictures) - 1}. Received: {number}.")
        pictures = pictures[number].transpose(2, 0, 1)[..., None]
    elif pictures.shape[-1] != 3:
        pictures = pictures.mean(axis=-1, keepdims=True)
    largest = np.abs(pictures).max() or 1.0
    return 0.5 + 0.5 * pictures / largest


def has_filters(model: keras.Model, layer: str) -> bool:
    """Whether a layer is a convolution, so that `filters` accepts it."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Conv2DTranspose)
    return isinstance(find(model, layer), kinds)


def activations(model: keras.Model, layer: str, image: np.ndarray, fit: Fit | None = None) -> np.ndarray:
    """Return a layer's output for an image, as one image for each channel.

    Args:
        model: Model of models.catalog.
        layer: Name of one of its layers.
        image: uint8 [H,W,3], 0..255.
        fit: How the image is brought to the network's input size; None: it is not changed.

    Returns:
        float32 [C,h,w,1] in 0..1; each channel is scaled from its own minimum to its own maximum, and 0 if constant.

    Raises:
        ModelError: There is no such layer, or its output is not a feature map.
    """
    part = keras.Model(model.input, find(model, layer).output)
    inputs = segmenter.fit_images(tf.constant(image), fit)
    output = part(inputs[None], training=False)
    if not isinstance(output, tf.Tensor) or output.shape.rank != 4:
        raise ModelError(f"The output of layer {layer!r} of model {model.name!r} is not a feature map [H,W,C].")
    maps = tf.cast(output[0], tf.float32).numpy().transpose(2, 0, 1)[..., None]
    low, high = maps.min(axis=(1, 2, 3), keepdims=True), maps.max(axis=(1, 2, 3), keepdims=True)
    return np.divide(maps - low, high - low, out=np.zeros_like(maps), where=high > low)


def find(model: keras.Model, layer: str) -> keras.layers.Layer:
    """Return a layer by its name; ModelError, with similar names, if there is none."""
    known = [other.name for other in model.layers]
    if layer in known:
        return model.get_layer(layer)
    similar = difflib.get_close_matches(layer, known, n=5, cutoff=0.5) or [name for name in known if layer in name][:5]
    hint = f" Similar: {', '.join(similar)}." if similar else ""
    raise ModelError(f"Model {model.name!r} has no layer {layer!r}.{hint} --summary lists all {len(known)}.")


def _macs(layer: keras.layers.Layer, inputs: list[tuple[int, ...]], shape: tuple[int, ...]) -> int:
    """Count multiply-adds for one image."""
    pixels = math.prod(shape[1:3])
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return math.prod(inputs[0][1:3]) * math.prod(layer.kernel.shape)
    if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D | keras.layers.Dense):
        return pixels * math.prod(layer.kernel.shape)
    if type(layer).__name__ == "Attention":  # products with keys, then with values
        return 2 * math.prod(inputs[0][1:4]) * math.prod(inputs[1][1:3])
    return 0


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"
