"""A mask with a known error: its region is detected, ranked first and framed."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from datasets.spec import DatasetSpec
from models.inference import Inference
from pipeline.analysis import suspects
from pipeline.config.evaluate import EvaluateConfig
from pipeline.evaluation.scoring import Batch

SPEC = DatasetSpec("toy", ("road", "sky", "car"), ((9, 9, 9), (0, 0, 255), (255, 0, 0)), {}, (), "", "", "")


def batch(wrong: tuple[slice, slice], confidence: float) -> Batch:
    """Road below sky, both predicted with `confidence`; the mask labels a box of the road as car."""
    prediction = np.zeros((1, 120, 160), np.uint8)
    prediction[:, :60] = 1
    truth = prediction.copy()
    truth[0][wrong] = 2
    of_truth = np.where(truth == prediction, confidence, (1 - confidence) / 2)
    answers = np.stack([prediction, np.full(truth.shape, confidence), of_truth, of_truth], axis=-1).astype(np.float32)
    return Batch(["a/b"], ["g"], [0], np.zeros((1, 120, 160, 3), np.uint8), truth, prediction, np.zeros(0), answers)


def regions(images: Batch) -> list:
    return [(suspect, draw()) for suspect, draw in suspects._of_image(images, 0, "val", SPEC)]


def test_a_wrong_box_is_one_region_with_its_weight():
    ((suspect, picture),) = regions(batch(np.s_[70:100, 20:60], 0.9))
    assert (suspect.label, suspect.answer, suspect.split, suspect.id) == ("car", "road", "val", "a/b")
    rows, columns = 30 - 2 * suspects.BORDER, 40 - 2 * suspects.BORDER  # its border does not count
    assert suspect.pixels == rows * columns and suspect.gap == pytest.approx(0.85)
    assert suspect.weight == pytest.approx(suspect.pixels * 0.85, rel=1e-5)
    assert (suspect.top, suspect.left, suspect.height, suspect.width) == (72, 22, rows, columns)
    assert picture.shape[1] == 3 * suspects.WIDTH + 8


@pytest.mark.parametrize(
    ("box", "confidence"), [(np.s_[70:100, 20:60], 0.6), (np.s_[70:100, 20:24], 0.9), (np.s_[70:77, 20:27], 0.9)]
)
def test_low_confidence_thin_lines_and_specks_are_no_suspects(box, confidence):
    assert regions(batch(box, confidence)) == []


def test_an_ignored_box_is_no_suspect():
    images = batch(np.s_[70:100, 20:60], 0.9)
    images.labels[images.labels == 2] = 255
    assert regions(images) == []


def test_the_lists_and_the_pictures_name_the_same_regions(tmp_path):
    entries = regions(batch(np.s_[70:100, 20:60], 0.9)) + regions(batch(np.s_[70:90, 90:120], 0.9))
    suspects._write(tmp_path, entries)
    listed = json.loads((tmp_path / "suspects.json").read_text())
    with (tmp_path / "suspects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2"] and [entry["id"] for entry in listed] == ["a/b", "a/b"]
    for entry in listed:
        assert Image.open(tmp_path / entry["crop"]).width == 3 * suspects.WIDTH + 8
    assert Image.open(tmp_path / "sheet.png").width > 6 * suspects.WIDTH
    suspects._write(tmp_path, [])
    assert json.loads((tmp_path / "suspects.json").read_text()) == []


def test_predictions_use_the_inference_of_evaluate(tiny_recipe, tmp_path, monkeypatch):
    received = {}

    class Fake:
        def __init__(self, *_, **options):
            received.update(options)

        def batches(self, *_, **__):
            return iter(())

    monkeypatch.setattr(suspects, "Scorer", Fake)
    monkeypatch.setattr(suspects.trained_model, "load", lambda *_: None)
    monkeypatch.setattr(suspects.searched, "count_images", lambda *_: {"val": 0})
    evaluate = EvaluateConfig(inference="tiles", window=(32, 48), scales=(0.5, 1.0))
    recipe = tiny_recipe.model_copy(update={"evaluate": evaluate})
    run = SimpleNamespace(artifact=lambda _: tmp_path)
    assert list(suspects.images(run, recipe, SPEC, ("val",))) == []
    assert received["plan"] == Inference(window=(32, 48), overlap=0.5, average=False, scales=(0.5, 1.0))


def test_the_page_holds_the_images_with_a_region_and_the_lists_the_largest_regions(tmp_path, tiny_recipe, monkeypatch):
    batches_ = batch(np.s_[70:100, 20:60], 0.9), batch(np.s_[70:90, 90:120], 0.9), batch(np.s_[0:0, 0:0], 0.9)

    class Fake:
        def __init__(self, *_, **__):
            pass

        def batches(self, *_, **__):
            return iter(batches_)

    monkeypatch.setattr(suspects, "Scorer", Fake)
    monkeypatch.setattr(suspects.trained_model, "load", lambda *_: None)
    monkeypatch.setattr(suspects.searched, "count_images", lambda *_: {"val": 3})
    SPEC.write(tmp_path / "spec.json")
    run = SimpleNamespace(id="night-7", recipe=lambda: tiny_recipe, artifact=lambda _: tmp_path)
    out = tmp_path / "out"
    kept = suspects.find(run, out, splits=("val",), count=1, html=out)
    assert [suspect.pixels for suspect in kept] == [26 * 36]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count("thumbnails/") == 2 and '"boxes"' in page and '<option value="suspicion" selected>' in page
    assert "The mask says car, the model road: 936 pixels" in page and (out / "suspects.csv").is_file()
