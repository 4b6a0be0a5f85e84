"""The disk cache: complete or absent, created once, keyed by its contents, cleared of stale entries."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.config.input import InputConfig
from pipeline.input import decoded, disk_cache, records

SIZES = ((5, 7), (64, 1), (3, 3))


def examples() -> Iterator[disk_cache.Decoded]:
    rng = np.random.default_rng(0)
    for key, (height, width) in enumerate(SIZES):
        yield rng.integers(0, 256, (height, width, 3), np.uint8), rng.integers(0, 9, (height, width), np.uint8), key


def never() -> Iterator[disk_cache.Decoded]:
    raise AssertionError("the cache exists already")


def test_a_cache_is_created_once_and_returns_what_was_written(tmp_path: Path) -> None:
    disk_cache.open_or_create(tmp_path, "a", examples)
    cache = disk_cache.open_or_create(tmp_path, "a", never)
    assert cache.count == 3
    for position, (image, label, key) in enumerate(examples()):
        example = cache[position]
        np.testing.assert_array_equal(example[0], image)
        np.testing.assert_array_equal(example[1], label)
        assert example[2] == key and example[0].ctypes.data % disk_cache.ALIGNMENT == 0


def test_a_split_without_examples_is_empty(tmp_path: Path) -> None:
    assert disk_cache.open_or_create(tmp_path, "a", lambda: []).count == 0


def test_an_error_leaves_no_partial_cache(tmp_path: Path) -> None:
    def full() -> Iterator[disk_cache.Decoded]:
        yield next(examples())
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        disk_cache.open_or_create(tmp_path, "a", full)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    assert disk_cache.open_or_create(tmp_path, "a", examples).count == 3


def test_files_are_synced_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: dict[int, bool] = {}
    monkeypatch.setattr(os, "fsync", lambda file: synced.update({os.fstat(file).st_ino: (tmp_path / "a").exists()}))
    disk_cache.open_or_create(tmp_path, "a", examples)
    assert synced == {(tmp_path / "a" / name).stat().st_ino: False for name in ("examples.bin", "index.npy")}


KILLED = """
import os, signal, sys, numpy as np
from pathlib import Path
from pipeline.input import disk_cache
def half():
    yield np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), 0
    os.kill(os.getpid(), signal.SIGKILL)
disk_cache.open_or_create(Path(sys.argv[1]), "a", half)
"""


def test_a_killed_process_blocks_no_later_one(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False).returncode == -signal.SIGKILL
    assert {path.suffix for path in tmp_path.iterdir()} == {".lock", ".partial"}
    disk_cache.open_or_create(tmp_path, "b", examples)  # creating another cache removes it
    assert not list(tmp_path.glob("*.partial"))
    assert disk_cache.open_or_create(tmp_path, "a", examples).count == 3


SLOW = """
import sys, time, numpy as np
from pathlib import Path
from pipeline.input import disk_cache
def one():
    time.sleep(0.5)
    print("created", flush=True)
    yield np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), 0
assert disk_cache.open_or_create(Path(sys.argv[1]), "a", one).count == 1
"""


def test_concurrent_processes_create_the_cache_once(tmp_path: Path) -> None:
    workers = [subprocess.Popen([sys.executable, "-c", SLOW, tmp_path], stdout=subprocess.PIPE) for _ in range(3)]
    outputs = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert sum(text.count(b"created") for text in outputs) == 1


def test_a_cache_that_was_not_opened_for_long_is_removed(tmp_path: Path) -> None:
    disk_cache.open_or_create(tmp_path, "a", examples)
    then = time.time() - disk_cache.KEPT_SECONDS - 10
    os.utime(tmp_path / "a", (then, then))
    disk_cache.open_or_create(tmp_path, "b", examples)
    assert not (tmp_path / "a").exists()


def test_the_key_depends_on_the_contents_and_the_fit(ingested: Path, tmp_path: Path) -> None:
    folder = ingested / "records"
    config = InputConfig(cache="disk")
    for changed in (config, config.model_copy(update={"size": (32, 32)})):
        decoded.load(folder, "train", changed, tmp_path)
        decoded.load(folder, "train", changed, tmp_path)
    assert len(list(tmp_path.glob("*/index.npy"))) == 2
    assert records.checksum(folder, "train") != records.checksum(folder, "val")
