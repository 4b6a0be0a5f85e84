"""The part of the input that never changes: a split's examples, decoded and brought to their size, by index.

They are kept in memory or on disk, so that only the first look at an example pays for its decoding.
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
from pipeline.config.recipe import InputConfig
from pipeline.input import disk_cache, record_dataset, records

Example = dict[str, tf.Tensor]

CHANNELS = 4
"""Bytes of a decoded pixel: red, green, blue, label."""

KEYS = 2**31 - 1
"""Keys of the examples lie below this number, those of their copies above it (see changes.copies)."""


@dataclass(frozen=True)
class Examples:
    """Random access to the decoded examples of a split, usable inside tf.data.

    Attributes:
        number: How many there are.
        fetch: Index int64 in 0..number-1 -> image uint8 [H,W,3], label uint8 [H,W] (255 ignored), key int64. The key is
            a function of the record's id alone.
        kept: Where what was decoded is: memory, disk, or none, where each is read and decoded again every time.
    """

    number: int
    fetch: Callable[[tf.Tensor], Example]
    kept: str


def load(folder: Path, split: str, config: InputConfig, cache: Path | None = None) -> Examples:
    """Open a split, and decode all of it at once if it is to be kept.

    Args:
        folder: The records folder.
        split: One of its splits.
        config: The recipe's input section.
        cache: Folder for what is kept on disk; None: there is none, and `auto` does without.
    """
    place = _auto(folder, split, config, cache) if config.cache == "auto" else config.cache
    if place == "memory":
        return _in_memory(folder, split, config.fitting)
    if place == "disk":
        if cache is None:
            raise ValueError("`input.cache` is 'disk', and no folder for it was given.")
        return _on_disk(folder, split, config.fitting, cache)
    return _encoded(folder, split, config.fitting)


def decode(record: Example, fit: Fit | None) -> Example:
    """Decode what record_dataset.parse gives, and bring it to its size (see Examples.fetch).

    The image comes to its size as everywhere (segmenter.fit_images) and is rounded to uint8, a quarter of the memory
    and of the copying.
    """
    image = image_file.decode(record["image"])
    label = segmenter.fit_label(tf.io.decode_png(record["label"], channels=1)[..., 0], fit)
    if fit is not None:
        image = tf.cast(tf.round(segmenter.fit_images(image, fit)), tf.uint8)
    return {"image": image, "label": label, "key": key(record["id"])}


def key(ids: tf.Tensor) -> tf.Tensor:
    """Give the key of each record's id, int64: the same number for the same id everywhere."""
    return tf.strings.to_hash_bucket_fast(ids, KEYS)


def _auto(folder: Path, split: str, config: InputConfig, cache: Path | None) -> str:
    """Choose by what the decoded split takes: memory within the budget, else half of the free disk, else nothing."""
    if _fits(folder, split, config, config.cache_budget_gb * 1e9):
        return "memory"
    if cache is None:
        return "none"
    cache.mkdir(parents=True, exist_ok=True)
    made = cache / _content(folder, split, config.fitting)
    return "disk" if made.is_dir() or _fits(folder, split, config, shutil.disk_usage(cache).free / 2) else "none"


def _fits(folder: Path, split: str, config: InputConfig, limit: float) -> bool:
    """Whether the decoded split takes at most `limit` bytes; records are read only as far as it takes to tell."""
    if config.size is not None:
        height, width = config.size
        return records.splits(folder)[split] * height * width * CHANNELS <= limit
    for record in record_dataset.encoded(folder, split).as_numpy_iterator():
        limit -= int(record["height"]) * int(record["width"]) * CHANNELS
        if limit < 0:
            return False
    return True


def kept_in_memory(config: InputConfig, sizes: Mapping[str, int]) -> int:
    """Bytes that the decoded training split keeps in memory; `sizes` as in statistics.json, {"360x480": 367}."""
    height_by_width = [math.prod(map(int, size.split("x"))) * count for size, count in sizes.items()]
    pixels = math.prod(config.size) * sum(sizes.values()) if config.size else sum(height_by_width)
    fits = config.cache == "auto" and pixels * CHANNELS <= config.cache_budget_gb * 1e9
    return pixels * CHANNELS if config.cache == "memory" or fits else 0


def _decoded(folder: Path, split: str, fit: Fit | None) -> Iterator[disk_cache.Decoded]:
    """Decode a split in the order of its records, and say how long it took."""
    began, number, total = time.monotonic(), 0, 0
    decoded = record_dataset.encoded(folder, split).map(partial(decode, fit=fit), num_parallel_calls=tf.data.AUTOTUNE)
    for found in decoded.as_numpy_iterator():
        number, total = number + 1, total + found["image"].nbytes + found["label"].nbytes
        yield found["image"], found["label"], found["key"]
    print(f"input     {split}: {number} images, {total / 1e6:.0f} MB, decoded in {time.monotonic() - began:.1f} s")


def _in_memory(folder: Path, split: str, fit: Fit | None) -> Examples:
    # The arrays are TensorFlow's own memory, aligned, so that they pass through without a copy.
    kept = list(_decoded(folder, split, fit))
    return Examples(len(kept), _fetcher(kept.__getitem__, fit), "memory")


def _on_disk(folder: Path, split: str, fit: Fit | None, cache: Path) -> Examples:
    key = _content(folder, split, fit)
    kept = disk_cache.open_or_make(cache, key, lambda: _decoded(folder, split, fit))
    print(f"input     {split}: {kept.number} images, {len(kept.content) / 1e6:.0f} MB on disk")
    return Examples(kept.number, _fetcher(kept.__getitem__, fit), "disk")


def _content(folder: Path, split: str, fit: Fit | None) -> str:
    """Name what decoding a split gives, by all that it depends on: 32 hexadecimal digits."""
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
        found = decode(record_dataset.parse(example), fit)
        return _shaped(found["image"], found["label"], found["key"], fit)

    return Examples(len(addresses), fetch, "none")


def _shaped(image: tf.Tensor, label: tf.Tensor, key: tf.Tensor, fit: Fit | None) -> Example:
    height, width = fit.size if fit else (None, None)
    return {
        "image": tf.ensure_shape(image, [height, width, 3]),
        "label": tf.ensure_shape(label, [height, width]),
        "key": tf.ensure_shape(key, []),
    }
