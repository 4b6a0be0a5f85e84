"""The part of the input that never changes: a split's examples, decoded and resized, by index.

They are kept in memory where they fit, so that only the first look at an example pays for its decoding.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from models import segmenter, servable
from pipeline import records
from pipeline.config import InputConfig, Size

Example = dict[str, tf.Tensor]

CHANNELS = 4
"""Bytes of a decoded pixel: red, green, blue, label."""


@dataclass(frozen=True)
class Examples:
    """Random access to the decoded examples of a split, usable inside tf.data.

    Attributes:
        number: How many there are.
        fetch: Index int64 in 0..number-1 -> image uint8 [H,W,3], label uint8 [H,W] (255 ignored), key int64. The key is
            a function of the record's id alone.
        kept: Bytes that they take in memory; 0: each is read and decoded again every time.
    """

    number: int
    fetch: Callable[[tf.Tensor], Example]
    kept: int = 0


def load(folder: Path, split: str, config: InputConfig) -> Examples:
    """Open a split, and decode all of it at once if it is to be kept."""
    if config.cache == "none" or (config.cache == "auto" and not _fits(folder, split, config)):
        return _on_disk(folder, split, config.size)
    return _in_memory(folder, split, config.size)


def decode(record: Example, size: Size | None) -> Example:
    """Decode what records.parse gives, and resize it to `size` where one is set (see Examples.fetch).

    The image is resized as everywhere (segmenter.resize_images) and rounded to uint8, a quarter of the memory and of
    the copying; the label takes the nearest pixel.
    """
    image = servable.decode(record["image"])
    label = tf.io.decode_png(record["label"], channels=1)
    if size is not None:
        image = tf.cast(tf.round(segmenter.resize_images(image, size)), tf.uint8)
        label = tf.cast(tf.image.resize(label, size, method="nearest"), tf.uint8)
    key = tf.strings.to_hash_bucket_fast(record["id"], 2**31 - 1)
    return {"image": image, "label": label[..., 0], "key": key}


def _fits(folder: Path, split: str, config: InputConfig) -> bool:
    """Whether the decoded split takes no more than the budget; records are read only as far as it takes to tell."""
    left = config.cache_budget_gb * 1e9
    if config.size is not None:
        return records.splits(folder)[split] * _bytes(*config.size) <= left
    for record in records.encoded(folder, split).as_numpy_iterator():
        left -= _bytes(record["height"], record["width"])
        if left < 0:
            return False
    return True


def _bytes(height: int, width: int) -> int:
    return int(height) * int(width) * CHANNELS


def _in_memory(folder: Path, split: str, size: Size | None) -> Examples:
    began = time.monotonic()
    decoded = records.encoded(folder, split).map(partial(decode, size=size), num_parallel_calls=tf.data.AUTOTUNE)
    kept = [(found["image"], found["label"], found["key"]) for found in decoded.as_numpy_iterator()]
    total = sum(image.nbytes + label.nbytes for image, label, _ in kept)
    print(f"input     {split}: {len(kept)} images, {total / 1e6:.0f} MB, decoded in {time.monotonic() - began:.1f} s")

    def fetch(index: tf.Tensor) -> Example:
        # The arrays are TensorFlow's own memory, aligned, so that they pass through without a copy.
        image, label, key = tf.numpy_function(kept.__getitem__, [index], [tf.uint8, tf.uint8, tf.int64])
        return _shaped(image, label, key, size)

    return Examples(len(kept), fetch, total)


def _on_disk(folder: Path, split: str, size: Size | None) -> Examples:
    paths = records.shards(folder, split)
    addresses = records.addresses(folder, split)

    def read(index: np.int64) -> bytes:
        shard, offset, length = addresses[index]
        with paths[shard].open("rb") as file:
            return os.pread(file.fileno(), length, offset)

    def fetch(index: tf.Tensor) -> Example:
        example = tf.ensure_shape(tf.numpy_function(read, [index], tf.string), [])
        found = decode(records.parse(example), size)
        return _shaped(found["image"], found["label"], found["key"], size)

    return Examples(len(addresses), fetch)


def _shaped(image: tf.Tensor, label: tf.Tensor, key: tf.Tensor, size: Size | None) -> Example:
    height, width = size or (None, None)
    return {
        "image": tf.ensure_shape(image, [height, width, 3]),
        "label": tf.ensure_shape(label, [height, width]),
        "key": tf.ensure_shape(key, []),
    }
