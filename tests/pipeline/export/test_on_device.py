"""A program beside a LiteRT or ONNX file reads what predict and serve read, to the pixel, and answers the same."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from datasets.audit import BadFileError
from datasets.image_folder import files
from models import image_file, libraries, litert, onnx_file, segmenter
from models.fit import Fit
from models.image_file import FULL_RANGE, Reading
from pipeline.export import on_device
from pipeline.export.formats import _for
from tests.pipeline.export.photos import deep, saved, turned, upright
from tests.pipeline.export.runtimes import provide_litert
from tests.pipeline.export.test_raw_image import ELSEWHERE, GRAPH, PICTURE, READINGS, ingested


def facts_of(reading: Reading, limit: int = 10_000) -> dict:
    return {
        "image_range": reading.range,
        "image_exif": "apply" if reading.upright else "ignore",
        "image_bands": list(reading.bands),
        "max_pixels": limit,
    }


@pytest.mark.parametrize("name", [*GRAPH, *ELSEWHERE])
@pytest.mark.parametrize("reading", READINGS)
def test_every_format_is_read_as_in_training(name: str, reading: str) -> None:
    content = {**GRAPH, **ELSEWHERE}[name]
    expected = ingested(content, READINGS[reading])
    np.testing.assert_array_equal(on_device.read(content, facts_of(READINGS[reading])), expected)


def test_16_bits_and_bands_are_read_as_in_training() -> None:
    content = saved(deep(), "PNG")
    for reading in (Reading(range=(100.0, 5000.0)), Reading(range=FULL_RANGE)):
        np.testing.assert_array_equal(on_device.read(content, facts_of(reading)), ingested(content, reading))
    as_stored = on_device.read(content, facts_of(Reading()))  # published data: the high bytes
    np.testing.assert_array_equal(as_stored, image_file.decode(content).numpy())
    four = PICTURE.convert("RGBA")
    four.putalpha(upright(1).convert("L"))
    for bands in ((4, 3, 2), (4,)):
        reading = Reading(range=FULL_RANGE, upright=True, bands=bands)
        for kind in ("PNG", "TIFF"):
            content = saved(four, kind)
            np.testing.assert_array_equal(on_device.read(content, facts_of(reading)), ingested(content, reading))
    with pytest.raises(ValueError, match=r"It has 3 bands; the model sees \[4\]"):
        on_device.read(saved(PICTURE, "PNG"), facts_of(reading))


def soft(kind: str) -> bytes:
    """A picture whose fourth band holds two values that are neither clear nor opaque."""
    four = PICTURE.convert("RGBA")
    four.putalpha(Image.fromarray(np.where(np.asarray(PICTURE)[..., 0] > 100, 100, 200).astype(np.uint8)))
    return saved(four, kind, **({"lossless": True} if kind == "WEBP" else {}))


REFUSED = {
    "nothing": b"",
    "no image": b"no image",
    "half a PNG": saved(PICTURE, "PNG")[:200],
    "half a TIFF": saved(PICTURE, "TIFF")[:100],
    "frames": saved(PICTURE, "GIF", save_all=True, append_images=[upright(1)]),
    "pages": saved(PICTURE, "TIFF", save_all=True, append_images=[upright(1)]),
    "animation": saved(PICTURE, "WEBP", save_all=True, append_images=[upright(1)]),
    "CMYK TIFF": saved(PICTURE.convert("CMYK"), "TIFF"),
    "soft PNG": soft("PNG"),
    "soft WEBP": soft("WEBP"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_ingest_refuses_is_refused_everywhere(name: str) -> None:
    reading = READINGS["apply"]
    with pytest.raises(BadFileError):
        files.record_image(REFUSED[name], *FULL_RANGE, "apply")
    with pytest.raises(ValueError, match=r".") as error:
        on_device.read(REFUSED[name], facts_of(reading))
    assert "\n" not in str(error.value)
    with pytest.raises(tf.errors.InvalidArgumentError):
        image_file.decode_untrusted(tf.constant(REFUSED[name]), 10_000, reading)


def test_an_image_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 100 pixels"):
        on_device.read(saved(PICTURE, "PNG"), facts_of(Reading(), limit=100))


FITS = [
    Fit((32, 48), how, padding)
    for how, padding in (("resize", "constant"), ("resize_pad", "constant"), ("resize_pad", "reflect"))
] + [Fit((32, 48), "pad", padding) for padding in ("constant", "reflect", "symmetric", "wrap")]


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(32, 48), (20, 30), (75, 40), (9, 33)])
def test_sizes_are_fitted_as_for_the_evaluated_model(fit: Fit, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    facts = {"fit": {"how": fit.how, "padding": fit.padding}}
    own = _for(image, fit)
    expected = segmenter.fit_images(image[None], own).numpy()
    np.testing.assert_allclose(on_device.to_input(image, fit.size, facts), expected, atol=1e-3)
    logits = np.random.default_rng(1).normal(size=(1, *fit.size, 5)).astype(np.float32)
    restored = segmenter.restore_size(tf.constant(logits), tf.constant(shape), own).numpy()[0]
    classes = on_device.to_classes(logits, shape, facts)
    top, second = np.sort(restored, -1)[..., -1], np.sort(restored, -1)[..., -2]
    differ = classes != restored.argmax(-1)
    assert classes.shape == shape and not (differ & (top - second > 1e-4)).any()


class Red(tf.Module):
    """Class 1 where the picture is red: a network of one size, as litert.Network."""

    @tf.function(input_signature=[tf.TensorSpec([1, *PICTURE.size[::-1], 3], tf.float32, name="image")])
    def infer(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": tf.reverse(image[..., :2], [-1])}


def converted(name: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Convert Red, and provide what runs it."""
    if name == "model.onnx":
        if libraries.missing("onnx"):
            pytest.skip("ONNX Runtime is not installed here (pip install 'segline[onnx]')")
        return onnx_file.convert(Red())  # type: ignore[arg-type]
    provide_litert(monkeypatch)
    return litert.convert(Red(), "float32", ())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["model_float32.tflite", "model.onnx"])
def test_a_file_is_segmented_from_the_command_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {**facts_of(READINGS["apply"]), "fit": None}
    (tmp_path / "segline.json").write_text(json.dumps(facts), encoding="utf-8")
    (tmp_path / "photo.png").write_bytes(turned(PICTURE, "PNG", 6))  # it lies on its side
    (tmp_path / name).write_bytes(converted(name, monkeypatch))
    monkeypatch.setattr(on_device, "__file__", str(tmp_path / "on_device.py"))
    on_device.main(str(tmp_path / name), str(tmp_path / "photo.png"), str(tmp_path / "classes.png"))
    red = np.asarray(PICTURE)[..., 0] > np.asarray(PICTURE)[..., 1]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "classes.png")), red)
