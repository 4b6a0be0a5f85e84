"""The train step on the sample data: its files, its refusals, and resuming after kill -9."""

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
import tensorflow as tf

from models import catalog
from models.errors import ModelError
from pipeline.config.recipe import Recipe
from pipeline.errors import UserError
from pipeline.host import machine
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.steps import train
from pipeline.training import precision, trained_model
from pipeline.workspace import properties

PROJECT = Path(__file__).parents[3]
SECTIONS = ("input", "model", "train")


@pytest.fixture(scope="module")
def inputs(ingested: Path, validated: Path) -> dict[str, Path]:
    return {"ingest": ingested, "validate": validated}


def tiny(*settings: str) -> Recipe:
    path = str(PROJECT / "tests/tiny.yaml")
    return load_recipe(path, ["data.manual_dir=unused", *settings]).only(SECTIONS)


def run(inputs: dict[str, Path], out: Path, *settings: str) -> Path:
    out.mkdir(exist_ok=True)
    train.run(tiny(*settings), inputs, out)
    return out


def weights(out: Path) -> dict[str, np.ndarray]:
    """Return every array of the weights file."""
    arrays: dict[str, np.ndarray] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    with h5py.File(out / trained_model.WEIGHTS) as file:
        file.visititems(visit)
    return arrays


