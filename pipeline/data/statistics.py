"""Statistics of the records, in one pass and without TensorFlow.

Ignored pixels count in `void_pixels` only: no share and no frequency below includes them.
"""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from datasets.audit import lift_pillow_limit
from datasets.spec import IGNORE
from pipeline.input import record_reader, records
from pipeline.input.record_reader import Record

CHANNELS = 3


@dataclass
class SplitStatistics:
    """Statistics of one split.

    Attributes:
        num_classes: Number of classes, C.
        images: Number of images.
        pixels: Pixels of each class, int64 [C].
        images_with_class: Images that show each class, int64 [C].
        pixels_beside_class: Labelled pixels of all classes in the images that show a class, int64 [C].
        void_pixels: Number of ignored pixels.
        sizes: Number of images of each (height, width).
        groups: Number of images of each group.
        levels: Histogram of each channel's values, int64 [3,256].
        void_ids: Ids of the images whose every pixel is ignored.
        ids: Id of each image by the SHA-256 of its encoded bytes; of equal images in the split, the first.
    """

    num_classes: int
    images: int = 0
    pixels: np.ndarray = field(init=False)
    images_with_class: np.ndarray = field(init=False)
    pixels_beside_class: np.ndarray = field(init=False)
    void_pixels: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    levels: np.ndarray = field(init=False)
    void_ids: list[str] = field(default_factory=list)
    ids: dict[bytes, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pixels = np.zeros(self.num_classes, np.int64)
        self.images_with_class = np.zeros(self.num_classes, np.int64)
        self.pixels_beside_class = np.zeros(self.num_classes, np.int64)
        self.levels = np.zeros((CHANNELS, 256), np.int64)

    def add(self, record: Record) -> None:
        """Count one record.

        Raises:
            ValueError: The label holds an id that is neither a class nor IGNORE, which ingest never writes.
        """
        counts = np.bincount(decode(record.label, "L").ravel(), minlength=256)
        pixels, strange = counts[: self.num_classes], counts[self.num_classes : IGNORE]
        if strange.any():
            ids = (np.flatnonzero(strange) + self.num_classes).tolist()
            raise ValueError(f"record {record.id!r}: label ids {ids}; allowed 0..{self.num_classes - 1} and {IGNORE}")
        self.images += 1
        self.pixels += pixels
        self.images_with_class += pixels > 0
        self.pixels_beside_class += np.where(pixels > 0, pixels.sum(), 0)
        self.void_pixels += int(counts[IGNORE])
        if not pixels.any():
            self.void_ids.append(record.id)
        colours = decode(record.image, "RGB")
        self.levels += [np.bincount(colours[..., channel].ravel(), minlength=256) for channel in range(CHANNELS)]
        self.sizes[colours.shape[0], colours.shape[1]] += 1
        self.groups[record.group] += 1
        self.ids.setdefault(hashlib.sha256(record.image).digest(), record.id)

    def merge(self, other: "SplitStatistics") -> None:
        """Add the statistics of another part of the split; parts must be merged in the order of the records."""
        for name in ("images", "pixels", "images_with_class", "pixels_beside_class", "void_pixels", "levels"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.sizes.update(other.sizes)
        self.groups.update(other.groups)
        self.void_ids += other.void_ids
        for digest, name in other.ids.items():  # in place: a new dictionary for each shard would be quadratic
            self.ids.setdefault(digest, name)

    @property
    def shares(self) -> np.ndarray:
        """Share of each class among the labelled pixels, float64 [C] in 0..1; all 0 where nothing is labelled."""
        return self.pixels / max(1, self.pixels.sum())

    @property
    def mean(self) -> np.ndarray:
        """Mean of red, green, blue over all pixels, float64 [3] in 0..255."""
        return self.levels @ np.arange(256) / np.maximum(1, self.levels.sum(1))

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of red, green, blue over all pixels, float64 [3]."""
        squares = (np.arange(256) - self.mean[:, None]) ** 2
        return np.sqrt((self.levels * squares).sum(1) / np.maximum(1, self.levels.sum(1)))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "images": self.images,
            "pixels": self.pixels.tolist(),
            "images_with_class": self.images_with_class.tolist(),
            "pixels_beside_class": self.pixels_beside_class.tolist(),
            "void_pixels": self.void_pixels,
            "sizes": {f"{height}x{width}": number for (height, width), number in sorted(self.sizes.items())},
            "groups": dict(sorted(self.groups.items())),
            "mean": self.mean.round(4).tolist(),
            "std": self.std.round(4).tolist(),
        }


def measure(
    folder: Path, num_classes: int, only: str | None = None, *, counted: Callable[[], None] = lambda: None
) -> dict[str, SplitStatistics]:
    """Compute the statistics of every split of a records folder, or of one.

    Shards are read in parallel by threads, as decoding releases Python's lock.

    Args:
        folder: The records folder.
        num_classes: C.
        only: The only split to read; None: all.
        counted: Is called after each image, from several threads.
    """
    splits = {split: SplitStatistics(num_classes) for split in records.splits(folder) if only in (None, split)}
    shards = [(split, path) for split in splits for path in records.shards(folder, split)]
    # Ingest has refused images of more pixels than data.max_pixels allows.
    with lift_pillow_limit(), ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = pool.map(lambda shard: _measure_shard(shard[1], num_classes, counted), shards)
        for (split, _), part in zip(shards, parts, strict=True):
            splits[split].merge(part)
    return splits


def _measure_shard(shard: Path, num_classes: int, counted: Callable[[], None]) -> SplitStatistics:
    part = SplitStatistics(num_classes)
    for record in record_reader.read(shard):
        part.add(record)
        counted()
    return part


def decode(content: bytes, mode: str) -> np.ndarray:
    """Decode an image file, "RGB" to uint8 [H,W,3] or "L" to uint8 [H,W]."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert(mode))
