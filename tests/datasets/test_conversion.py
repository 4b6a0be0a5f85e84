"""The Beam pipeline: the same bytes from every runner, any number of workers, any process."""

import errno
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner

from datasets import audit, labels, tfrecord
from datasets.camvid.camvid_dataset_builder import TABLE
from datasets.camvid.classes import SEGNET
from datasets.camvid.layouts import SEGNET as FOLDERS
from datasets.conversion import collect, convert
from datasets.errors import ConversionError
from datasets.pairs import pair_by_stem
from datasets.raw import RawFolder
from datasets.reader import Reader
from datasets.shards import Shard, ShardWriter, partition

PROJECT = Path(__file__).parents[2]


def writer(raw: Path) -> ShardWriter:
    return ShardWriter(RawFolder(raw), SEGNET.classes, Reader(partial(labels.from_ids, table=TABLE)))


def plan(raw: Path, out: Path, num_shards: int = 3) -> list[Shard]:
    out.mkdir()
    pairs = pair_by_stem(RawFolder(raw), FOLDERS, group=str)["train"].pairs
    return [Shard("train", out / f"{index}", part) for index, part in enumerate(partition(pairs, num_shards))]


def contents(shards: list[Shard]) -> list[bytes]:
    return [shard.path.read_bytes() for shard in shards]


@pytest.fixture
def expected(raw: Path, tmp_path: Path) -> list[bytes]:
    """The shards that a plain loop writes."""
    shards = plan(raw, tmp_path / "expected")
    for shard in shards:
        writer(raw)(shard)
    return contents(shards)


@pytest.mark.parametrize(
    ("runner", "flags"),
    [
        pytest.param(None, [], id="in-process"),
        pytest.param(None, ["--direct_running_mode=multi_threading", "--direct_num_workers=3"], id="threads"),
        pytest.param(BundleBasedDirectRunner(), [], id="bundle-based"),
        pytest.param(None, ["--direct_running_mode=multi_processing", "--direct_num_workers=2"], id="processes"),
    ],
)
def test_every_runner_writes_the_same_bytes(
    raw: Path, tmp_path: Path, expected: list[bytes], runner: object, flags: list[str]
) -> None:
    shards = plan(raw, tmp_path / "out")
    convert(shards, writer(raw), runner=runner, options=PipelineOptions(flags))
    assert contents(shards) == expected
    assert sum(report.records for report in collect(shards)) == 6
    assert sorted(path.name for path in (tmp_path / "out").glob("?")) == ["0", "1", "2"]
    assert len(list((tmp_path / "out").iterdir())) == 6  # each with a report, and nothing unfinished


def test_the_stream_does_not_depend_on_the_number_of_shards(raw: Path, tmp_path: Path, expected: list[bytes]) -> None:
    shards = plan(raw, tmp_path / "out", num_shards=1)
    convert(shards, writer(raw))
    assert b"".join(contents(shards)) == b"".join(expected)


def test_another_process_writes_the_same_bytes(raw: Path, tmp_path: Path, expected: list[bytes]) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from test_conversion import convert, plan, writer\n"
        "raw = Path(sys.argv[1])\n"
        "convert(plan(raw, Path(sys.argv[2])), writer(raw))\n"
        "assert 'tensorflow' not in sys.modules"
    )
    path = os.pathsep.join([str(PROJECT), str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code, str(raw), str(tmp_path / "out")], env=environment, check=True)
    assert [(tmp_path / "out" / f"{index}").read_bytes() for index in range(3)] == expected


def test_an_exception_in_a_worker_is_one_line_that_names_the_file(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(content: bytes) -> tuple[int, int]:
        raise RuntimeError("broken")

    monkeypatch.setattr(audit, "image_size", fail)
    with pytest.raises(ConversionError) as caught:
        convert(plan(raw, tmp_path / "out"), writer(raw))
    message = r"A worker failed. RuntimeError: broken. While reading train/\w+\.png with trainannot/\w+\.png"
    assert re.fullmatch(message, str(caught.value))
    assert not list((tmp_path / "out").glob("*incomplete*"))


def test_other_exceptions_of_a_worker_are_raised(raw: Path, tmp_path: Path) -> None:
    shards = plan(raw, tmp_path / "out")
    (tmp_path / "out").rmdir()
    with pytest.raises(Exception, match="No such file or directory"):
        convert(shards, writer(raw))


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OSError),
    ],
)
def test_a_full_disk_and_ctrl_c_are_raised_unwrapped(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException, kind: type[BaseException]
) -> None:
    def write(path: Path, records: object) -> int:
        raise raised

    monkeypatch.setattr(tfrecord, "write", write)
    with pytest.raises(kind) as caught:
        convert(plan(raw, tmp_path / "out"), writer(raw))
    assert getattr(caught.value, "errno", None) == getattr(raised, "errno", None)
