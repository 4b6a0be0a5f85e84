"""The evaluate step measures what the model predicts, and shows it."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.spec import DatasetSpec
from models import catalog, metrics
from pipeline.errors import UserError
from pipeline.evaluation import gate
from pipeline.evaluation.image_counts import ImageCounts
from pipeline.input import examples
from pipeline.steps import evaluate
from pipeline.training import trained_model

SECTIONS = ("input", "model", "evaluate")


@pytest.fixture(scope="module")
def train(tmp_path_factory, tiny_recipe, ingested) -> Path:
    """Folder such as the train step leaves, of a net that has learnt nothing."""
    folder = tmp_path_factory.mktemp("train")
    spec = DatasetSpec.read(ingested / "spec.json")
    model = catalog.build(tiny_recipe.model.name, spec.num_classes, tiny_recipe.model.options)
    trained_model.save(folder, model)
    (folder / "history.json").write_text(json.dumps([{"epoch": 1, "loss": 2.5, "miou": 0.1, "lr": 0.01}]))
    return folder


def step(recipe, ingested: Path, train: Path, out: Path, **changes) -> Path:
    """Run the step with some keys of the recipe's evaluate section changed."""
    out.mkdir()
    recipe = recipe.model_copy(update={"evaluate": recipe.evaluate.model_copy(update=changes)})
    evaluate.run(recipe.only(SECTIONS), {"ingest": ingested, "train": train}, out)
    return out


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, tiny_recipe, ingested, train) -> Path:
    """The step's folder; what it printed lies in the file `printed`."""
    out = tmp_path_factory.mktemp("evaluate") / "out"
    with redirect_stdout(io.StringIO()) as printed:
        step(tiny_recipe, ingested, train, out)
    (out / "printed").write_text(printed.getvalue())
    return out


@pytest.fixture(scope="module")
def figures(evaluated) -> dict:
    return json.loads((evaluated / "metrics.json").read_text())


def test_the_confusion_matrix_is_that_of_the_split_counted_image_by_image(tiny_recipe, ingested, train, figures):
    model = trained_model.load(train, tiny_recipe.model, 11)
    expected = np.zeros((11, 11), np.int64)
    for example in examples.read(ingested / "records", "val"):
        prediction = trained_model.class_map(model, example.image, None)
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


def test_best_median_and_worst_are_shown(evaluated, figures):
    shown = {path.name.rsplit("-1-")[0]: path for path in (evaluated / "overlays").iterdir()}
    assert set(shown) == {"best", "median", "worst"}
    best = max(figures["image_miou"], key=figures["image_miou"].get)
    assert best in shown["best"].name
    assert Image.open(shown["best"]).width > 4 * 200


def test_pictures_are_listed_with_their_files(evaluated, figures):
    index = json.loads((evaluated / "pictures/index.json").read_text())
    assert [entry["kind"] for entry in index["examples"]] == ["best", "median", "worst"]
    assert [pair["pixels"] for pair in index["confused"]] == [pair["pixels"] for pair in figures["confused"]]
    for entry in index["examples"] + index["confused"]:
        for name in entry["files"].values():
            assert Image.open(evaluated / "pictures" / name).size == (entry["width"], entry["height"])


def test_what_each_image_contributed_adds_up(evaluated, figures):
    counts = ImageCounts.read(evaluated / "per_image.npz")
    np.testing.assert_array_equal(counts.truth.sum(axis=0), [row["pixels"] for row in figures["per_class"]])
    assert counts.total().mean_iou() == pytest.approx(figures["miou"])
    assert sorted(counts.ids) == sorted(figures["image_miou"])
    assert figures["intervals"]["figures"] == {}  # of four images


def test_protocols_slices_and_calibration_are_measured(figures):
    assert set(figures["protocols"]) == {"boundary", "camvid"}
    assert figures["protocols"]["camvid"]["figures"]["miou"] == pytest.approx(figures["miou"])
    assert sum(slice_["images"] for slice_ in figures["slices"]) == figures["images"]
    pixels = sum(part["pixels"] for part in figures["calibration"]["bins"])
    assert pixels == sum(row["pixels"] for row in figures["per_class"])
    assert 0 <= figures["calibration"]["ece"] <= 1


def test_windows_and_mirror_images_are_measured_and_said(tiny_recipe, ingested, train, tmp_path):
    changes = {"inference": "sliding", "window": (40, 48), "flip": True}
    out = step(tiny_recipe, ingested, train, tmp_path / "out", overlays=1, confusions=0, **changes)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["inference"]["window"] == [40, 48] and metrics["inference"]["flip"] is True
    verdict = gate.judge(metrics, demands={}, max_miou_drop=None, served=None)
    assert "what is exported" in verdict["note"]
    assert len(list((out / "overlays").iterdir())) == 3


def test_a_protocol_that_does_not_fit_is_told(tiny_recipe, ingested, train, tmp_path):
    with pytest.raises(UserError, match=r"(?s)cityscapes: needs the 19 classes.*binary: needs 2 classes"):
        step(tiny_recipe, ingested, train, tmp_path / "out", protocols=("cityscapes", "binary"))


def test_the_metrics_are_printed(evaluated):
    printed = (evaluated / "printed").read_text()
    assert "mIoU" in printed and "pixel accuracy" in printed and "4 images of val" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_no_picture_need_be_drawn(tiny_recipe, ingested, train, tmp_path):
    out = step(tiny_recipe, ingested, train, tmp_path / "out", overlays=0)
    assert not list((out / "overlays").iterdir())


def test_a_split_that_is_not_there_is_told_with_those_that_are(tiny_recipe, ingested, train, tmp_path):
    with pytest.raises(UserError, match=r"evaluate.split: split 'holdout' is not there.*train \(8 images\)"):
        step(tiny_recipe, ingested, train, tmp_path / "out", split="holdout")


def test_the_report_knows_the_name_of_the_weights():
    from pipeline.report import contents

    assert contents.WEIGHTS == trained_model.WEIGHTS
