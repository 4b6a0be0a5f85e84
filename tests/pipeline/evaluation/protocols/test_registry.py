"""Protocols are the files of their folder: which are used with a dataset, what they promise, how one is added."""

import importlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from datasets.spec import DatasetSpec
from pipeline.config import evaluate
from pipeline.config.evaluate import EvaluateConfig, protocol_names
from pipeline.errors import UserError
from pipeline.evaluation import evaluation_check, protocols
from pipeline.evaluation.protocols import registry
from pipeline.evaluation.protocols.cityscapes import CATEGORIES
from pipeline.evaluation.protocols.protocol import ScoredImage
from pipeline.workspace import fingerprint

ALL = protocol_names()
PACKAGE = "pipeline.evaluation.protocols"
MADE_UP = """
import numpy as np
from pipeline.evaluation.protocols.protocol import Definition, Result

class Pixels:
    def __init__(self):
        self.sums = {"pixels": np.zeros(1, np.int64)}

    def add(self, image):
        self.sums["pixels"] += image.truth.size

    def result(self):
        return Result({"pixels": float(self.sums["pixels"][0])})

DEFINITION = Definition(("pixels",), lambda spec: spec.name == "mine", lambda spec, records, split: Pixels())
"""


def spec(name: str, classes: tuple[str, ...]) -> DatasetSpec:
    return DatasetSpec(name, classes, tuple((i, i, i) for i in range(len(classes))), {}, (), "", "", "")


def test_defaults_follow_from_the_dataset_and_misfits_are_refused() -> None:
    two, eleven = spec("kitti_road", ("no", "road")), spec("camvid", tuple("abcdefghijk"))
    assert registry.chosen(None, two) == ("binary", "boundary", "kitti_road")
    assert registry.chosen(None, eleven) == ("boundary", "camvid")
    assert registry.chosen(None, spec("camvid", tuple("abc"))) == ("boundary",)
    assert registry.chosen((), eleven) == ()
    with pytest.raises(UserError, match=r"(?s)ccp: needs a class called 'null'.*kitti_road: needs 2 classes"):
        registry.chosen(("ccp", "kitti_road"), eleven)
    with pytest.raises(UserError, match=r"cityscapes: needs the 19 classes of Cityscapes. Missing: road, sidewalk"):
        registry.chosen(("cityscapes",), eleven)


def test_results_hold_the_metrics_of_the_definition() -> None:
    classes = (*(name for members in CATEGORIES.values() for name in members), "null")
    confusion = np.zeros((20, 20), np.int64)
    truth = np.random.default_rng(0).integers(0, 2, (23, 31)).astype(np.uint8)
    image = ScoredImage("a", "g", truth, truth, truth.astype(np.float32), confusion)
    for name in protocol_names():
        protocol = registry.build(name, spec("x", classes), Path("nowhere"), "val")
        protocol.add(replace(image, confusion=confusion))
        received = tuple(protocol.result().metrics)
        bird = tuple(f"bev_{metric}" for metric in received) if name == "kitti_road" else ()  # with a calibration only
        assert registry.definition(name).metrics == received + bird


def test_names_are_listed_without_importing_a_protocol() -> None:
    code = (
        "import sys; from pipeline.config.evaluate import EvaluateConfig, protocol_names; print(protocol_names());"
        "EvaluateConfig(protocols=['ccp']).modules();"
        f"print([name for name in sys.modules if name == 'numpy' or '{PACKAGE}' in name])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == [str(ALL), "[]"]


def test_an_unknown_name_is_refused_with_those_allowed() -> None:
    with pytest.raises(ValidationError, match=r"There is no protocol 'camvit'\. Did you mean 'camvid'\?") as error:
        EvaluateConfig(protocols=("boundary", "camvit", "x"))
    assert "no protocol 'x'" in str(error.value) and f"Protocols: {', '.join(ALL)}." in str(error.value)


def test_modules_of_the_protocols_are_part_of_the_fingerprint() -> None:
    assert EvaluateConfig(protocols=("ccp",)).modules() == (f"{PACKAGE}.ccp",)
    assert EvaluateConfig(protocols=()).modules() == ()
    assert EvaluateConfig().modules() == tuple(f"{PACKAGE}.{name}" for name in ALL)


def test_a_protocol_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dataset's default, the gate's check, the measurement and the fingerprint see it; nothing else is edited."""
    folder = tmp_path.joinpath(*PACKAGE.split("."))
    shutil.copytree(evaluate.PROTOCOLS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "made_up.py").write_text(MADE_UP)
    monkeypatch.setattr(evaluate, "PROTOCOLS", folder)
    monkeypatch.setattr(protocols, "__path__", [str(folder)])
    monkeypatch.setattr(fingerprint, "PROJECT", tmp_path)
    monkeypatch.delitem(sys.modules, f"{PACKAGE}.made_up", raising=False)
    importlib.invalidate_caches()
    mine = spec("mine", ("a", "b", "c"))
    settings = EvaluateConfig(protocols=("made_up",), gate={"made_up/pixels": 0.5})
    assert evaluation_check.problems(settings, mine) == []
    assert registry.chosen(None, mine) == ("boundary", "made_up")
    assert registry.chosen(None, spec("another", ("a", "b", "c"))) == ("boundary",)
    protocol = registry.build("made_up", mine, tmp_path, "val")
    protocol.add(ScoredImage("a", "g", np.zeros((2, 3), np.uint8), np.zeros(0), np.zeros(0), np.zeros(0)))
    assert protocol.result().metrics == {"pixels": 6.0}
    for config in (settings, EvaluateConfig()):
        assert f"{PACKAGE}.made_up" in fingerprint.code_of(config.modules())[0]
    assert f"{PACKAGE}.made_up" not in fingerprint.code_of(EvaluateConfig(protocols=("ccp",)).modules())[0]
