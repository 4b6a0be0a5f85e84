"""Decoded examples in a file, mapped into memory: the processes of a host share one copy, and the next run finds it.

<root>/<key>/examples.bin   image and label of each example, one after the other, each at a multiple of ALIGNMENT
<root>/<key>/index.npy      int64 [N,4]: where the image begins, height, width, key of the example
<root>/<key>.lock           held by whoever makes it; the kernel drops it with the process

The key says what is in it, so nothing in it ever becomes wrong. It appears by a rename, whole.
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
"""TensorFlow takes memory that begins at such an address as it is, and copies any other."""

KEPT_SECONDS = 14 * 24 * 3600
"""How long a cache is kept that nobody opens."""

CHANNELS = 3

Decoded = tuple[np.ndarray, np.ndarray, int]
"""image uint8 [H,W,3], label uint8 [H,W], key."""


@dataclass(frozen=True)
class DiskCache:
    """Examples by index.

    Attributes:
        content: uint8, the whole of examples.bin, mapped.
        index: int64 [N,4], see above.
    """

    content: np.ndarray
    index: np.ndarray

    @property
    def number(self) -> int:
        """How many examples there are."""
        return len(self.index)

    def __getitem__(self, place: int) -> tuple[np.ndarray, np.ndarray, np.int64]:
        """Give views of image uint8 [H,W,3] and label uint8 [H,W], and the key."""
        begin, height, width, key = self.index[place]
        label = begin + _room(height * width * CHANNELS)
        image = self.content[begin : begin + height * width * CHANNELS].reshape(height, width, CHANNELS)
        return image, self.content[label : label + height * width].reshape(height, width), key


def open_or_make(root: Path, key: str, make: Callable[[], Iterable[Decoded]]) -> DiskCache:
    """Open a cache; whoever comes first makes it, all others wait for it.

    Args:
        root: Folder of the caches. One that nobody opened for two weeks is removed.
        key: What is in it.
        make: Gives the examples in their order.

    Raises:
        OSError: No space is left; nothing remains of what was begun.
    """
    folder = root / key
    if not folder.is_dir():
        with lock.hold(root / f"{key}.lock", "input", wait=True, on_wait=lambda line: print(f"input     {line}")):
            if not folder.is_dir():
                _sweep(root)
                _make(folder, make())
    os.utime(folder)
    content = folder / "examples.bin"
    size = content.stat().st_size
    mapped = np.memmap(content, np.uint8, "r") if size else np.zeros(0, np.uint8)
    return DiskCache(np.asarray(mapped), np.load(folder / "index.npy"))


def _make(folder: Path, examples: Iterable[Decoded]) -> None:
    """Write a cache beside its place and rename it. Under the lock, what lies there is of a process that is dead."""
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
                    file.write(content + bytes(_room(len(content)) - len(content)))
            _sync(file)
        with (partial / "index.npy").open("wb") as file:
            np.save(file, np.array(index, np.int64).reshape(-1, 4))
            _sync(file)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _sync(file: BinaryIO) -> None:
    """Bring a file to disk: a host that loses its power after the rename must not find it empty."""
    file.flush()
    os.fsync(file.fileno())


def _room(length: int) -> int:
    """Round up to a multiple of ALIGNMENT."""
    return -(-length // ALIGNMENT) * ALIGNMENT


def _sweep(root: Path) -> None:
    """Remove caches that nobody opened for long, and what killed processes began; a map that is open stays good."""
    for path in root.iterdir():
        if not path.is_dir() or lock.is_held(root / f"{path.stem}.lock"):
            continue
        if path.suffix == ".partial" or time.time() - path.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
