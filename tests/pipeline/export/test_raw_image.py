"""Predict and serve, the exported signatures, and ingest read one file to the same pixels."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from datasets.image_folder import files
from datasets.image_folder.classes import title_of
from datasets.spec import DatasetSpec
from models import image_file
from models.image_file import FULL_RANGE, Reading
from pipeline.export import facts, raw_image
from pipeline.export.raw_image import BadImageError, RawImages
from pipeline.workspace import json_file
from tests.pipeline.export.photos import BACK, HEIGHT, WIDTH, deep, saved, turned, upright

READINGS = {
    "apply": Reading(range=FULL_RANGE, upright=True),
    "ignore": Reading(range=FULL_RANGE),
    "published": Reading(upright=True),
}


def both(reading: Reading, limit: int = 10_000):
    """What predict and serve read with, and what the signatures do."""
    decode = tf.function(
        lambda content: image_file.decode_untrusted(content, limit, reading),
        input_signature=[tf.TensorSpec([], tf.string)],
    )
    return RawImages(reading, limit), decode


@pytest.fixture(scope="module", params=READINGS)
def readers(request):
    return READINGS[request.param], *both(READINGS[request.param])


PICTURE = upright()
GRAPH = {
    **{f"{kind} {value}": turned(PICTURE, kind, value) for kind in ("JPEG", "PNG", "WEBP") for value in BACK},
    **{f"PNG {mode}": saved(PICTURE.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA")},
    **{f"JPEG {mode}": saved(PICTURE.convert(mode), "JPEG") for mode in ("L", "CMYK")},
    **{f"BMP {mode}": saved(PICTURE.convert(mode), "BMP") for mode in ("L", "P", "RGB", "RGBA")},
    "WEBP lossless": saved(PICTURE, "WEBP", lossless=True),
}
ELSEWHERE = {
    **{f"TIFF {value}": turned(PICTURE, "TIFF", value) for value in BACK},
    "TIFF 16 bits": saved(deep(), "TIFF"),
    "TIFF float": saved(Image.fromarray(np.asarray(deep(), np.float32)), "TIFF"),
    "GIF": saved(PICTURE.convert("P"), "GIF"),
    "PPM": saved(PICTURE, "PPM"),
    "PGM": saved(PICTURE.convert("L"), "PPM"),
    "BMP 1 bit": saved(PICTURE.convert("1"), "BMP"),
}


def ingested(content: bytes, reading: Reading) -> np.ndarray:
    """What training decodes from the record of a file."""
    low, high = reading.range or FULL_RANGE
    record = files.record_image(content, low, high, "apply" if reading.upright else "ignore", reading.bands)
    return image_file.decode(record).numpy()


@pytest.mark.parametrize("name", [*GRAPH, *ELSEWHERE])
def test_one_file_has_one_answer(readers, name):
    reading, images, decode = readers
    content = {**GRAPH, **ELSEWHERE}[name]
    expected = ingested(content, reading)
    np.testing.assert_array_equal(images.read(content), expected)
    if name in GRAPH:
        pixels, orientation = decode(content)
        np.testing.assert_array_equal(pixels.numpy(), expected)
        assert int(orientation) == images.orientation(content)
    else:
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode(content)


@pytest.mark.parametrize("value", BACK)
def test_a_turned_file_is_seen_upright_and_turned_back(value):
    images, _ = both(READINGS["apply"])
    for kind in ("PNG", "WEBP", "TIFF"):
        content = turned(PICTURE, kind, value, **({"lossless": True} if kind == "WEBP" else {}))
        pixels = images.read(content)
        assert pixels.shape == (HEIGHT, WIDTH, 3)
        np.testing.assert_array_equal(pixels, np.asarray(PICTURE))
        stored = pixels if BACK[value] is None else np.asarray(PICTURE.transpose(BACK[value]))
        np.testing.assert_array_equal(raw_image.turn_back(pixels, images.orientation(content)), stored)
        np.testing.assert_array_equal(raw_image.turn_back(pixels[..., 0], value), stored[..., 0])


def test_16_bits_are_read_to_the_last_digit():
    for limits in (FULL_RANGE, (100.0, 5000.0)):
        images, decode = both(Reading(range=limits))
        content = saved(deep(), "PNG")
        expected = ingested(content, Reading(range=limits))
        np.testing.assert_array_equal(images.read(content), expected)
        np.testing.assert_array_equal(decode(content)[0].numpy(), expected)
    images, decode = both(Reading())  # published data: the high bytes, as training decodes the file itself
    np.testing.assert_array_equal(images.read(content), image_file.decode(content).numpy())
    np.testing.assert_array_equal(decode(content)[0].numpy(), image_file.decode(content).numpy())


def test_bands_are_chosen():
    reading = Reading(range=FULL_RANGE, upright=True, bands=(4, 3, 2))
    images, decode = both(reading)
    four = PICTURE.convert("RGBA")
    four.putalpha(upright(1).convert("L"))
    content = saved(four, "PNG")
    np.testing.assert_array_equal(images.read(content), np.asarray(four)[..., [3, 2, 1]])
    np.testing.assert_array_equal(decode(content)[0].numpy(), np.asarray(four)[..., [3, 2, 1]])
    with pytest.raises(BadImageError, match=r"it has 3, `image.bands` asks for \[4, 3, 2\]"):
        images.read(saved(PICTURE, "PNG"))


@pytest.mark.parametrize("name", READINGS)
def test_what_is_no_image_is_refused_in_one_line(name):
    images, _ = both(READINGS[name])
    several = io.BytesIO()
    PICTURE.save(several, "GIF", save_all=True, append_images=[upright(1)])
    hostile = {
        b"": "not an image of an accepted format",
        b"no image": "not an image of an accepted format: PNG, JPEG, BMP, TIFF, WEBP, GIF, PPM.",
        saved(PICTURE, "PNG")[:200]: "",
        saved(PICTURE, "JPEG")[:200]: "",
        saved(PICTURE, "TIFF")[:100]: "",
        several.getvalue(): "several images in one file",
        saved(Image.new("RGB", (101, 100)), "PNG"): "10000",
        saved(Image.new("RGB", (101, 100)), "TIFF"): "too large: 100x101 = 10100 pixels, allowed 10000",
        saved(Image.new("L", (101, 100)), "PPM"): "too large",
    }
    for content, message in hostile.items():
        with pytest.raises(BadImageError) as error:
            images.read(content)
        assert message in str(error.value) and "\n" not in str(error.value)


def test_the_reading_travels_from_the_spec():
    spec = DatasetSpec("image_folder", ("a", "b"), ((0, 0, 0), (1, 1, 1)), {}, (), "", "", "")
    assert raw_image.reading_of(spec) == Reading(upright=True)
    stated = {"image_range": [0, 4095], "image_exif": "ignore", "image_bands": [4, 3, 2]}
    assert raw_image.reading_of(stated) == Reading(range=(0, 4095), bands=(4, 3, 2))


def test_a_model_of_before_reads_pixels_as_stored(tmp_path):
    """Its signatures apply no orientation: predict and serve must not either."""
    (tmp_path / facts.FILE).parent.mkdir()
    older = {"format": facts.FORMAT, "classes": ["a", "b"], "colours": [], "size": None}
    json_file.write(tmp_path / facts.FILE, older | {key: {} for key in ("model", "signatures", "metrics", "data")})
    assert raw_image.reading_of(facts.read(tmp_path)) == Reading()


@pytest.mark.parametrize(("file", "title"), [("my cells/segline.yaml", "my cells"), ("layouts/cells.yaml", "cells")])
def test_data_have_the_name_that_the_user_gave_them(tmp_path, file, title):
    assert title_of(tmp_path / file) == title
