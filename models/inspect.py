"""Looking inside a network: its layers with shapes, weights and multiply-adds; its kernels; what its layers answer."""

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
        name, kind: Its name, and that of its class.
        shape: Of what it gives for one image: (H, W, C).
        weights: Numbers it holds, those of moving statistics included.
        macs: Multiply-adds for one image, of convolutions, dense layers and attention; other layers count 0.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    weights: int
    macs: int


def summary(model: keras.Model, size: Size) -> list[Row]:
    """List the layers of a model in the order of computation, for one image of `size` (height, width)."""
    outputs = {layer.name: layer.output for layer in model.layers if not isinstance(layer.output, list | tuple | dict)}
    shapes = keras.Model(model.input, outputs).compute_output_shape((1, *size, 3))
    rows = []
    for layer in model.layers:
        shape = shapes[layer.name]
        sources = layer.input if isinstance(layer.input, list | tuple) else [layer.input]
        received = [shapes[source._keras_history.operation.name] for source in sources]
        weights = layer.count_params()
        rows.append(Row(layer.name, type(layer).__name__, shape[1:], weights, _macs(layer, received, shape)))
    return rows


def filters(model: keras.Model, layer: str, number: int | None = None) -> np.ndarray:
    """Give the kernels of a convolution, one picture each, or one kernel, a picture of each channel that it sees.

    Args:
        model: Model of models.catalog.
        layer: Name of one of its layers.
        number: Of the one kernel, from 0; None: all.

    Returns:
        float32 [N,h,w,1] in 0..1, scaled over all of them together, so that they compare; 0.5 is 0. Of all kernels
        the mean over the channels that each sees, or [N,h,w,3] in colour where those are three. N is the number of
        filters, or of the kernel's channels; of a depthwise convolution the number of channels.

    Raises:
        ModelError: There is no such layer or number, or it has no kernel of that form.
    """
    found = find(model, layer)
    if not has_filters(model, layer):
        near = [other.name for other in model.layers if isinstance(other, keras.layers.Conv2D)]
        raise ModelError(
            f"Layer {layer!r} of model {model.name!r} is {_article(type(found).__name__)} and has no filters. "
            f"Convolutions are, for example: {', '.join(near[:5])}."
        )
    kernel = np.asarray(found.kernel, np.float32)  # [h,w,in,out]
    if isinstance(found, keras.layers.DepthwiseConv2D):
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    elif isinstance(found, keras.layers.Conv2DTranspose):
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
    """Whether `filters` has something to give for a layer."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Conv2DTranspose)
    return isinstance(find(model, layer), kinds)


def activations(model: keras.Model, layer: str, image: np.ndarray, fit: Fit | None = None) -> np.ndarray:
    """Give what a layer answers to an image, one picture for each channel.

    Args:
        model: Model of models.catalog.
        layer: Name of one of its layers.
        image: uint8 [H,W,3].
        fit: How the image comes to the size that the network sees; None: as it is.

    Returns:
        float32 [C,h,w,1] in 0..1, each channel scaled from its own lowest to its own highest value; a channel that is
        the same everywhere is 0.

    Raises:
        ModelError: There is no such layer, or it answers with no map.
    """
    part = keras.Model(model.input, find(model, layer).output)
    seen = segmenter.fit_images(tf.constant(image), fit)
    answer = part(seen[None], training=False)
    if not isinstance(answer, tf.Tensor) or answer.shape.rank != 4:
        raise ModelError(f"Layer {layer!r} of model {model.name!r} answers with no map [H,W,C].")
    maps = tf.cast(answer[0], tf.float32).numpy().transpose(2, 0, 1)[..., None]
    low, high = maps.min(axis=(1, 2, 3), keepdims=True), maps.max(axis=(1, 2, 3), keepdims=True)
    return np.divide(maps - low, high - low, out=np.zeros_like(maps), where=high > low)


def find(model: keras.Model, layer: str) -> keras.layers.Layer:
    """Give a layer by its name. Raises ModelError with the names nearest to it."""
    known = [found.name for found in model.layers]
    if layer in known:
        return model.get_layer(layer)
    near = difflib.get_close_matches(layer, known, n=5, cutoff=0.5) or [name for name in known if layer in name][:5]
    guess = f" Near: {', '.join(near)}." if near else ""
    raise ModelError(f"Model {model.name!r} has no layer {layer!r}.{guess} --summary lists all {len(known)}.")


def _macs(layer: keras.layers.Layer, received: list[tuple[int, ...]], shape: tuple[int, ...]) -> int:
    """Count multiply-adds for one image."""
    pixels = math.prod(shape[1:3])
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return math.prod(received[0][1:3]) * math.prod(layer.kernel.shape)
    if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D | keras.layers.Dense):
        return pixels * math.prod(layer.kernel.shape)
    if type(layer).__name__ == "Attention":  # products with keys, then with values
        return 2 * math.prod(received[0][1:4]) * math.prod(received[1][1:3])
    return 0


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"
