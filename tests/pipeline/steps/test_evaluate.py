"""The evaluate step measures the model's predictions, and draws some of them."""

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
    """Folder as the train step writes it, of an untrained network."""
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
    """The step's folder, with the step's output in the file `printed`."""
    out = tmp_path_factory.mktemp("evaluate") / "out"
    with redirect_stdout(io.StringIO()) as printed:
        step(tiny_recipe, ingested, train, out)
    (out / "printed").write_text(printed.getvalue())
    return out


@pytest.fixture(scope="module")
def measured(evaluated) -> dict:
    return json.loads((evaluated / "metrics.json").read_text())


def test_the_confusion_matrix_is_the_sum_over_the_images_of_the_split(tiny_recipe, ingested, train, measured):
    model = trained_model.load(train, tiny_recipe.model, 11)
    expected = np.zeros((11, 11), np.int64)
    for example in examples.read(ingested / "records", "val"):
        prediction = trained_model.class_map(model, example.image, None)
        counted = metrics.confusion_matrix(example.truth, prediction, 11)
        assert measured["image_miou"][example.id] == pytest.approx(metrics.mean_iou(counted), abs=1e-3)
        expected += counted
    received = np.array(measured["confusion"])
    assert received.sum() == expected.sum()
    assert abs(received - expected).sum() <= 1e-3 * expected.sum()
    assert measured["miou"] == pytest.approx(metrics.mean_iou(received))


def test_metrics_name_dataset_split_and_classes(measured):
    assert (measured["dataset"], measured["split"], measured["images"]) == ("camvid", "val", 4)
    assert len(measured["per_class"]) == len(measured["classes"]) == 11
    assert measured["majority_baseline_miou"] > 0
    absent = {row["name"] for row in measured["per_class"] if row["iou"] is None}
    assert absent == set(measured["absent"]) - set(measured["only_predicted"])


def test_best_median_and_worst_images_are_drawn(evaluated, measured):
    shown = {path.name.rsplit("-1-")[0]: path for path in (evaluated / "overlays").iterdir()}
    assert set(shown) == {"best", "median", "worst"}
    best = max(measured["image_miou"], key=measured["image_miou"].get)
    assert best in shown["best"].name
    assert Image.open(shown["best"]).width > 4 * 200


def test_pictures_are_listed_with_their_files(evaluated, measured):
    index = json.loads((evaluated / "pictures/index.json").read_text())
    assert [entry["kind"] for entry in index["examples"]] == ["best", "median", "worst"]
    assert [pair["pixels"] for pair in index["confused"]] == [pair["pixels"] for pair in measured["confused"]]
    for entry in index["examples"] + index["confused"]:
        for name in entry["files"].values():
            assert Image.open(evaluated / "pictures" / name).size == (entry["width"], entry["height"])


def test_the_counts_of_the_images_add_up(evaluated, measured):
    counts = ImageCounts.read(evaluated / "per_image.npz")
    np.testing.assert_array_equal(counts.truth.sum(axis=0), [row["pixels"] for row in measured["per_class"]])
    assert counts.total().mean_iou() == pytest.approx(measured["miou"])
    assert sorted(counts.ids) == sorted(measured["image_miou"])
    assert measured["intervals"]["figures"] == {}  # four images are too few


def test_protocols_slices_and_calibration_are_measured(measured):
    assert set(measured["protocols"]) == {"boundary", "camvid"}
    assert measured["protocols"]["camvid"]["figures"]["miou"] == pytest.approx(measured["miou"])
    assert sum(slice_["images"] for slice_ in measured["slices"]) == measured["images"]
    pixels = sum(part["pixels"] for part in measured["calibration"]["bins"])
    assert pixels == sum(row["pixels"] for row in measured["per_class"])
    assert 0 <= measured["calibration"]["ece"] <= 1


def test_sliding_windows_and_flips_are_measured_and_recorded(tiny_recipe, ingested, train, tmp_path):
    changes = {"inference": "sliding", "window": (40, 48), "flip": True}
    out = step(tiny_recipe, ingested, train, tmp_path / "out", overlays=1, confusions=0, **changes)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["inference"]["window"] == [40, 48] and metrics["inference"]["flip"] is True
    verdict = gate.judge(metrics, demands={}, max_miou_drop=None, served=None)
    assert "the exported model" in verdict["note"]
    assert len(list((out / "overlays").iterdir())) == 3


def test_protocols_that_do_not_fit_the_data_are_refused(tiny_recipe, ingested, train, tmp_path):
    with pytest.raises(UserError, match=r"(?s)cityscapes: needs the 19 classes.*binary: needs 2 classes"):
        step(tiny_recipe, ingested, train, tmp_path / "out", protocols=("cityscapes", "binary"))


def test_the_metrics_are_printed(evaluated):
    printed = (evaluated / "printed").read_text()
    assert "mIoU" in printed and "pixel accuracy" in printed and "4 images of val" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_no_picture_is_drawn_without_overlays(tiny_recipe, ingested, train, tmp_path):
    out = step(tiny_recipe, ingested, train, tmp_path / "out", overlays=0)
    assert not list((out / "overlays").iterdir())


def test_an_absent_split_is_refused_with_a_list_of_the_present_ones(tiny_recipe, ingested, train, tmp_path):
    with pytest.raises(UserError, match=r"evaluate.split: split 'holdout' is not there.*train \(8 images\)"):
        step(tiny_recipe, ingested, train, tmp_path / "out", split="holdout")


def test_the_report_knows_the_name_of_the_weights():
    from pipeline.report import contents

    assert contents.WEIGHTS == trained_model.WEIGHTS
