"""The gate step checks the metrics of evaluate, and measures nothing itself."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.spec import DatasetSpec
from pipeline.config.recipe import Recipe
from pipeline.errors import GateError
from pipeline.evaluation.gate import require_passed
from pipeline.evaluation.image_counts import ImageCounts
from pipeline.export import facts
from pipeline.steps import gate

PROJECT = Path(__file__).parents[3]
SPEC = DatasetSpec("toy", ("road", "car"), ((128, 64, 128), (0, 0, 142)), {}, (), "", "", "")
METRICS = {"dataset": "toy", "split": "val", "images": 4, "classes": ["road", "car"], "inference": {}, "miou": 0.6}


def counts(hits: int) -> ImageCounts:
    """Four images of 100 pixels of each class, `hits` of which are predicted right."""
    truth = np.full((4, 2), 100, np.int64)
    return ImageCounts(tuple("abcd"), ("g",) * 4, np.full((4, 2), hits, np.int64), truth, truth.copy())


@pytest.fixture
def evaluated(tmp_path: Path) -> Path:
    folder = tmp_path / "evaluate"
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    counts(75).write(folder / "per_image.npz")
    return folder


@pytest.fixture
def served(tmp_path: Path, tiny_recipe: Recipe) -> Path:
    """A served model that is right everywhere; the mIoU that an older Segline wrote is another."""
    folder = tmp_path / "served"
    folder.mkdir()
    metrics = {**METRICS, "miou": 0.9}
    facts.write(folder, spec=SPEC, model=tiny_recipe.model, fit=None, metrics=metrics, signatures={})
    counts(100).write(folder / "assets.extra/per_image.npz")
    return folder


def judge(recipe: Recipe, out: Path, inputs: dict[str, Path], **changes: Any) -> dict[str, Any]:
    """Run the step with some keys of the recipe's evaluate section changed."""
    out.mkdir()
    recipe = recipe.model_copy(update={"evaluate": recipe.evaluate.model_copy(update=changes)})
    gate.run(recipe.only(("evaluate",)), inputs, out)
    verdict: dict[str, Any] = json.loads((out / "verdict.json").read_text())
    return verdict


def test_a_failed_verdict_does_not_fail_the_step(
    tiny_recipe: Recipe, evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = judge(tiny_recipe, tmp_path / "out", {"evaluate": evaluated}, min_miou=0.99)
    assert verdict["passed"] is False and verdict["checks"][0]["required"] == 0.99
    printed = capsys.readouterr().out
    assert "gate      failed" in printed and "required at least 0.9900" in printed
    assert max(map(len, printed.splitlines())) <= 80
    with pytest.raises(GateError, match=r"not exported:\n.*required at least 0\.9900"):
        require_passed(verdict)


def test_without_a_demand_no_gate_is_set_and_the_model_may_be_exported(
    tiny_recipe: Recipe, evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = judge(tiny_recipe, tmp_path / "out", {"evaluate": evaluated})
    assert verdict["passed"] is None and "gate      no gate set: nothing was checked" in capsys.readouterr().out
    require_passed(verdict)


def test_the_metrics_are_compared_with_the_served_model(
    tiny_recipe: Recipe, evaluated: Path, served: Path, tmp_path: Path
) -> None:
    inputs = {"evaluate": evaluated, "served": served}
    (check,) = judge(tiny_recipe, tmp_path / "out", inputs, max_miou_drop=0.1)["checks"]
    assert check["required"] == pytest.approx(0.9) and check["passed"] is False, "mIoU is not that of the counts"


@pytest.mark.parametrize(("confidence", "passed"), [(0.8, False), (0.95, None)])
def test_the_common_images_are_compared_in_pairs_if_there_are_enough(
    tiny_recipe: Recipe,
    evaluated: Path,
    served: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    confidence: float,
    passed: bool | None,
) -> None:
    inputs = {"evaluate": evaluated, "served": served}
    verdict = judge(tiny_recipe, tmp_path / "out", inputs, refuse_significant_drop=True, confidence=confidence)
    printed = " ".join(capsys.readouterr().out.replace("gate ", "").split())
    assert verdict["passed"] is passed
    if passed is None:
        assert "on which the models differ: 4 of 4; to tell a difference from noise, at least 6 are" in printed
    else:
        assert "sign-flip test over 4 images" in verdict["checks"][0]["note"]


def test_the_gate_imports_no_tensorflow() -> None:
    code = "import sys, pipeline.steps.gate; sys.exit(sorted({'tensorflow', 'keras'} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
