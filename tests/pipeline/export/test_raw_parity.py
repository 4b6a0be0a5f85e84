"""No difference between ingest and serving reaches a published model: export compares raw files."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from datasets.image_folder import files, raw_samples
from datasets.image_folder.image_folder_dataset_builder import Builder
from datasets.raw import RawFolder
from models import catalog, exif, image_file
from pipeline.errors import UserError
from pipeline.export import facts, on_device, raw_parity
from pipeline.steps import export, ingest
from pipeline.training import trained_model
from pipeline.workspace import json_file
from tests.pipeline.export.photos import deep, mask, saved, turned, upright, write

LAYOUT = {
    "images": ["images/{id}.jpg", "images/{id}.png", "images/{id}.tif", "images/{id}.bmp"],
    "masks": "masks/{id}.png",
    "splits": {"ratios": {"train": 0.5, "val": 0.5}},
    "image": {"exif": "apply"},
    "mask": {"read": "ids"},
    "classes": [{"name": "background"}, {"name": "red"}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Photos of a phone, a scan, and a 16-bit image; all masks are upright."""
    folder = tmp_path_factory.mktemp("raw") / "my photos"
    for number in range(16):
        content = turned(upright(number), "JPEG", 6 if number < 10 else 1)
        write(folder / f"images/{number:02d}.jpg", content)
    write(folder / "images/16.png", saved(deep(), "PNG"))
    write(folder / "images/17.tif", saved(upright(17), "TIFF"))
    write(folder / "images/18.bmp", saved(upright(18).convert("P"), "BMP"))
    for number in range(19):
        write(folder / f"masks/{number:02d}.png", saved(Image.fromarray(mask()), "PNG"))
    (folder / "segline.yaml").write_text(json.dumps(LAYOUT), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def recipe(tiny_recipe, folder):
    data = tiny_recipe.data.model_copy(update={"name": "image_folder", "config": None, "manual_dir": folder})
    return tiny_recipe.model_copy(update={"data": data})


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, recipe, folder) -> dict[str, Path]:
    """What ingest made of the folder, an untrained network, and its metrics."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("ingest", "train", "evaluate")}
    ingest.run(recipe.only(("data", "ingest")), {"raw": folder}, folders["ingest"])
    trained_model.save(folders["train"], catalog.build(recipe.model.name, 2, recipe.model.options))
    metrics = {"dataset": "image_folder", "split": "val", "images": 4, "miou": 0.5, "image_miou": {}, "confusion": []}
    json_file.write(folders["evaluate"] / "metrics.json", metrics)
    (folders["evaluate"] / "per_image.npz").write_bytes(b"counts")
    return folders


def run(recipe, inputs, out: Path) -> None:
    export.run(recipe.only(("input", "model", "export")), inputs, out)


def test_ingest_keeps_files_of_each_kind(inputs, folder):
    samples = raw_samples.read(inputs["ingest"] / "records" / raw_samples.FOLDER)
    assert sorted({sample.kind for sample in samples}) == [
        "BMP P",
        "JPEG RGB",
        "JPEG RGB, turned 6",
        "PNG I;16",
        "TIFF RGB",
    ]
    assert all(sample.content == (folder / sample.name).read_bytes() for sample in samples)
    kinds = [sample.kind for sample in samples]
    assert max(map(kinds.count, kinds)) == raw_samples.EACH


def test_the_samples_are_read_as_in_training_and_the_user_sees_own_names(recipe, inputs, tmp_path, capsys):
    run(recipe, inputs, tmp_path)
    raw = json_file.read(tmp_path / "parity.json")["raw"]
    assert raw["passed"] and raw["files"] == sum(raw["kinds"].values()) == 7 and not raw["different"]
    assert [(entry["kind"], entry["by"]) for entry in raw["refused"]] == [("TIFF RGB", "signatures of bytes")]
    assert "7 raw files" in (shown := capsys.readouterr().out) and "signatures of bytes do not take TIFF RGB" in shown
    described = facts.read(tmp_path / "saved_model")
    assert described["image_exif"] == "apply" and described["image_range"] == [0, 65535]
    assert described["image_bands"] is None and described["data"]["name"] == "my photos"
    card = (tmp_path / "saved_model" / "README.md").read_text(encoding="utf-8")
    assert "trained on my photos" in card and "upright by its EXIF" in card
    assert "image_folder" not in card and "## Formats" not in card


def fast_dct(image, header, reading):
    del header, reading
    pixels = tf.io.decode_image(image, channels=3, expand_animations=False)
    pixels.set_shape([None, None, 3])
    return pixels


def of_stored(content, low, high, exif, bands=()):
    del exif
    return ORIGINAL(content, low, high, "ignore", bands)


ORIGINAL = files.record_image


@pytest.mark.parametrize(
    ("place", "name", "other", "messages"),
    [
        (exif, "orientation", lambda _: tf.constant(1), ["signatures of bytes: 24 x 40 pixels, in training 40 x 24"]),
        (exif, "turn", lambda pixels, _: pixels, ["signatures of bytes: 24 x 40 pixels"]),
        (files, "record_image", of_stored, ["predict and serve: 24 x 40 pixels, in training 40 x 24"]),
        (image_file, "_pixels", fast_dct, [r"JPEG RGB\), signatures of bytes: .*% of the values differ", "PNG I;16"]),
        (on_device, "_load", lambda image, **_: image.copy(), ["LiteRT and ONNX: 24 x 40 pixels, in training 40 x 24"]),
        (image_file, "_levels", lambda *_: np.zeros(65536, np.uint8), [r"16.png \(PNG I;16\), signatures of bytes"]),
    ],
    ids=["tag unread", "not turned", "predict as stored", "fast DCT", "on device as stored", "range"],
)
def test_a_difference_of_ingest_and_serving_is_refused(
    recipe, inputs, tmp_path, monkeypatch, place, name, other, messages
):
    monkeypatch.setattr(place, name, other)
    for message in ["other pixels than it was trained on", "Nothing was published", *messages]:
        with pytest.raises(UserError, match=message):
            run(recipe, inputs, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_signature_that_refuses_a_photo_without_reason_fails():
    file = raw_parity.RawFile("a.jpg", "JPEG RGB", saved(upright(), "JPEG"), np.asarray(upright()))

    def refuse(_):
        with tf.control_dependencies([tf.debugging.Assert(tf.constant(0) > 0, ["no photos today"])]):
            return tf.zeros([1, 1, 3], tf.uint8), tf.constant(1)

    class Images:
        def read(self, _):
            return np.asarray(upright())

    stored = {"max_pixels": 1000, "image_range": None, "image_exif": "ignore", "image_bands": None}
    result = raw_parity.check([file], Images(), refuse, stored)
    assert not result["passed"] and result["different"][0]["how"] == "refused: no photos today"


def test_a_folder_of_many_kinds_keeps_a_bounded_sample(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(raw_samples, "MOST", 3)
    raw = RawFolder(folder)
    splits = Builder(layout=folder / "segline.yaml", data_dir=tmp_path).find(raw)
    raw_samples.write(tmp_path / "samples", raw, splits)
    assert len(raw_samples.read(tmp_path / "samples")) == 3
    assert raw_samples.read(tmp_path / "nothing") == []
