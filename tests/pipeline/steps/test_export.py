"""The exported model is the evaluated one, as a process without the project confirms."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from datasets.spec import DatasetSpec
from models import catalog, libraries
from models.errors import ModelError
from models.fit import Fit
from models.servable import OUTPUTS, SIGNATURES
from pipeline.config.export import ExportConfig
from pipeline.errors import GateError, UserError
from pipeline.export import facts, formats, fresh_process, model_card, on_device, parity
from pipeline.input import examples
from pipeline.serving.served_model import ServedModel
from pipeline.steps import export
from pipeline.training import trained_model
from pipeline.workspace import json_file
from tests.pipeline.export.runtimes import provide_litert

SECTIONS = ("input", "model", "export")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tiny_recipe, ingested) -> dict[str, Path]:
    """Folders of the earlier steps: data with an image range, an untrained network and its metrics."""
    train, evaluate = tmp_path_factory.mktemp("train"), tmp_path_factory.mktemp("evaluate")
    ingest = tmp_path_factory.mktemp("ingest")
    (ingest / "records").symlink_to(ingested / "records")
    spec = replace(DatasetSpec.read(ingested / "spec.json"), image_range=(0, 4095))
    spec.write(ingest / "spec.json")
    model = catalog.build(tiny_recipe.model.name, spec.num_classes, tiny_recipe.model.options)
    trained_model.save(train, model)
    metrics = {"dataset": "camvid", "split": "val", "images": 4, "miou": 0.5, "image_miou": {"a": 1}, "confusion": []}
    json_file.write(evaluate / "metrics.json", metrics)
    (evaluate / "per_image.npz").write_bytes(b"counts")
    return {"ingest": ingest, "train": train, "evaluate": evaluate}


@pytest.fixture(scope="module")
def exported(tmp_path_factory, tiny_recipe, inputs) -> Path:
    """The step's folder, made once, as the fresh process is the slowest part."""
    out = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as monkeypatch:
        provide_litert(monkeypatch)
        names = [name for name in formats.FILES if not libraries.missing(name)]
        export.run(with_export(tiny_recipe, outputs=OUTPUTS, formats=names, max_drop=1.0), inputs, out)
    return out


def with_export(recipe, **settings):
    """Return the step's part of the recipe, with some settings of its export section changed."""
    changed = ExportConfig.model_validate({**recipe.export.model_dump(), **settings})
    return recipe.model_copy(update={"export": changed}).only(SECTIONS)


def test_every_signature_returns_the_same_class_maps(exported):
    result = json_file.read(exported / "parity.json")
    assert result["passed"] and result["images"] == 2 and result["pixels"] == 2 * 72 * 96
    assert set(result["signatures"]) == set(SIGNATURES)
    assert result["different_pixels"] <= 1e-4 * result["pixels"]


def test_the_saved_model_is_the_trained_model(exported, tiny_recipe, inputs):
    example = next(examples.read(inputs["ingest"] / "records", "val"))
    classify = tf.saved_model.load(str(exported / "saved_model")).signatures["serving_default"]
    classes = classify(images=tf.constant(example.image[None]))["classes"].numpy()[0]
    model = trained_model.load(inputs["train"], tiny_recipe.model, 11)
    assert (classes != trained_model.class_map(model, example.image, None)).mean() <= 1e-4


def test_the_check_fails_in_a_process_that_imports_the_project(inputs, tmp_path, capsys):
    class Red(tf.Module):
        """The smallest servable model: one signature, no network."""

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")])
        def classify(self, images):
            return {"classes": images[..., 0]}

    module = Red()
    tf.saved_model.save(module, tmp_path / "model", signatures={"serving_default": module.classify})
    example = next(examples.read(inputs["ingest"] / "records", "val"))
    request, response = tmp_path / "request.npz", tmp_path / "response.npz"
    np.savez(request, image_0=example.image, bytes_0=np.frombuffer(example.encoded, np.uint8))
    assert fresh_process.main(str(tmp_path / "model"), str(request), str(response)) == 1
    assert "imported the project's datasets, models, pipeline" in capsys.readouterr().err
    with np.load(response) as outputs:
        np.testing.assert_array_equal(outputs["serving_default_0"], example.image[..., 0])


