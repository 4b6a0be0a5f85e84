"""What is exported is what was evaluated, proven in a process that does not know the project."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from datasets.spec import DatasetSpec
from models import catalog
from models.servable import SIGNATURES
from pipeline import examples, facts, fresh_process, json_file, parity, trained
from pipeline.errors import GateError, UserError
from pipeline.steps import export

SECTIONS = ("input", "model", "export")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tiny_recipe, ingested) -> dict[str, Path]:
    """Folders such as train and evaluate leave, with a net that has learnt nothing and a gate that passed."""
    train, evaluate = tmp_path_factory.mktemp("train"), tmp_path_factory.mktemp("evaluate")
    spec = DatasetSpec.read(ingested / "spec.json")
    model = catalog.build(tiny_recipe.model.name, spec.num_classes, tiny_recipe.model.options)
    model.save_weights(train / trained.WEIGHTS)
    metrics = {"dataset": "camvid", "split": "val", "images": 4, "miou": 0.5, "image_miou": {"a": 1}, "confusion": []}
    json_file.write(evaluate / "metrics.json", metrics)
    json_file.write(evaluate / "verdict.json", {"passed": True, "checks": []})
    return {"ingest": ingested, "train": train, "evaluate": evaluate}


@pytest.fixture(scope="module")
def exported(tmp_path_factory, tiny_recipe, inputs) -> Path:
    """The step's folder. Starts the fresh process, the dearest part, once."""
    out = tmp_path_factory.mktemp("export")
    export.run(tiny_recipe.only(SECTIONS), inputs, out)
    return out


def test_every_signature_gave_the_same_class_maps(exported):
    result = json_file.read(exported / "parity.json")
    assert result["passed"] and result["images"] == 2 and result["pixels"] == 2 * 72 * 96
    assert set(result["signatures"]) == set(SIGNATURES)
    assert result["different_pixels"] <= 1e-4 * result["pixels"]


def test_the_saved_model_is_the_trained_model(exported, tiny_recipe, inputs):
    example = next(examples.read(inputs["ingest"] / "records", "val"))
    classify = tf.saved_model.load(str(exported / "saved_model")).signatures["serving_default"]
    found = classify(images=tf.constant(example.image[None]))["classes"].numpy()[0]
    model = trained.load(inputs["train"], tiny_recipe.model, 11)
    assert (found != trained.class_map(model, example.image, None)).mean() <= 1e-4


def test_a_process_that_knows_the_project_proves_nothing(exported, inputs, tmp_path, capsys):
    example = next(examples.read(inputs["ingest"] / "records", "val"))
    request, response = tmp_path / "request.npz", tmp_path / "response.npz"
    np.savez(request, image_0=example.image, bytes_0=np.frombuffer(example.encoded, np.uint8))
    assert fresh_process.main(str(exported / "saved_model"), str(request), str(response)) == 1
    assert "imported the project's datasets, models, pipeline" in capsys.readouterr().err
    with np.load(response) as answers:
        assert set(answers.files) == {f"{name}_0" for name in SIGNATURES}


def test_the_model_says_what_it_is(exported):
    told = facts.read(exported / "saved_model")
    assert len(told["classes"]) == len(told["colours"]) == 11 and told["ignore"] == 255
    assert told["data"]["name"] == "camvid" and told["data"]["licence"] and told["data"]["citation"]
    assert told["metrics"] == {"dataset": "camvid", "split": "val", "images": 4, "miou": 0.5}
    assert set(told["signatures"]) == set(SIGNATURES)


def test_nothing_of_the_step_names_its_folder(exported):
    assert str(exported) not in json.dumps(json_file.read(exported / "parity.json"))
    assert str(exported).encode() not in (exported / "saved_model" / "saved_model.pb").read_bytes()


def test_a_failed_gate_stops_the_export_and_names_every_check(tiny_recipe, inputs, tmp_path):
    evaluate = tmp_path / "evaluate"
    shutil.copytree(inputs["evaluate"], evaluate)
    checks = [
        {"check": "mIoU", "required": 0.9, "received": 0.5, "passed": False, "note": ""},
        {"check": "other", "required": 0.1, "received": 0.5, "passed": True, "note": ""},
    ]
    json_file.write(evaluate / "verdict.json", {"passed": False, "checks": checks})
    (tmp_path / "out").mkdir()
    with pytest.raises(GateError, match=r"mIoU: required at least 0\.9000, received 0\.5000") as error:
        export.run(tiny_recipe.only(SECTIONS), {**inputs, "evaluate": evaluate}, tmp_path / "out")
    assert "other" not in str(error.value)
    assert not list((tmp_path / "out").iterdir())


def result_of(monkeypatch, answers) -> dict:
    """Compare made-up answers of one signature with an empty class map of 100 x 100."""
    monkeypatch.setattr(parity, "_ask", lambda *_: {"serving_default_0": answers})
    return parity.check(Path(), [b""], [np.zeros((100, 100, 3), np.uint8)], [np.zeros((100, 100), np.uint8)])


@pytest.mark.parametrize(("different", "passed"), [(0, True), (1, True), (2, False)])
def test_more_than_one_pixel_in_ten_thousand_is_another_model(monkeypatch, different, passed):
    answer = np.zeros((100, 100), np.uint8)
    answer[0, :different] = 1
    result = result_of(monkeypatch, answer)
    assert result["different_pixels"] == different and result["passed"] is passed
    if passed:
        parity.require(result)
        return
    with pytest.raises(UserError, match="serving_default 2"):
        parity.require(result)


def test_a_class_map_of_another_size_differs_everywhere(monkeypatch):
    assert result_of(monkeypatch, np.zeros((50, 100), np.uint8))["different_pixels"] == 10_000


def test_a_model_that_cannot_be_loaded_is_told(tmp_path):
    with pytest.raises(RuntimeError, match="cannot be used in a fresh process"):
        parity.check(tmp_path, [b""], [np.zeros((2, 2, 3), np.uint8)], [np.zeros((2, 2), np.uint8)])
