"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation and with ReLU6, for CPUs and int8.

Liu and Tan 2020 (blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html), by the
authors' definition (`efficientnet/lite` of tensorflow/tpu): the stem, the head and the first and last stage
are those of lite0 at every scale. Functions here have the signature of those of keras.applications.

Without stochastic depth: the authors drop a fifth of the blocks over 350 epochs of ImageNet, and none at inference.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import keras

STAGES = ((1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320))
"""Blocks, kernel size, stride of the first block and channels of each stage (Tan & Le 2019, arXiv:1905.11946, table 1).
The blocks of the first stage do not expand their channels, the others do by 6."""

STEM, HEAD = 32, 1280
"""Channels of the first and of the last convolution."""


class Block(NamedTuple):
    """An inverted residual block: its number from 0, kernel size, stride, channels, and factor of the expansion."""

    number: int
    kernel: int
    stride: int
    channels: int
    expansion: int


def _blocks(width: float, depth: float) -> Iterator[Block]:
    """Yield the blocks at a scale: `width` times the channels, `depth` times the blocks of a stage."""
    number = 0
    for stage, (repeats, kernel, stride, channels) in enumerate(STAGES):
        fixed = stage in (0, len(STAGES) - 1)
        for repeat in range(repeats if fixed else math.ceil(repeats * depth)):
            yield Block(number, kernel, stride if repeat == 0 else 1, _scaled(channels, width), 6 if stage else 1)
            number += 1


def _build(
    name: str,
    width: float,
    depth: float,
    *,
    include_top: bool = True,
    weights: None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
) -> keras.Model:
    """Build a network with random weights: normalised images [B,H,W,3] in -1..1 -> features or logits.

    Args:
        name: Name of the network.
        width: Factor of the channels.
        depth: Factor of the blocks of a stage.
        include_top: With the last 1x1 convolution and the classifier: logits [B,1000] of ImageNet's classes. Otherwise
            the features [B,H/32,W/32,C] before these.
        weights: For the signature of keras.applications.
        input_shape: Height, width and channels of the images.
    """
    images = x = keras.Input(input_shape)
    x = _norm(_convolution(x, STEM, 3, "stem", strides=2), "stem")
    for block in _blocks(width, depth):
        x = _block(x, block)
    if include_top:
        x = _norm(_convolution(x, HEAD, 1, "head"), "head")
        x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
        x = keras.layers.Dense(1000, name="logits")(x)
    return keras.Model(images, x, name=name)


lite0 = partial(_build, "efficientnet_lite0", 1.0, 1.0)
lite1 = partial(_build, "efficientnet_lite1", 1.0, 1.1)
lite2 = partial(_build, "efficientnet_lite2", 1.1, 1.2)


def _scaled(channels: int, width: float) -> int:
    """Return `width` times the channels as a multiple of 8, at least 0.9 of that (Sandler et al. 2018's code)."""
    scaled = max(8, int(channels * width + 4) // 8 * 8)
    return scaled + 8 if scaled < 0.9 * channels * width else scaled


def _block(x: keras.KerasTensor, block: Block) -> keras.KerasTensor:
    before, name = x, f"block{block.number}"
    if block.expansion > 1:
        x = _norm(_convolution(x, x.shape[-1] * block.expansion, 1, f"{name}_expand"), f"{name}_expand")
    depthwise: dict[str, Any] = {"strides": block.stride, "padding": "same", "use_bias": False}
    x = keras.layers.DepthwiseConv2D(block.kernel, **depthwise, name=f"{name}_depthwise_conv")(x)
    x = _norm(x, f"{name}_depthwise")
    x = _norm(_convolution(x, block.channels, 1, f"{name}_project"), f"{name}_project", relu=False)
    if block.stride == 1 and before.shape[-1] == block.channels:
        x = keras.layers.Add(name=f"{name}_add")([x, before])
    return x


def _convolution(x: keras.KerasTensor, filters: int, kernel: int, name: str, *, strides: int = 1) -> keras.KerasTensor:
    """Apply a convolution; TensorFlow's padding `same`, as the published weights have."""
    return keras.layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)


def _norm(x: keras.KerasTensor, name: str, *, relu: bool = True) -> keras.KerasTensor:
    x = keras.layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=f"{name}_norm")(x)  # the authors' values
    return keras.layers.ReLU(6.0, name=f"{name}_relu6")(x) if relu else x