def test_the_facts_describe_the_model(exported):
    described = facts.read(exported / "saved_model")
    assert len(described["classes"]) == len(described["colours"]) == 11 and described["ignore"] == 255
    data = described["data"]
    assert data["name"] == "camvid" and data["licence"] and data["citation"]
    assert described["metrics"] == {"dataset": "camvid", "split": "val", "images": 4, "miou": 0.5}
    assert set(described["signatures"]) == set(SIGNATURES)


def test_16_bit_images_are_served_as_they_were_trained_on(exported):
    folder, file = exported / "saved_model", io.BytesIO()
    assert facts.read(folder)["image_range"] == [0, 4095]
    assert "In a 16-bit grey image 0 is read as 0 and 4095 as 255" in (folder / "README.md").read_text(encoding="utf-8")
    deep = np.random.default_rng(0).integers(0, 4096, (72, 96), np.uint16)
    Image.fromarray(deep).save(file, "PNG")
    converted = np.stack([np.rint(deep * (255 / 4095)).astype(np.uint8)] * 3, -1)
    model = ServedModel(folder)
    np.testing.assert_array_equal(model.images.read(file.getvalue()), converted)
    of_bytes = tf.saved_model.load(str(folder)).signatures["serving_bytes"]
    response = of_bytes(image_bytes=tf.constant([file.getvalue()]))["png_bytes"][0]
    np.testing.assert_array_equal(tf.io.decode_png(response)[..., 0].numpy(), model.classify(converted[None])[0])


def test_the_folder_holds_labels_and_a_model_card(exported):
    labels = (exported / "saved_model" / "assets.extra" / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert labels == facts.read(exported / "saved_model")["classes"]
    card = (exported / "saved_model" / "README.md").read_text(encoding="utf-8")
    for heading in ("Intended use", "Data", "Metrics", "Limits", "Signatures"):
        assert f"\n## {heading}\n" in card
    assert "Licence:" in card and "| mIoU | 0.5000 |" in card and "## Formats" in card


def test_the_model_card_names_weak_and_unmeasured_classes(exported):
    described = facts.read(exported / "saved_model")
    classes = [
        {"name": name, "iou": iou, "accuracy": 0.5} for name, iou in (("Sky", 0.9), ("Pole", 0.1), ("Car", None))
    ]
    described["metrics"] |= {"per_class": classes, "absent": ["Car"], "inference": {"flip": True}}
    card = model_card.text(described, "For the test.")
    assert "Weak classes (IoU): Pole 0.10." in card and "no image shows them: Car." in card
    described["data"]["homepage"] = ""
    assert f"\n{described['data']['name']}. Licence: " in model_card.text(described, "")
    assert (
        "the served model predicts the whole image once" in card
        and "For the test." in card
        and model_card.INTENDED not in card
    )


def test_a_pixel_limit_below_the_size_of_the_datasets_images_is_refused(tiny_recipe, inputs, tmp_path):
    with pytest.raises(UserError, match=r"export.max_pixels is 100, and image '.*' .* has 96 x 72"):
        export.run(with_export(tiny_recipe, max_pixels=100, outputs=["argmax"]), inputs, tmp_path)
    assert not list(tmp_path.iterdir())  # it is refused before anything is written


def test_every_format_is_measured_and_the_exact_ones_match_the_evaluated_model(exported):
    rows = {row["format"]: row for row in json_file.read(exported / "formats.json")}
    saved, *names = rows
    assert saved == "SavedModel" and set(names) >= {"litert_float32", "litert_float16", "litert_int8"}
    for name in names:
        assert (exported / "saved_model" / "assets.extra" / rows[name]["file"]).is_file()
        assert rows[name]["milliseconds"] > 0 and 0 <= rows[name]["miou"] <= 1
        limit = 0 if name in formats.EXACT else 0.5  # two epochs leave near ties, which int8 rounds either way
        assert rows[name]["different_pixels"] <= max(limit, parity.MAX_SHARE)
        assert abs(rows[name]["miou_drop"]) < (0.001 if name in formats.EXACT else 0.05)
    megabytes = [rows[f"litert_{precision}"]["megabytes"] for precision in ("int8", "float16", "float32")]
    assert megabytes == sorted(megabytes)
    assert facts.read(exported / "saved_model")["formats"] == list(rows.values())
    assert formats.FILES[names[0]] in (exported / "saved_model" / "README.md").read_text(encoding="utf-8")


def test_int8_is_calibrated_on_the_training_split(inputs, tmp_path, monkeypatch):
    seen, records = [], inputs["ingest"] / "records"
    monkeypatch.setattr(formats.litert, "Network", lambda *_: None)
    monkeypatch.setattr(formats.litert, "convert", lambda *arguments: seen.extend(arguments[-1]) or b"")
    formats.write(tmp_path, None, Fit((72, 96)), ("litert_int8",), records)
    np.testing.assert_array_equal(seen, [example.image for example in examples.read(records, "train")])
    assert (tmp_path / "on_device.py").read_bytes() == Path(on_device.__file__).read_bytes()


def row(name: str, *, differ: float = 0.0, drop: float | None = 0.0) -> dict:
    return {"format": name, "different_pixels": differ, "miou_drop": drop}


def test_all_formats_that_differ_from_the_model_are_named():
    good = [row("SavedModel"), row("onnx", differ=1e-4, drop=0.02), row("litert_int8", differ=0.3, drop=0.02)]
    good.append(row("litert_float16", differ=2e-3, drop=0.02))  # its weights are rounded: only its mIoU counts
    formats.require(good, 0.02)
    bad = [row("onnx", differ=2e-4), row("litert_int8", drop=0.03), row("litert_float16", differ=0.1, drop=None)]
    with pytest.raises(GateError) as error:
        formats.require([*good, *bad], 0.02)
    lines = str(error.value).splitlines()[1:4]
    assert "onnx: 0.0200% of the pixels differ; allowed: 0.0100%" in lines[0]
    assert "litert_int8: its mIoU is 0.0300 lower; allowed: 0.02" in lines[1] and "litert_float16" in lines[2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"outputs": ["confidence"]}, "must hold argmax"), ({"formats": ["onnx", "onnx"]}, "must name each once")],
)
def test_wrong_outputs_and_formats_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ExportConfig.model_validate(settings)


