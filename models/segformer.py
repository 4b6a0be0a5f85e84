"""SegFormer-B0: a hierarchical transformer (MiT-B0) and a decoder of 1x1 convolutions only.

Xie, Wang, Yu, Anandkumar, Alvarez, Luo, NeurIPS 2021, arXiv:2105.15203. With Cityscapes' 19 classes it has
3,719,027 trainable weights (3.7M), with ADE20K's 150 it has 3,752,694, as many as the authors publish
(nvidia/segformer-b0-finetuned-ade-512-512 on Hugging Face). Table 1 of the paper says 3.4M in the encoder and 0.4M in
the decoder, and 8.4 G multiply-adds at 512x512. The encoder is initialised as the authors' (NVlabs/SegFormer,
mix_transformer.py): linear layers from N(0, 0.02), the other kernels by blocks.he_fan_out.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from models import blocks
from models.blocks import Shape
from models.typed_values import DropRate, Positive

STRIDE = 32
"""Images are padded to a multiple of this; the catalogue reads it, and rejects smaller images."""


class Stage(NamedTuple):
    """A stage of the encoder: its channels, transformer blocks, attention heads, and reduction of keys and values."""

    channels: int
    blocks: int
    heads: int
    reduction: int


STAGES = (Stage(32, 2, 1, 8), Stage(64, 2, 2, 4), Stage(160, 2, 5, 2), Stage(256, 2, 8, 1))
"""The stages of B0 (table 6)."""

EXPANSION = 4
"""Ratio of the channels inside Mix-FFN to those outside."""


def build(
    num_classes: int,
    *,
    synchronized: bool = False,
    decoder_width: Positive = 256,
    dropout: DropRate = 0.1,
    drop_path: DropRate = 0.1,
) -> keras.Model:
    """Build SegFormer-B0.

    >>> build(num_classes=2, decoder_width=8).output_shape
    (None, None, None, 2)

    Args:
        num_classes: Number of classes: channels of the logits.
        synchronized: Share the decoder's batch statistics between replicas; the encoder uses layer normalisation.
        decoder_width: Channels of the decoder.
        dropout: Share of the decoder's values dropped in training.
        drop_path: Share of the images for which the last block is skipped in training; it grows linearly from 0 at the
            first block (stochastic depth).

    Returns:
        Model of images [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes].
    """
    images = blocks.image_input()
    x = blocks.normalise(images)
    x = blocks.PadToMultiple(STRIDE, name="pad", dtype="float32")(x)
    x = decode(encode(x, STAGES, drop_path), decoder_width, dropout, synchronized=synchronized)
    return keras.Model(images, blocks.logits(x, images, num_classes, factor=4), name="segformer")


def encode(
    x: keras.KerasTensor, stages: Sequence[Stage], drop_path: float, *, prefix: str = ""
) -> list[keras.KerasTensor]:
    """Compute the features of a Mix Transformer.

    Args:
        x: Normalised images [B,H,W,3]; H and W are multiples of STRIDE.
        stages: Its stages.
        drop_path: As in `build`.
        prefix: Of the name of every layer.

    Returns:
        Features at 1/4, 1/8, 1/16 and 1/32.
    """
    features, number, last = [], 0, sum(stage.blocks for stage in stages) - 1
    for index, stage in enumerate(stages, start=1):
        name = f"{prefix}stage{index}"
        x = _embed(x, stage.channels, *((7, 4) if index == 1 else (3, 2)), name=f"{name}_embed")
        for block in range(1, stage.blocks + 1):
            rate = drop_path * number / last if last else 0
            x = _block(x, stage.channels, stage.heads, stage.reduction, rate, name=f"{name}_block{block}")
            number += 1
        x = _norm(x, f"{name}_norm")
        features.append(x)
    return features


class Attention(keras.layers.Layer):
    """Multi-head scaled dot-product attention of every pixel to every (reduced) pixel, without weights."""

    def __init__(self, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads

    def call(self, query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """Attend from [B,H,W,C] to keys and values [B,h,w,C] -> [B,H,W,C]; the softmax is computed in float32."""
        size = query.shape[-1] // self.heads
        q, k, v = (self._split(x) for x in (query * size**-0.5, key, value))
        shares = tf.nn.softmax(tf.cast(tf.matmul(q, k, transpose_b=True), tf.float32))
        mixed = tf.matmul(tf.cast(shares, v.dtype), v)  # [B,heads,HW,C/heads]
        joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), tf.shape(query))
        return tf.ensure_shape(joined, query.shape)

    def _split(self, x: tf.Tensor) -> tf.Tensor:
        shape = tf.shape(x)
        heads = tf.reshape(x, [shape[0], shape[1] * shape[2], self.heads, x.shape[3] // self.heads])
        return tf.transpose(heads, [0, 2, 1, 3])

    def compute_output_shape(self, query_shape: Shape, key_shape: Shape, value_shape: Shape) -> Shape:
        """Return the shape of the query."""
        return query_shape


def _embed(x: keras.KerasTensor, channels: int, kernel: int, strides: int, *, name: str) -> keras.KerasTensor:
    """Embed overlapping patches, padded on all sides as published; `same` would pad differently."""
    x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    x = _convolve(x, channels, kernel, strides, name=f"{name}_conv")
    return _norm(x, f"{name}_norm")


def _block(
    x: keras.KerasTensor, channels: int, heads: int, reduction: int, rate: float, *, name: str
) -> keras.KerasTensor:
    """Apply efficient self-attention, then Mix-FFN, each with a shortcut."""
    y = small = _norm(x, f"{name}_attention_norm")
    if reduction > 1:
        small = _convolve(y, channels, reduction, reduction, name=f"{name}_reduce_conv")
        small = _norm(small, f"{name}_reduce_norm")
    query = _linear(y, channels, f"{name}_query")
    key, value = (_linear(small, channels, f"{name}_{part}") for part in ("key", "value"))
    y = Attention(heads, name=f"{name}_attention")(query, key, value)
    x = _add(x, _linear(y, channels, f"{name}_project"), rate, f"{name}_attention")
    y = _linear(_norm(x, f"{name}_ffn_norm"), EXPANSION * channels, f"{name}_ffn_expand")
    initial = blocks.he_fan_out()
    y = keras.layers.DepthwiseConv2D(3, padding="same", depthwise_initializer=initial, name=f"{name}_ffn_mix")(y)
    y = keras.layers.Activation("gelu", name=f"{name}_ffn_gelu")(y)
    return _add(x, _linear(y, channels, f"{name}_ffn_shrink"), rate, f"{name}_ffn")


def _add(x: keras.KerasTensor, y: keras.KerasTensor, rate: float, name: str) -> keras.KerasTensor:
    """Add `y` to the shortcut, except for a share of the images in training (stochastic depth, Huang et al. 2016)."""
    if rate:
        y = blocks.Dropout(rate, noise_shape=(None, 1, 1, 1), name=f"{name}_drop_path")(y)
    return keras.layers.Add(name=f"{name}_add")([x, y])


def decode(features: list[keras.KerasTensor], width: int, dropout: float, *, synchronized: bool) -> keras.KerasTensor:
    """Project every stage to `width` channels, upsample it to 1/4, and fuse them."""
    scaled = []
    for stage, x in enumerate(features, start=1):
        x = _linear(x, width, f"decoder{stage}")
        scaled.append(blocks.Upsample(2 ** (stage - 1), name=f"decoder{stage}_upsample")(x) if stage > 1 else x)
    x = keras.layers.Concatenate(name="decoder")(scaled[::-1])
    x = blocks.convolution(x, width, 1, name="decoder_fuse", synchronized=synchronized)
    return blocks.Dropout(dropout, name="decoder_dropout")(x)


def _convolve(x: keras.KerasTensor, channels: int, kernel: int, strides: int, *, name: str) -> keras.KerasTensor:
    return keras.layers.Conv2D(channels, kernel, strides=strides, kernel_initializer=blocks.he_fan_out(), name=name)(x)


def _linear(x: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
    """Apply a linear layer at every pixel, as a 1x1 convolution, which needs no reshaping."""
    initial = keras.initializers.RandomNormal(stddev=0.02)  # the authors truncate it at +-2, which is 100 deviations
    return keras.layers.Conv2D(channels, 1, kernel_initializer=initial, name=name)(x)


def _norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.LayerNormalization(epsilon=1e-6, name=name)(x)
