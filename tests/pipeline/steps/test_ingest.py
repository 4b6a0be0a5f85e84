"""The ingest step on sample data in CamVid's layout."""

import json
import re
import shutil
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from datasets.errors import DatasetError
from datasets.spec import DatasetSpec
from pipeline.errors import UserError
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.steps import ingest
from pipeline.workspace import digest

PROJECT = Path(__file__).parents[3]


def run(raw: Path, out: Path, *overrides: str) -> None:
    config = load_recipe(str(PROJECT / "tests" / "tiny.yaml"), [f"data.manual_dir={raw}", *overrides])
    out.mkdir()
    ingest.run(config.only(("data", "ingest")), {"raw": raw}, out)


@pytest.fixture
def raw(camvid_raw: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(camvid_raw, tmp_path / "raw"))


def test_the_folder_holds_records_spec_and_audit(ingested: Path) -> None:
    assert sorted(path.name for path in ingested.iterdir()) == ["audit.json", "records", "spec.json"]
    info = tfds.builder_from_directory(ingested / "records").info
    assert {name: split.num_examples for name, split in info.splits.items()} == {"train": 8, "val": 4, "test": 2}
    assert set(info.features) == {"image", "label", "id", "group", "height", "width"}
    assert DatasetSpec.read(ingested / "spec.json").name == "camvid"
    assert json.loads((ingested / "audit.json").read_text())["problems"] == []


def test_written_and_absent_splits_are_printed(raw: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(raw / "test")
    shutil.rmtree(raw / "testannot")
    run(raw, tmp_path / "out", "ingest.num_shards=2")
    shown, noise = capfd.readouterr()
    absent, written = shown.splitlines()
    assert absent == "ingest    absent: test (none of its files exists)"
    assert written.startswith("ingest    train 8, val 4 images -> 4 shards, ")
    assert noise == ""


def test_a_bad_file_stops_ingest_unless_it_is_quarantined(
    raw: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = min((raw / "train").iterdir())
    bad.write_bytes(bad.read_bytes()[:100])
    with pytest.raises(DatasetError, match=f"truncated or damaged image .*\n  train/{bad.name}"):
        run(raw, tmp_path / "stopped")
    assert not (tmp_path / "stopped" / "records").exists()
    run(raw, tmp_path / "out", "ingest.on_bad_input=quarantine")
    assert "left out: 1 bad file, listed in audit.json" in capfd.readouterr().out
    assert json.loads((tmp_path / "out" / "audit.json").read_text())["problems"][0]["file"] == f"train/{bad.name}"


def test_a_partial_dataset_is_refused_unless_allowed(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Split train: received 8 images, published are 367"):
        run(raw, tmp_path / "out", "data.allow_partial=false")


def test_a_changed_file_rewrites_only_its_own_shard(
    raw: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = load_recipe(str(PROJECT / "tests" / "tiny.yaml"), [f"data.manual_dir={raw}", "ingest.num_shards=4"])
    inputs = {"raw": raw, "cache": tmp_path / "cache" / "key", "digests": tmp_path / "digests.json"}
    shown = []
    for attempt in ("first", "second"):
        digest.remembered(raw, config.data.spec().patterns, inputs["digests"])
        (tmp_path / attempt).mkdir()
        ingest.run(config.only(("data", "ingest")), inputs, tmp_path / attempt)
        shown.append(capfd.readouterr().out)
        changed = min((raw / "train").iterdir())
        changed.write_bytes(max((raw / "train").iterdir()).read_bytes())
    assert "kept from before" not in shown[0]
    assert "ingest    11 of 12 shards are reused" in shown[1]


def test_a_refusal_names_its_report(raw: Path, tmp_path: Path) -> None:
    bad = min((raw / "train").iterdir())
    bad.write_bytes(b"")
    config = load_recipe(str(PROJECT / "tests" / "tiny.yaml"), [f"data.manual_dir={raw}"])
    inputs = {"raw": raw, "cache": tmp_path / "cache" / "key", "digests": tmp_path / "digests.json"}
    inputs["refusal"] = tmp_path / "refused.json"
    digest.remembered(raw, config.data.spec().patterns, inputs["digests"])
    with pytest.raises(DatasetError, match=r"Every one of them: (.+)$") as caught:
        ingest.run(config.only(("data", "ingest")), inputs, tmp_path)
    report = Path(str(caught.value).rsplit(": ", 1)[1])
    assert report == inputs["refusal"]
    assert json.loads(report.read_text())["problems"][0]["file"] == f"train/{bad.name}"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["ingest.workers=2"], "`workers` is for `runner: multi_processing`. Received: runner in_process."),
        (["ingest.runner=portable"], "`beam_options` and `runner: portable` go together"),
        (["ingest.beam_options=[--runner=FlinkRunner]"], "`beam_options` and `runner: portable` go together"),
    ],
)
def test_runner_options_that_do_not_fit_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        load_recipe(str(PROJECT / "tests" / "tiny.yaml"), overrides)
