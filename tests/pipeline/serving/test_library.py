"""`segline.load`: one answer for a file, an image of Pillow and an array, and the sentences of wrong ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segline
from pipeline.export import facts
from tests.pipeline.serving.toy import draw


@pytest.fixture(scope="module")
def loaded(red_model: Path) -> "segline.Model":
    return segline.load(red_model)


def test_the_newest_version_is_loaded(loaded: "segline.Model", red_model: Path) -> None:
    assert loaded.path == red_model / "3" and loaded.classes == ("dark", "red")
    assert "fast on toy, 2 classes" in repr(loaded) and "CC0" in loaded._repr_html_()


@pytest.mark.parametrize("kind", ["path", "text", "pillow", "array"])
def test_every_kind_of_image_has_the_same_answer(kind: str, loaded: "segline.Model", tmp_path: Path) -> None:
    path = draw(tmp_path / "photo.png")
    given = {"path": path, "text": str(path), "pillow": Image.open(path), "array": np.asarray(Image.open(path))}
    prediction = loaded.predict(given[kind])
    assert prediction.ids.dtype == np.uint8 and prediction.ids.tolist() == [[0] * 4 + [1] * 4] * 6
    assert prediction.probabilities.shape == (6, 8, 2)
    assert (prediction.probabilities.argmax(-1) == prediction.ids).all()
    assert prediction.overlay.size == (8, 6) and prediction.overlay.getpixel((7, 0)) == (100, 0, 128)
    assert [(row["name"], row["pixels"], row["share"]) for row in prediction.classes] == [
        ("dark", 24, 0.5),
        ("red", 24, 0.5),
    ]
    assert "data:image/jpeg" in prediction._repr_html_() and repr(prediction).startswith("Prediction(6 x 8 pixels:")


@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_an_image_of_pillow_is_read_as_its_file_is(mode: str, loaded: "segline.Model", tmp_path: Path) -> None:
    """A phone's photo lies, and says so; the model sees it upright, from a file and from Pillow."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.open(draw(tmp_path / "photo.png")).convert(mode)
    image.save(tmp_path / "lying.png", exif=exif)
    of_file, of_pillow = (loaded.predict(given(tmp_path / "lying.png")) for given in (Path, Image.open))
    assert of_file.ids.shape == (8, 6) and (of_file.image == of_pillow.image).all()
    as_cmyk = loaded.predict(Image.open(tmp_path / "photo.png").convert("CMYK"))
    assert as_cmyk.ids.tolist() == [[0] * 4 + [1] * 4] * 6


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 3)), r"must be uint8 \[H,W,3\] of RGB in 0..255. Received: float64 \[4, 4, 3\]"),
        (np.zeros((4, 4), np.uint8), r"Received: uint8 \[4, 4\]"),
        (7, "image must be the path of a file, an image of Pillow, or an array .* Received: int"),
        ("nowhere.png", "nowhere.png: No such file or directory"),
        (Path(__file__), "test_library.py: This is not an image of an accepted format"),
    ],
)
def test_what_is_no_image_is_refused(image: object, message: str, loaded: "segline.Model") -> None:
    with pytest.raises(segline.Error, match=message):
        loaded.predict(image)


def test_a_model_without_probabilities_says_so(red_model: Path, tmp_path: Path) -> None:
    shutil.copytree(red_model / "3", tmp_path / "model")
    content = json.loads((tmp_path / "model" / facts.FILE).read_text())
    del content["signatures"]["probabilities"]
    (tmp_path / "model" / facts.FILE).write_text(json.dumps(content))
    with pytest.raises(segline.Error, match=r"has no signature 'probabilities'.*`export.outputs`"):
        segline.load(tmp_path / "model").probabilities(np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize(("place", "message"), [("serving/none", "there is no such folder"), ("", "is not a model")])
def test_what_is_no_model_is_refused(place: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(segline.Error, match=message):
        segline.load(tmp_path / place)
