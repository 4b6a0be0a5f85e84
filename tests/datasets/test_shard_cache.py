"""Finished shards are reused: after a kill, and after changes of raw files that they do not hold."""

import errno
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from datasets import shard_cache
from datasets.camvid.camvid_dataset_builder import Builder
from datasets.errors import ConversionError, DatasetError
from datasets.raw import RawFolder
from datasets.shard_cache import ShardCache
from datasets.shards import INCOMPLETE, Shard, ShardWriter

PROJECT = Path(__file__).parents[2]
SHARDS = 4


def digests(raw: Path) -> dict[str, str]:
    files = [path for path in raw.rglob("*.png") if path.is_file()]
    return {path.relative_to(raw).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def convert(raw: Path, out: Path, cache: Path | None, *, overwrite: bool = False, **options: object) -> Builder:
    kept = ShardCache(cache, digests(raw), overwrite=overwrite) if cache else None
    builder = Builder(data_dir=out, allow_partial=True, cache=kept, **options)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=raw, num_shards=SHARDS, try_download_gcs=False)
    )
    return builder


def records(builder: Builder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(builder.data_dir).iterdir()}


@pytest.fixture
def cache(raw: Path, tmp_path: Path) -> Path:
    """A cache that one conversion of `raw` has filled."""
    assert convert(raw, tmp_path / "first", tmp_path / "cache").reused_shards == 0
    return tmp_path / "cache"


def test_without_changes_every_shard_is_reused(raw: Path, tmp_path: Path, cache: Path) -> None:
    again = convert(raw, tmp_path / "again", cache)
    assert again.reused_shards == 2 * SHARDS
    assert records(again) == records(convert(raw, tmp_path / "without", None))


def test_overwriting_replaces_every_shard_atomically(
    raw: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.stat().st_ino for path in cache.glob("*.tfrecord")}
    write, listings = ShardWriter.__call__, []

    def watched(writer: ShardWriter, shard: Shard) -> None:
        write(writer, shard)
        listings.append({path.name for path in cache.glob("*.tfrecord")})

    monkeypatch.setattr(ShardWriter, "__call__", watched)
    again = convert(raw, tmp_path / "again", cache, overwrite=True)
    assert again.reused_shards == 0 and listings == [set(before)] * len(before)
    assert not set(before.values()) & {path.stat().st_ino for path in cache.glob("*.tfrecord")}
    assert records(again) == records(convert(raw, tmp_path / "without", None))


@pytest.mark.parametrize("change", ["image", "mask", "add", "remove", "rename"])
def test_only_shards_with_changed_files_are_rewritten(raw: Path, tmp_path: Path, cache: Path, change: str) -> None:
    pixels = np.zeros((24, 32), np.uint8)
    image, mask = raw / "train/A_train0.png", raw / "trainannot/A_train0.png"
    if change == "image":
        Image.fromarray(pixels).convert("RGB").save(image)
    elif change == "mask":
        Image.fromarray(pixels).save(mask)
    elif change == "add":
        Image.fromarray(pixels).convert("RGB").save(image.with_stem("C_new"))
        Image.fromarray(pixels).save(mask.with_stem("C_new"))
    elif change == "remove":
        image.unlink(), mask.unlink()
    else:
        image.rename(image.with_stem("Z_1")), mask.rename(mask.with_stem("Z_1"))
    changed = convert(raw, tmp_path / "changed", cache)
    assert 2 * SHARDS - changed.reused_shards in ({1, 2} if change == "rename" else {1})
    assert records(changed) == records(convert(raw, tmp_path / "without", None))


