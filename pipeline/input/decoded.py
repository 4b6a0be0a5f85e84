"""The deterministic part of the input: random access to a split's examples, decoded and resized.

They are cached in memory or on disk, so that each example is decoded once.
"""

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from models import image_file, segmenter
from models.fit import Fit
from pipeline.config.input import InputConfig
from pipeline.input import disk_cache, record_dataset, records

Example = dict[str, tf.Tensor]

CHANNELS = 4
"""Bytes of a decoded pixel: red, green, blue, label."""

KEYS = 2**31 - 1
"""Keys of examples are below this number, those of their copies at or above it (see fixed_copies.with_copies)."""


@dataclass(frozen=True)
class Examples:
    """Random access to the decoded examples of a split, usable inside tf.data.

    Attributes:
        count: Number of examples.
        fetch: Index int64 in 0..count-1 -> image uint8 [H,W,3], label uint8 [H,W] (255 = ignored), key int64. The key
            depends only on the record's id.
        cache: "memory", "disk", or "none": each fetch reads and decodes.
    """

    count: int
    fetch: Callable[[tf.Tensor], Example]
    cache: str


def load(folder: Path, split: str, config: InputConfig, cache: Path | None = None) -> Examples:
    """Open a split; with a cache, decode all of it now.

    Args:
        folder: The records folder.
        split: One of its splits.
        config: The recipe's input section.
        cache: Folder of the disk cache; None: `auto` does not choose the disk.

    Raises:
        ValueError: `input.cache` is disk, and `cache` is None.
    """
    kind = _auto(folder, split, config, cache) if config.cache == "auto" else config.cache
    if kind == "memory":
        return _in_memory(folder, split, config.fitting)
    if kind == "disk":
        if cache is None:
            raise ValueError("`input.cache` is 'disk', and the argument `cache`, its folder, is None.")
        return _on_disk(folder, split, config.fitting, cache)
    return _encoded(folder, split, config.fitting)


def decode(record: Example, fit: Fit | None) -> Example:
    """Decode and resize the output of record_dataset.parse; returns what Examples.fetch does.

    The image is resized as in serving (segmenter.fit_images), then rounded to uint8: a quarter of float32's memory.
    """
    image = image_file.decode(record["image"])
    label = segmenter.fit_label(tf.io.decode_png(record["label"], channels=1)[..., 0], fit)
    if fit is not None:
        image = tf.cast(tf.round(segmenter.fit_images(image, fit)), tf.uint8)
    return {"image": image, "label": label, "key": key(record["id"])}


def key(ids: tf.Tensor) -> tf.Tensor:
    """Hash record ids, strings of any shape, to keys int64 in 0..KEYS-1; equal on every host."""
    return tf.strings.to_hash_bucket_fast(ids, KEYS)


def _auto(folder: Path, split: str, config: InputConfig, cache: Path | None) -> str:
    """Choose "memory" if the decoded split fits the budget, "disk" if it fits half of the free disk, else "none"."""
    if _fits(folder, split, config, config.cache_budget_gb * 1e9):
        return "memory"
    if cache is None:
        return "none"
    cache.mkdir(parents=True, exist_ok=True)
    existing = cache / _content(folder, split, config.fitting)
    return "disk" if existing.is_dir() or _fits(folder, split, config, shutil.disk_usage(cache).free / 2) else "none"


def _fits(folder: Path, split: str, config: InputConfig, limit: float) -> bool:
    """Whether the decoded split takes at most `limit` bytes; stops reading once it is over the limit."""
    if config.size is not None:
        height, width = config.size
        return records.splits(folder)[split] * height * width * CHANNELS <= limit
    for record in record_dataset.encoded(folder, split).as_numpy_iterator():
        limit -= int(record["height"]) * int(record["width"]) * CHANNELS
        if limit < 0:
            return False
    return True


def cached_bytes(config: InputConfig, sizes: Mapping[str, int]) -> int:
    """Bytes of memory that the cache of the training split takes.

    Args:
        config: The recipe's input section.
        sizes: Number of images of each size, {"360x480": 367}, as in statistics.json.
    """
    original = sum(math.prod(map(int, size.split("x"))) * count for size, count in sizes.items())
    pixels = math.prod(config.size) * sum(sizes.values()) if config.size else original
    fits = config.cache == "auto" and pixels * CHANNELS <= config.cache_budget_gb * 1e9
    return pixels * CHANNELS if config.cache == "memory" or fits else 0


def _decoded(folder: Path, split: str, fit: Fit | None) -> Iterator[disk_cache.Decoded]:
    """Decode a split in the order of its records, and print how long it took."""
    began, count, total = time.monotonic(), 0, 0
    decoded = record_dataset.encoded(folder, split).map(partial(decode, fit=fit), num_parallel_calls=tf.data.AUTOTUNE)
    for example in decoded.as_numpy_iterator():
        count, total = count + 1, total + example["image"].nbytes + example["label"].nbytes
        yield example["image"], example["label"], example["key"]
    print(f"input     {split}: {count} images, {total / 1e6:.0f} MB, decoded in {time.monotonic() - began:.1f} s")


def _in_memory(folder: Path, split: str, fit: Fit | None) -> Examples:
    # The arrays are TensorFlow's own aligned memory: numpy_function returns them without a copy.
    cached = list(_decoded(folder, split, fit))
    return Examples(len(cached), _fetcher(cached.__getitem__, fit), "memory")


def _on_disk(folder: Path, split: str, fit: Fit | None, cache: Path) -> Examples:
    key = _content(folder, split, fit)
    cached = disk_cache.open_or_create(cache, key, lambda: _decoded(folder, split, fit))
    print(f"input     {split}: {cached.count} images, {len(cached.content) / 1e6:.0f} MB on disk")
    return Examples(cached.count, _fetcher(cached.__getitem__, fit), "disk")


def _content(folder: Path, split: str, fit: Fit | None) -> str:
    """Digest of all that a decoded split depends on: 32 hexadecimal digits."""
    code = [hashlib.sha256(Path(str(module)).read_bytes()).hexdigest() for module in _CODE]
    parts = [records.checksum(folder, split), asdict(fit) if fit else None, code, tf.__version__]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


_CODE = (__file__, segmenter.__file__, image_file.__file__, disk_cache.__file__)


def _fetcher(get: Callable[[Any], Any], fit: Fit | None) -> Callable[[tf.Tensor], Example]:
    def fetch(index: tf.Tensor) -> Example:
        image, label, key = tf.numpy_function(get, [index], [tf.uint8, tf.uint8, tf.int64])
        return _shaped(image, label, key, fit)

    return fetch


def _encoded(folder: Path, split: str, fit: Fit | None) -> Examples:
    paths = records.shards(folder, split)
    addresses = records.addresses(folder, split)

    def read(index: np.int64) -> bytes:
        shard, offset, length = addresses[index]
        with paths[shard].open("rb") as file:
            return os.pread(file.fileno(), length, offset)

    def fetch(index: tf.Tensor) -> Example:
        example = tf.ensure_shape(tf.numpy_function(read, [index], tf.string), [])
        decoded = decode(record_dataset.parse(example), fit)
        return _shaped(decoded["image"], decoded["label"], decoded["key"], fit)

    return Examples(len(addresses), fetch, "none")


def _shaped(image: tf.Tensor, label: tf.Tensor, key: tf.Tensor, fit: Fit | None) -> Example:
    height, width = fit.size if fit else (None, None)
    return {
        "image": tf.ensure_shape(image, [height, width, 3]),
        "label": tf.ensure_shape(label, [height, width]),
        "key": tf.ensure_shape(key, []),
    }