def test_missing_libraries_are_reported_before_anything_runs(monkeypatch):
    monkeypatch.setattr(libraries, "NEEDED", {"onnx": ("of_nobody", "onnx_of_nobody"), "litert": ("of_nobody",)})
    libraries.require(())
    with pytest.raises(ModelError, match=r"onnx needs of_nobody, onnx_of_nobody: pip install 'segline\[onnx\]'"):
        libraries.require(("onnx",))
    with pytest.raises(ModelError, match=r"litert needs of_nobody: pip install 'segline\[litert\]'"):
        libraries.require(("litert_int8", "litert_float32"))


def test_the_exported_files_do_not_hold_the_path_of_their_folder(exported):
    assert str(exported) not in json.dumps(json_file.read(exported / "parity.json"))
    assert str(exported).encode() not in (exported / "saved_model" / "saved_model.pb").read_bytes()


def result_of(monkeypatch, classes) -> dict:
    """Compare a made-up response of one signature with an empty class map of 100 x 100."""
    monkeypatch.setattr(parity, "_call", lambda *_: {"serving_default_0": classes})
    return parity.check(Path(), [b""], [np.zeros((100, 100, 3), np.uint8)], [np.zeros((100, 100), np.uint8)])


@pytest.mark.parametrize(("different", "passed"), [(0, True), (1, True), (2, False)])
def test_more_than_one_different_pixel_in_ten_thousand_fails(monkeypatch, different, passed):
    classes = np.zeros((100, 100), np.uint8)
    classes[0, :different] = 1
    result = result_of(monkeypatch, classes)
    assert result["different_pixels"] == different and result["passed"] is passed
    if passed:
        parity.require(result)
        return
    with pytest.raises(UserError, match="serving_default 2"):
        parity.require(result)


def test_a_class_map_of_another_size_differs_everywhere(monkeypatch):
    assert result_of(monkeypatch, np.zeros((50, 100), np.uint8))["different_pixels"] == 10_000


def test_a_model_that_cannot_be_loaded_is_reported(tmp_path, monkeypatch):
    np.savez(tmp_path / "request.npz", image_0=np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(OSError, match="SavedModel file does not exist"):  # so that the process fails
        fresh_process.main(str(tmp_path), str(tmp_path / "request.npz"), str(tmp_path / "response.npz"))
    failing = tmp_path / "failing.py"
    failing.write_text("raise OSError('SavedModel file does not exist')")
    monkeypatch.setattr(fresh_process, "__file__", str(failing))
    with pytest.raises(RuntimeError, match=r"(?s)cannot be used in a fresh process.*file does not exist"):
        parity.check(tmp_path, [b""], [np.zeros((2, 2, 3), np.uint8)], [np.zeros((2, 2), np.uint8)])