@pytest.mark.parametrize("on_bad_input", ["error", "quarantine"])
def test_a_file_that_is_unreadable_for_a_moment_is_an_error_and_not_cached(
    raw: Path, tmp_path: Path, on_bad_input: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = RawFolder._checked

    def fail(folder: RawFolder, name: str) -> Path:
        if name == "train/A_train0.png":
            raise OSError(errno.EIO, "Input/output error")
        return checked(folder, name)

    with monkeypatch.context() as patch, pytest.raises(ConversionError, match=r"train/A_train0.png \(Input/output"):
        patch.setattr(RawFolder, "_checked", fail)
        convert(raw, tmp_path / "failed", tmp_path / "cache", on_bad_input=on_bad_input)
    again = convert(raw, tmp_path / "again", tmp_path / "cache", on_bad_input=on_bad_input)
    assert again.reused_shards == 2 * SHARDS - 1
    assert records(again) == records(convert(raw, tmp_path / "without", None))


def test_shards_of_other_settings_are_not_reused(raw: Path, tmp_path: Path, cache: Path) -> None:
    assert convert(raw, tmp_path / "again", cache, max_pixels=10_000).reused_shards == 0


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_shard_is_rewritten(raw: Path, tmp_path: Path, cache: Path, damage: str) -> None:
    shard = max(cache.glob("*.tfrecord"), key=lambda path: path.stat().st_size)
    content = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(content[:-1] if damage == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
    again = convert(raw, tmp_path / "again", cache)
    assert again.reused_shards == 2 * SHARDS - 1
    assert records(again) == records(convert(raw, tmp_path / "without", None))


def test_after_bad_files_are_repaired_only_their_shards_are_written(raw: Path, tmp_path: Path) -> None:
    bad = raw / "train/A_train0.png"
    good = bad.read_bytes()
    bad.write_bytes(good[:-20])
    with pytest.raises(DatasetError, match="train/A_train0"):
        convert(raw, tmp_path / "out", tmp_path / "cache")
    bad.write_bytes(good)
    assert convert(raw, tmp_path / "out", tmp_path / "cache").reused_shards == 2 * SHARDS - 1


def test_a_shard_with_a_file_without_digest_is_not_reused(raw: Path, tmp_path: Path, cache: Path) -> None:
    known = {name: content for name, content in digests(raw).items() if name != "val/A_val0.png"}
    builder = Builder(data_dir=tmp_path / "again", allow_partial=True, cache=ShardCache(cache, known))
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=raw, num_shards=SHARDS, try_download_gcs=False)
    )
    assert builder.reused_shards == 2 * SHARDS - 1


def test_after_a_kill_finished_shards_are_reused_and_the_rest_is_swept(raw: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom datasets import shards\n"
        "from test_shard_cache import convert\n"
        "read = shards.ShardWriter.read\n"
        "def slow(self, pair, *rest):\n"
        "    if pair.id == 'B_val1':\n"
        "        print('stuck', flush=True)\n"
        "        time.sleep(60)\n"
        "    return read(self, pair, *rest)\n"
        "shards.ShardWriter.read = slow\n"
        "convert(*map(Path, sys.argv[1:]))\n"
    )
    path = os.pathsep.join([str(PROJECT), str(Path(__file__).parent)])
    command = [sys.executable, "-c", code, str(raw), str(tmp_path / "out"), str(tmp_path / "cache")]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert any(line == "stuck\n" for line in child.stdout)
        child.send_signal(signal.SIGKILL)
    left = [path.name for path in (tmp_path / "cache").iterdir()]
    assert any(INCOMPLETE in name for name in left)
    finished = sum(name.endswith(".tfrecord") for name in left)
    assert finished >= SHARDS  # the shards of train are written first
    shard_cache.sweep(tmp_path / "cache")
    assert not any(INCOMPLETE in path.name for path in (tmp_path / "cache").iterdir())
    resumed = convert(raw, tmp_path / "new", tmp_path / "cache")
    assert resumed.reused_shards >= finished  # all empty shards are the same file
    assert records(resumed) == records(convert(raw, tmp_path / "without", None))


def test_without_hard_links_shards_are_copied(
    raw: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    assert records(convert(raw, tmp_path / "again", cache)) == records(convert(raw, tmp_path / "without", None))


def test_a_sweep_keeps_used_files_and_removes_the_rest(tmp_path: Path) -> None:
    mine, dead = f"{INCOMPLETE}{socket.gethostname()}-{os.getpid()}.{'a' * 32}", dead_writer()
    unfinished = [f"x.tfrecord{dead}", f"x.tfrecord{dead}.report.json"]
    old = ["o.tfrecord", "o.tfrecord.report.json", "orphan.tfrecord.report.json", "audit.json", "b.tfrecord.fault.txt"]
    old.append(f"y.tfrecord{INCOMPLETE}another-host.local-1.{'b' * 32}")
    kept = [f"x.tfrecord{mine}", "n.tfrecord", "n.tfrecord.report.json", "h.tfrecord", "h.tfrecord.report.json"]
    folder = tmp_path / "cache" / "key"
    (tmp_path / "cache" / "left").mkdir(parents=True)
    (tmp_path / "cache" / "new").mkdir()
    folder.mkdir()
    for name in (*unfinished, *old, *kept):
        (folder / name).touch()
    os.link(folder / "h.tfrecord", tmp_path / "records")
    long_ago = time.time() - shard_cache.KEPT_SECONDS - 1
    for name in (*old, "h.tfrecord", "h.tfrecord.report.json", "../left"):
        os.utime(folder / name, (long_ago, long_ago))
    shard_cache.sweep(tmp_path / "cache")
    assert sorted(path.name for path in folder.iterdir()) == sorted(kept)
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [
        "key",
        "new",
    ]  # a starting process needs "new"


def dead_writer() -> str:
    child = subprocess.Popen(["true"])
    child.wait()
    return f"{INCOMPLETE}{socket.gethostname()}-{child.pid}.{'c' * 32}"
