"""Decoded examples in a memory-mapped file, shared by the processes of a host and reused by later runs.

<root>/<key>/examples.bin   image and label of each example in turn, each padded to a multiple of ALIGNMENT
<root>/<key>/index.npy      int64 [N,4]: offset of the image, height, width, key of the example
<root>/<key>.lock           held by the process that writes the cache; the kernel drops it with the process

The key is a digest of the contents, so a cache is never stale. It appears complete, by a rename.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pipeline.workspace import lock

ALIGNMENT = 64
"""Bytes. TensorFlow uses memory aligned to this without a copy, and copies any other."""

KEPT_SECONDS = 14 * 24 * 3600
"""A cache that was not opened for this long is removed."""

CHANNELS = 3

Decoded = tuple[np.ndarray, np.ndarray, int]
"""image uint8 [H,W,3], label uint8 [H,W], key."""


@dataclass(frozen=True)
class DiskCache:
    """Random access to the examples.

    Attributes:
        content: uint8 [bytes], examples.bin, memory-mapped.
        index: int64 [N,4], index.npy.
    """

    content: np.ndarray
    index: np.ndarray

    @property
    def count(self) -> int:
        """Number of examples."""
        return len(self.index)

    def __getitem__(self, position: int) -> tuple[np.ndarray, np.ndarray, np.int64]:
        """Return views of image uint8 [H,W,3] and label uint8 [H,W], and the key."""
        begin, height, width, key = self.index[position]
        label = begin + _aligned(height * width * CHANNELS)
        image = self.content[begin : begin + height * width * CHANNELS].reshape(height, width, CHANNELS)
        return image, self.content[label : label + height * width].reshape(height, width), key


def open_or_create(root: Path, key: str, decode: Callable[[], Iterable[Decoded]]) -> DiskCache:
    """Open a cache. Of several processes the first creates it, and the others wait.

    Args:
        root: Folder of the caches. One that was not opened for KEPT_SECONDS is removed.
        key: Digest of the contents.
        decode: Returns the examples in order; called only where the cache does not exist.

    Raises:
        OSError: The disk is full; the partial cache is removed.
    """
    folder = root / key
    if not folder.is_dir():
        with lock.hold(root / f"{key}.lock", "input", wait=True, on_wait=lambda line: print(f"input     {line}")):
            if not folder.is_dir():
                _remove_stale(root)
                _create(folder, decode())
    os.utime(folder)
    content = folder / "examples.bin"
    size = content.stat().st_size
    mapped = np.memmap(content, np.uint8, "r") if size else np.zeros(0, np.uint8)
    return DiskCache(np.asarray(mapped), np.load(folder / "index.npy"))


def _create(folder: Path, examples: Iterable[Decoded]) -> None:
    """Write to <key>.partial, then rename. The lock is held, so a .partial that exists is of a dead process."""
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    index: list[tuple[int, int, int, int]] = []
    try:
        with (partial / "examples.bin").open("wb") as file:
            for image, label, key in examples:
                index.append((file.tell(), *label.shape, int(key)))
                for pixels in (image, label):
                    content = pixels.tobytes()
                    file.write(content + bytes(_aligned(len(content)) - len(content)))
            _sync(file)
        with (partial / "index.npy").open("wb") as file:
            np.save(file, np.array(index, np.int64).reshape(-1, 4))
            _sync(file)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _sync(file: BinaryIO) -> None:
    """Flush a file to disk: after a power cut, a renamed cache must not be empty."""
    file.flush()
    os.fsync(file.fileno())


def _aligned(length: int) -> int:
    """Round up to a multiple of ALIGNMENT."""
    return -(-length // ALIGNMENT) * ALIGNMENT


def _remove_stale(root: Path) -> None:
    """Remove unused caches and the .partial folders of killed processes; an open memory map stays valid."""
    for path in root.iterdir():
        if not path.is_dir() or lock.is_held(root / f"{path.stem}.lock"):
            continue
        if path.suffix == ".partial" or time.time() - path.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
