"""Weights that do not fit the network fail before any data is read."""

import json
import re
from pathlib import Path

import keras
import pytest

from datasets.camvid import sample
from models import catalog, weights
from pipeline.__main__ import main
from pipeline.config.recipe import Recipe
from pipeline.console import json_lines
from pipeline.orchestration import network_check
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder

TINY = str(Path(__file__).parents[2] / "tiny.yaml")
OVER_MOBILENET = ["model.name=deeplabv3plus", "model.options={backbone: mobilenet_v2, width: 8}"]


def load(*overrides: str) -> Recipe:
    return load_recipe(TINY, ["data.manual_dir=unused", *overrides])


@pytest.fixture
def wrong_weights(tmp_path: Path) -> Path:
    weights.save(catalog.build("fast", 3, {"width": 4}), tmp_path / "fast.h5")
    return tmp_path / "fast.h5"


def test_the_check_is_needed_for_weights_files_and_inspected_layers(wrong_weights: Path) -> None:
    assert not network_check.needed(load())
    assert not network_check.needed(load(*OVER_MOBILENET))
    assert network_check.needed(load(*OVER_MOBILENET, "model.options.weights=imagenet"))
    assert network_check.needed(load(*OVER_MOBILENET, f"model.options.weights={wrong_weights}"))
    assert network_check.needed(load(f"train.begin_with={wrong_weights}"))
    assert network_check.needed(load("train.tensorboard.inspect=[stem_a_conv]"))


def test_a_misfit_is_reported_on_stderr_and_in_the_log(
    tmp_path: Path, wrong_weights: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    monkeypatch.delenv(json_lines.VARIABLE, raising=False)
    keras.utils.set_random_seed(0)
    workspace = Workspace(tmp_path / "work")
    wrong = load(*OVER_MOBILENET, f"model.options.weights={wrong_weights}")
    folder = RunFolder.create(workspace, wrong, ["segline"], "wrong")
    assert network_check.main(str(folder.path)) == 2
    message = " ".join(capfd.readouterr().err.split())
    assert message.startswith("segline: model: The weights file") and "it is of another network" in message
    assert "it is of another network" in folder.log_file.read_text()
    right = RunFolder.create(workspace, load("train.tensorboard.inspect=[stem_a_conv]"), ["segline"], "right")
    assert network_check.main(str(right.path)) == 0
    assert capfd.readouterr().out.startswith("model     fast: ")
    monkeypatch.setenv(json_lines.VARIABLE, "1")
    assert network_check.main(str(right.path)) == 0
    assert json.loads(capfd.readouterr().out)["message"].startswith("model     fast: ")


def test_initial_weights_are_checked(
    tmp_path: Path, wrong_weights: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    monkeypatch.delenv(json_lines.VARIABLE, raising=False)
    workspace, begin = Workspace(tmp_path / "work"), f"train.begin_with={wrong_weights}"
    wrong = RunFolder.create(workspace, load(begin), ["segline"], "wrong")
    assert network_check.main(str(wrong.path)) == 2
    message = " ".join(capfd.readouterr().err.split())
    assert message.startswith(f"segline: model: train.begin_with: The weights file {wrong_weights} cannot be loaded")
    assert "stem_a_conv/kernel is [3, 3, 3, 2] there and [3, 3, 3, 4] here" in message and "Traceback" not in message
    right = RunFolder.create(workspace, load(begin, "model.options.width=4"), ["segline"], "right")
    assert network_check.main(str(right.path)) == 0
    printed = " ".join(capfd.readouterr().out.split())
    assert re.search(rf"model begins with {wrong_weights}: \d+ of \d+ arrays; as drawn: logits$", printed)
    wrong_weights.write_bytes(wrong_weights.read_bytes()[:5000])
    assert network_check.main(str(right.path)) == 2
    message = " ".join(capfd.readouterr().err.split())
    assert message.startswith("segline: model: train.begin_with: The weights file") and "it is damaged" in message


@pytest.mark.slow
def test_a_run_with_wrong_weights_ends_before_it_reads_data(tmp_path: Path, wrong_weights: Path, capfd) -> None:
    sample.write(tmp_path / "raw", count=3, seed=0, size=(64, 96))
    wrong = [*OVER_MOBILENET, f"model.options.weights={wrong_weights}", f"data.manual_dir={tmp_path / 'raw'}"]
    options = [part for override in wrong for part in ("--set", override)]
    assert main(["run", TINY, *options, "--workspace", str(tmp_path / "work")]) == 2
    printed = capfd.readouterr()
    text = " ".join((printed.out + printed.err).split())
    assert "it is of another network" in text and "ingest" not in text
    assert not (tmp_path / "work" / "artifacts").exists()
