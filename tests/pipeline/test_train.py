"""The train step on the sample data: what it leaves, what it refuses, and that kill -9 costs nothing."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from models import catalog
from pipeline import recipe, trained
from pipeline.config import Recipe
from pipeline.errors import UserError
from pipeline.steps import train

PROJECT = Path(__file__).parent.parent.parent
SECTIONS = ("input", "model", "train")


@pytest.fixture(scope="module")
def inputs(ingested: Path, validated: Path) -> dict[str, Path]:
    return {"ingest": ingested, "validate": validated}


def tiny(*settings: str) -> Recipe:
    path = str(PROJECT / "tests/tiny.yaml")
    return recipe.load(path, ["data.manual_dir=unused", *settings]).only(SECTIONS)


def run(inputs: dict[str, Path], out: Path, *settings: str) -> Path:
    out.mkdir(exist_ok=True)
    train.run(tiny(*settings), inputs, out)
    return out


def weights(out: Path) -> dict[str, np.ndarray]:
    """Every array of the weights file."""
    found: dict[str, np.ndarray] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(out / trained.WEIGHTS) as file:
        file.visititems(visit)
    return found


@pytest.fixture(scope="module")
def whole(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an uninterrupted training of six epochs."""
    return run(inputs, tmp_path_factory.mktemp("whole"), "train.epochs=6")


def test_the_folder_holds_what_later_steps_read(whole: Path) -> None:
    assert sorted(path.name for path in whole.iterdir()) == ["events", "history.json", "model.weights.h5"]
    history = json.loads((whole / "history.json").read_text())
    assert [entry["epoch"] for entry in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["loss"] < history[0]["loss"]
    assert list(history[0]["per_class_iou"])[:2] == ["Sky", "Building"]


def test_the_weights_are_those_of_the_best_epoch(whole: Path, inputs: dict[str, Path]) -> None:
    from models import metrics
    from pipeline import scoring

    model = trained.load(whole, tiny().model, 11)
    confusion = scoring.score(model, inputs["ingest"] / "records", "val", 11, None, batch_size=4)
    best = max(entry["miou"] for entry in json.loads((whole / "history.json").read_text()))
    assert metrics.mean_iou(confusion) == pytest.approx(best, abs=1e-6)


def test_killed_and_resumed_it_ends_with_the_same_weights(
    whole: Path, inputs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline import recipe; from pipeline.steps import train\n"
        "path, ingest, validate, out, *settings = sys.argv[1:]\n"
        f"config = recipe.load(path, ['data.manual_dir=unused', *settings]).only({SECTIONS})\n"
        "train.run(config, {'ingest': Path(ingest), 'validate': Path(validate)}, Path(out))"
    )
    out = tmp_path / "out"
    out.mkdir()
    folders = [str(PROJECT / "tests/tiny.yaml"), str(inputs["ingest"]), str(inputs["validate"]), str(out)]
    command = [sys.executable, "-c", code, *folders, "train.epochs=6", "train.checkpoint_seconds=0.001"]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    number = int(np.random.default_rng().integers(1, 10))  # of 12 steps
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if any(int(path.stem[5:]) >= number for path in (out / "checkpoints").glob("step-*.npz")):
            break
        time.sleep(0.001)
    assert process.poll() is None, f"the training ended before it could be killed at step {number}"
    process.send_signal(signal.SIGKILL)
    process.wait()
    run(inputs, out, "train.epochs=6")
    assert re.search(r"goes on after epoch \d, step \d of 2", capsys.readouterr().out)
    expected, found = weights(whole), weights(out)
    assert expected.keys() == found.keys() and len(found) > 20
    different = [name for name, array in found.items() if not np.array_equal(array, expected[name])]
    assert not different, f"killed at step {number}"


def test_killed_between_the_last_step_and_publishing_it_does_not_train_again(
    whole: Path, inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    (out / "checkpoints").mkdir()
    monkeypatch.setattr(catalog, "build", pytest.fail)
    run(inputs, out, "train.epochs=6")
    assert not (out / "checkpoints").exists()


def test_without_a_validation_split_the_last_weights_are_kept_and_it_is_said(
    inputs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest = Path(shutil.copytree(inputs["ingest"], tmp_path / "ingest"))
    info = ingest / "records/dataset_info.json"
    facts = json.loads(info.read_text())
    facts["splits"] = [split for split in facts["splits"] if split["name"] == "train"]
    info.write_text(json.dumps(facts))
    out = run({**inputs, "ingest": ingest}, tmp_path / "out", "train.epochs=1", "train.class_weights=none")
    assert "keeps the last weights: there is no validation split" in capsys.readouterr().out
    assert (out / trained.WEIGHTS).exists()


def test_mixed_precision_trains_float32_weights(inputs: dict[str, Path], tmp_path: Path) -> None:
    out = run(inputs, tmp_path / "out", "train.precision=mixed_float16", "train.epochs=1")
    history = json.loads((out / "history.json").read_text())
    assert np.isfinite(history[0]["loss"])
    assert {array.dtype.name for array in weights(out).values()} <= {"float32", "uint32"}
    assert keras.config.dtype_policy().name == "float32"


def test_too_large_a_batch_is_refused_before_anything_is_built(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "build", pytest.fail)
    with pytest.raises(UserError, match=r"batch_size is 9 and split 'train' has 8 images"):
        run(inputs, tmp_path / "out", "train.batch_size=9")
    assert not list((tmp_path / "out").iterdir())
