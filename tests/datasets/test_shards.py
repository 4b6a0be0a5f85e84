"""The partition of a split into shards, and the worker that writes one."""

import pickle
from functools import partial
from pathlib import Path

import pytest

from datasets import labels
from datasets.audit import Kind
from datasets.camvid.camvid_dataset_builder import TABLE
from datasets.camvid.classes import SEGNET
from datasets.pairs import Pair, pair_by_stem
from datasets.raw import RawFolder
from datasets.reader import Reader
from datasets.shards import SHARD_BYTES, Shard, ShardReport, ShardWriter, number_of_shards, partition, report_path

PAIRS = [Pair(f"{index:02}", "g", f"{index}.png", f"{index}.png") for index in range(11)]


@pytest.mark.parametrize("number", [1, 3, 50])
def test_every_pair_is_in_one_shard(number: int) -> None:
    shards = partition(PAIRS, number)
    assert len(shards) == number
    assert sorted((pair for shard in shards for pair in shard), key=lambda pair: pair.id) == PAIRS


def test_shards_are_of_about_equal_length() -> None:
    many = [Pair(f"{index}", "g", "", "") for index in range(4000)]
    assert all(900 < len(shard) < 1100 for shard in partition(many, 4))


def test_an_added_pair_changes_only_its_own_shard() -> None:
    before, after = partition(PAIRS, 4), partition([*PAIRS, Pair("new", "g", "new.png", "new.png")], 4)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_the_order_depends_only_on_the_ids() -> None:
    one, three, backwards = partition(PAIRS, 1), partition(PAIRS, 3), partition(PAIRS[::-1], 1)
    assert one == backwards and one[0] == sum(three, ())
    assert list(one[0]) != PAIRS
    fewer = partition([pair for pair in PAIRS if pair.id != "05"], 1)
    assert fewer[0] == tuple(pair for pair in one[0] if pair.id != "05")


def test_the_number_of_shards_follows_the_size() -> None:
    assert [number_of_shards(size) for size in (0, 1, SHARD_BYTES, SHARD_BYTES + 1, 3 * SHARD_BYTES)] == [1, 1, 1, 2, 4]


def writer_of(raw: Path) -> ShardWriter:
    return ShardWriter(RawFolder(raw), SEGNET.classes, Reader(partial(labels.from_ids, table=TABLE)))


def test_a_worker_writes_good_pairs_and_reports_bad_files(raw: Path, tmp_path: Path) -> None:
    pairs = pair_by_stem(RawFolder(raw), {"train": ("train", "trainannot")}, group=str)["train"].pairs
    (raw / pairs[1].image).write_bytes(b"")
    (raw / pairs[1].mask).write_bytes(b"text")
    shard = Shard("train", tmp_path / "shard", pairs)
    writer = pickle.loads(pickle.dumps(writer_of(raw)))
    writer(shard)
    report = ShardReport.read(report_path(shard.path))
    assert (report.records, report.bytes) == (5, shard.path.stat().st_size)
    assert [(problem.kind, problem.file) for problem in report.problems] == [
        (Kind.EMPTY, pairs[1].image),
        (Kind.NOT_AN_IMAGE, pairs[1].mask),
    ]


def test_a_worker_that_fails_leaves_no_shard(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise RuntimeError("broken")

    monkeypatch.setattr(labels, "encode", fail)
    pairs = pair_by_stem(RawFolder(raw), {"train": ("train", "trainannot")}, group=str)["train"].pairs
    shard = Shard("train", tmp_path / "shard", pairs)
    with pytest.raises(RuntimeError, match="broken"):
        writer_of(raw)(shard)
    assert not shard.path.exists() and not report_path(shard.path).exists()