@pytest.fixture(scope="module")
def whole(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an uninterrupted training of six epochs."""
    return run(inputs, tmp_path_factory.mktemp("whole"), "train.epochs=6")


def test_the_folder_holds_the_inputs_of_later_steps(whole: Path) -> None:
    names = ["events", "history.json", "scalars.jsonl", "weights.h5"]
    assert sorted(path.name for path in whole.iterdir()) == names
    history = json.loads((whole / "history.json").read_text())
    assert [entry["epoch"] for entry in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["loss"] < history[0]["loss"]
    assert list(history[0]["per_class_iou"])[:2] == ["Sky", "Building"]


def test_the_weights_are_those_of_the_best_epoch(whole: Path, inputs: dict[str, Path]) -> None:
    from models import metrics, segmenter
    from pipeline.evaluation import scoring
    from pipeline.input import examples

    model = trained_model.load(whole, tiny().model, 11)
    batches = scoring.Scorer(model, 11, None).batches(inputs["ingest"] / "records", "val", batch_size=4)
    confusion = sum(batch.confusion.sum(axis=0) for batch in batches)
    best = max(json.loads((whole / "history.json").read_text()), key=lambda entry: entry["miou"])
    assert metrics.mean_iou(confusion) == pytest.approx(best["miou"], abs=1e-6)
    losses, pixels = 0.0, 0
    for example in examples.read(inputs["ingest"] / "records", "val"):
        logits = segmenter.logits(model, example.image[None]).numpy()[0].astype(np.float64)
        known = example.truth != 255
        chosen = np.take_along_axis(logits, np.where(known, example.truth, 0)[..., None], axis=-1)[..., 0]
        losses += (np.log(np.exp(logits).sum(axis=-1)) - chosen)[known].sum()
        pixels += known.sum()
    assert best["val_loss"] == pytest.approx(losses / pixels, rel=1e-4)


EVERYTHING = (
    "train.ema=0.9",
    "train.accumulate=2",
    "train.clip_norm=0.5",
    "train.steps_per_call=2",
    "train.optimizer=lamb",
    "train.deterministic=true",
)


def command(inputs: dict[str, Path], out: Path, *settings: str) -> list[str]:
    """Return a command that runs the train step in its own process, as op determinism cannot be switched off again."""
    code = (
        "import sys; from pathlib import Path; from pipeline.steps import train\n"
        "from pipeline.orchestration.recipe_loader import load_recipe\n"
        "path, ingest, validate, out, *settings = sys.argv[1:]\n"
        f"config = load_recipe(path, ['data.manual_dir=unused', *settings]).only({SECTIONS})\n"
        "train.run(config, {'ingest': Path(ingest), 'validate': Path(validate)}, Path(out))"
    )
    out.mkdir(exist_ok=True)
    folders = [str(PROJECT / "tests/tiny.yaml"), str(inputs["ingest"]), str(inputs["validate"]), str(out)]
    return [sys.executable, "-c", code, *folders, "train.epochs=6", *settings]


def kill_at(number: int, command: list[str], out: Path) -> None:
    """Kill the process when the checkpoint of step `number` or of a later one exists."""
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if any(int(path.stem[5:]) >= number for path in (out / "checkpoints").glob("step-*.npz")):
            break
        time.sleep(0.001)
    assert process.poll() is None, f"the training ended before it could be killed at step {number}"
    process.send_signal(signal.SIGKILL)
    process.wait()


def different(weights: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> list[str]:
    assert expected.keys() == weights.keys() and len(weights) > 20
    return [name for name, array in weights.items() if not np.array_equal(array, expected[name])]


def test_a_killed_and_resumed_training_ends_with_the_same_weights(
    whole: Path, inputs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    number = int(np.random.default_rng().integers(1, 10))  # of 12 steps
    kill_at(number, command(inputs, out, "train.checkpoint_seconds=0.001"), out)
    run(inputs, out, "train.epochs=6")
    assert re.search(r"resumes after epoch \d, step \d of 2", capsys.readouterr().out)
    assert not different(weights(out), weights(whole)), f"killed at step {number}"


@pytest.mark.long
@pytest.mark.slow
def test_a_killed_and_resumed_training_with_every_setting_ends_with_the_same_weights(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    number = int(np.random.default_rng().integers(1, 10))
    subprocess.run(command(inputs, tmp_path / "whole", *EVERYTHING), cwd=PROJECT, check=True, capture_output=True)
    out = tmp_path / "out"
    again = command(inputs, out, *EVERYTHING)
    kill_at(number, [*again, "train.checkpoint_seconds=0.001"], out)
    shown = subprocess.run(again, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    assert "resumes after" in shown
    assert not different(weights(out), weights(tmp_path / "whole")), f"killed at step {number}"


def test_a_training_killed_between_the_last_step_and_publishing_does_not_train_again(
    whole: Path, inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    (out / "checkpoints").mkdir()
    monkeypatch.setattr(catalog, "build", pytest.fail)
    run(inputs, out, "train.epochs=6")
    assert not (out / "checkpoints").exists()


def test_without_a_validation_split_the_last_weights_are_kept_and_a_line_says_so(
    inputs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest = Path(shutil.copytree(inputs["ingest"], tmp_path / "ingest"))
    info = ingest / "records/dataset_info.json"
    facts = json.loads(info.read_text())
    facts["splits"] = [split for split in facts["splits"] if split["name"] == "train"]
    info.write_text(json.dumps(facts))
    out = run({**inputs, "ingest": ingest}, tmp_path / "out", "train.epochs=1", "train.class_weights=none")
    assert "keeps the last weights: there is no validation split" in capsys.readouterr().out
    assert (out / trained_model.WEIGHTS).exists()


def test_training_begins_with_the_given_weights(
    whole: Path, inputs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = whole / trained_model.WEIGHTS
    out = run(inputs, tmp_path / "out", f"train.begin_with={file}", "train.epochs=1", "train.learning_rate=1e-9")
    assert f"train begins with {file}: all {len(weights(whole))} arrays" in " ".join(capsys.readouterr().out.split())
    losses = [json.loads((folder / "history.json").read_text())[0]["loss"] for folder in (out, whole)]
    assert losses[0] < losses[1]
    np.testing.assert_allclose(weights(out)["logits/kernel"], weights(whole)["logits/kernel"], atol=1e-6)


def test_mixed_precision_trains_float32_weights(inputs: dict[str, Path], tmp_path: Path) -> None:
    out = run(inputs, tmp_path / "out", "train.precision=mixed_float16", "train.epochs=1")
    history = json.loads((out / "history.json").read_text())
    assert np.isfinite(history[0]["loss"])
    assert {array.dtype.name for array in weights(out).values()} <= {"float32", "uint32"}
    assert keras.config.dtype_policy().name == "float32"


def test_the_precision_that_fits_the_machine_is_chosen_recorded_and_kept(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "cpu_flags", lambda: {"avx512_bf16"})
    out = run(inputs, tmp_path / "out", "train.precision=auto", "train.epochs=1")
    assert "train     precision mixed_bfloat16: the CPU has avx512_bf16\n" in capsys.readouterr().out
    assert properties.of(out) == {"precision": "mixed_bfloat16"}
    assert {array.dtype.name for array in weights(out).values()} <= {"float32", "uint32"}
    monkeypatch.setattr(machine, "cpu_flags", set)
    settings = tiny().train.model_copy(update={"precision": "auto"})
    assert precision.settled(settings, out).precision == "mixed_bfloat16"
    assert precision.settled(settings, tmp_path).precision == "float32"
    assert precision.choose() == ("float32", "the CPU has neither avx512_bf16 nor amx_bf16")


@pytest.mark.parametrize(("second", "expected"), [((9, 0), "mixed_bfloat16"), ((7, 5), "float32")])
def test_a_precision_fits_every_gpu(second: tuple[int, int], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    details = {"a": {"compute_capability": (8, 0)}, "b": {"compute_capability": second}}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(details))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.__getitem__)
    assert precision.choose()[0] == expected


def test_too_few_or_too_small_images_are_refused_before_the_network_is_built(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "build", pytest.fail)
    with pytest.raises(UserError, match=r"batch_size is 9 and split 'train' has 8 images"):
        run(inputs, tmp_path / "out", "train.batch_size=9")
    with pytest.raises(ModelError, match=r"Images of 72x96 are smaller than the stride 128 of model 'unet'"):
        run(inputs, tmp_path / "out", "model.name=unet", "model.options={depth: 7}", "input.augment.crop=null")
    assert not list((tmp_path / "out").iterdir())
