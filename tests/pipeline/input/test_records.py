"""The records folder: listed without TensorFlow, read in order; damage and missing files are named."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from datasets.errors import DatasetError
from pipeline.errors import UserError
from pipeline.input import record_dataset, records

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def folder(ingested: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ingested / "records", tmp_path / "records"))


def test_splits_and_shards_are_listed_without_tensorflow(ingested: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.input import records; folder = Path(sys.argv[1])\n"
        "print(records.splits(folder)['train'], records.shards(folder, 'train')[0].name)\n"
        "sys.exit('tensorflow' in sys.modules or 'numpy' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(ingested / "records")]
    printed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["8", "camvid-train.tfrecord-00000-of-00001"]


def test_records_are_complete_and_in_order(ingested: Path) -> None:
    first, second = (list(record_dataset.encoded(ingested / "records", "train").as_numpy_iterator()) for _ in range(2))
    assert [record["id"] for record in first] == [record["id"] for record in second]
    assert len({record["id"] for record in first}) == 8
    assert first[0]["image"][:4] == b"\x89PNG" and (first[0]["height"], first[0]["width"]) == (72, 96)


def test_an_address_locates_its_record(ingested: Path) -> None:
    folder = ingested / "records"
    paths = records.shards(folder, "train")
    for (shard, offset, length), record in zip(
        records.addresses(folder, "train"), record_dataset.encoded(folder, "train").as_numpy_iterator(), strict=True
    ):
        content = paths[shard].read_bytes()[offset : offset + length]
        assert record_dataset.parse(content)["id"].numpy() == record["id"]


def test_a_truncated_file_is_named(folder: Path) -> None:
    path = records.shards(folder, "train")[0]
    for size in (path.stat().st_size - 1, 5):
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(DatasetError, match=r"train\.tfrecord-00000-of-00001 is damaged"):
            records.addresses(folder, "train")


def test_missing_splits_files_and_records_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no split 'tset'. Its splits: train, val, test"):
        records.shards(folder, "tset")
    records.shards(folder, "val")[0].unlink()
    with pytest.raises(UserError, match=r"camvid-val.tfrecord-00000-of-00001 not there"):
        records.shards(folder, "val")
    with pytest.raises(UserError, match="holds no records"):
        records.splits(tmp_path)
