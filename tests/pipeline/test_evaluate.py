"""The evaluate step measures what the model predicts, and shows it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.spec import DatasetSpec
from models import catalog, metrics
from pipeline import examples, facts, trained
from pipeline.errors import UserError
from pipeline.steps import evaluate

SECTIONS = ("input", "model", "evaluate")


@pytest.fixture(scope="module")
def train(tmp_path_factory, tiny_recipe, ingested) -> Path:
    """Folder such as the train step leaves, of a net that has learnt nothing."""
    folder = tmp_path_factory.mktemp("train")
    spec = DatasetSpec.read(ingested / "spec.json")
    model = catalog.build(tiny_recipe.model.name, spec.num_classes, tiny_recipe.model.options)
    model.save_weights(folder / trained.WEIGHTS)
    (folder / "history.json").write_text(json.dumps([{"epoch": 1, "loss": 2.5, "miou": 0.1, "lr": 0.01}]))
    return folder


def step(recipe, ingested: Path, train: Path, out: Path, *, served: Path | None = None, **changes) -> Path:
    """Run the step with some keys of the recipe's evaluate section changed."""
    out.mkdir()
    recipe = recipe.model_copy(update={"evaluate": recipe.evaluate.model_copy(update=changes)})
    inputs = {"ingest": ingested, "train": train} | ({"served": served} if served else {})
    evaluate.run(recipe.only(SECTIONS), inputs, out)
    return out


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, tiny_recipe, ingested, train) -> Path:
    return step(tiny_recipe, ingested, train, tmp_path_factory.mktemp("evaluate") / "out", min_miou=0.99)


@pytest.fixture(scope="module")
def figures(evaluated) -> dict:
    return json.loads((evaluated / "metrics.json").read_text())


def test_the_confusion_matrix_is_that_of_the_split_counted_image_by_image(tiny_recipe, ingested, train, figures):
    model = trained.load(train, tiny_recipe.model, 11)
    expected = np.zeros((11, 11), np.int64)
    for example in examples.read(ingested / "records", "val"):
        prediction = trained.class_map(model, example.image, None)
        counted = metrics.confusion_matrix(example.truth, prediction, 11)
        assert figures["image_miou"][example.id] == pytest.approx(metrics.mean_iou(counted), abs=1e-3)
        expected += counted
    received = np.array(figures["confusion"])
    assert received.sum() == expected.sum()
    assert abs(received - expected).sum() <= 1e-3 * expected.sum()
    assert figures["miou"] == pytest.approx(metrics.mean_iou(received))


def test_metrics_say_what_was_measured(figures):
    assert (figures["dataset"], figures["split"], figures["images"]) == ("camvid", "val", 4)
    assert len(figures["per_class"]) == len(figures["classes"]) == 11
    assert figures["majority_baseline_miou"] > 0
    absent = {row["name"] for row in figures["per_class"] if row["iou"] is None}
    assert absent == set(figures["absent"])


def test_a_gate_that_fails_does_not_fail_the_step(evaluated):
    verdict = json.loads((evaluated / "verdict.json").read_text())
    assert verdict["passed"] is False and verdict["checks"][0]["required"] == 0.99


def test_best_median_and_worst_are_shown(evaluated, figures):
    shown = {path.name.rsplit("-1-")[0]: path for path in (evaluated / "overlays").iterdir()}
    assert set(shown) == {"best", "median", "worst"}
    best = max(figures["image_miou"], key=figures["image_miou"].get)
    assert best in shown["best"].name
    assert Image.open(shown["best"]).width > 4 * 200
    page = (evaluated / "report.html").read_text()
    assert best in page and page.count("data:image/") == 12


def test_the_figures_and_the_verdict_are_printed(tiny_recipe, ingested, train, tmp_path, capsys):
    step(tiny_recipe, ingested, train, tmp_path / "out", overlays=0, min_miou=0.9)
    printed = capsys.readouterr().out
    assert "pixel accuracy" in printed and "gate: failed" in printed and "required at least 0.9000" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert not list((tmp_path / "out" / "overlays").iterdir())


def test_the_served_model_is_compared(tiny_recipe, ingested, train, tmp_path, figures):
    spec = DatasetSpec.read(ingested / "spec.json")
    told = {**figures, "miou": 0.9}
    facts.write(tmp_path, spec=spec, model=tiny_recipe.model, size=None, metrics=told, signatures={})
    out = step(tiny_recipe, ingested, train, tmp_path / "out", overlays=0, max_miou_drop=0.1, served=tmp_path)
    check = json.loads((out / "verdict.json").read_text())["checks"][0]
    assert check["required"] == pytest.approx(0.8) and check["passed"] is False


def test_a_split_that_is_not_there_is_told_with_those_that_are(tiny_recipe, ingested, train, tmp_path):
    with pytest.raises(UserError, match=r"evaluate.split: split 'holdout' is not there.*train \(8 images\)"):
        step(tiny_recipe, ingested, train, tmp_path / "out", split="holdout")
