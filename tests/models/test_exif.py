"""The EXIF orientation that the graph reads is Pillow's, and so is the picture that it turns upright."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps, PngImagePlugin

from models import exif

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8))
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def orientation():
    return tf.function(exif.orientation, input_signature=[tf.TensorSpec([], tf.string)])


@pytest.fixture(scope="module")
def turn():
    return tf.function(
        exif.turn, input_signature=[tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([], tf.int32)]
    )


def tiff(order: bytes, value: int, kind: int = 3) -> bytes:
    """A TIFF directory of a maker's name and an orientation: a SHORT (3) or a LONG (4)."""
    sign = "<" if order == b"II" else ">"
    stated = struct.pack(f"{sign}HH", value, 0) if kind == 3 else struct.pack(f"{sign}I", value)
    entries = struct.pack(f"{sign}HHI4s", 0x010F, 2, 1, b"A\0\0\0") + struct.pack(f"{sign}HHI", ORIENTATION, kind, 1)
    return order + struct.pack(f"{sign}HIH", 42, 8, 2) + entries + stated + bytes(4)


def xmp(value: int) -> str:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{value}"/></x:xmpmeta>'


def save(kind: str, **options) -> bytes:
    file = io.BytesIO()
    PICTURE.save(file, kind, **options)
    return file.getvalue()


def loaded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


FORMATS = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("JPEG", {"comment": b"x" * 300, "icc_profile": b"p" * 140_000}),
    ("PNG", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
]


@pytest.mark.parametrize("value", range(10))
@pytest.mark.parametrize(("kind", "options"), FORMATS)
def test_orientation_and_upright_picture_are_those_of_pillow(orientation, turn, kind, options, value):
    pillow = Image.Exif()
    pillow[ORIENTATION] = value
    for data in (pillow, b"Exif\0\0" + tiff(b"MM", value), b"Exif\0\0" + tiff(b"II", value, 4), tiff(b"II", value)):
        content = save(kind, exif=data, **options)
        image = loaded(content)
        stated = image.getexif().get(ORIENTATION, 1)
        read = int(orientation(content))
        assert read == (stated if 1 <= stated <= 8 else 1)
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        np.testing.assert_array_equal(turn(np.asarray(image.convert("RGB")), read).numpy(), expected)


@pytest.mark.parametrize("value", [1, 3, 8])
def test_an_orientation_in_xmp_counts_as_in_pillow(orientation, value):
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp(value))
    photos = [save("JPEG", xmp=xmp(value).encode()), save("WEBP", xmp=xmp(value).encode()), save("PNG", pnginfo=text)]
    for content in photos:
        assert int(orientation(content)) == loaded(content).getexif().get(ORIENTATION) == value


def test_files_without_a_statement_are_upright(orientation):
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF"):
        assert int(orientation(save(kind))) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_exif_as_text_is_refused_with_the_way_out(orientation, packed):
    """ImageMagick writes it into PNGs, in a form that can be as large as it likes once unpacked."""
    data = tiff(b"II", 6)
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n   {len(data)}\n{data.hex()}\n", zip=packed)
    content = save("PNG", pnginfo=text)
    assert loaded(content).getexif().get(ORIENTATION) == 6
    with pytest.raises(tf.errors.InvalidArgumentError, match="send it to `segline serve`"):
        orientation(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xe1\x00\x00",
        b"\xff\xd8\xff\xe1\xff\xffExif\0\0II",
        b"\xff\xd8\xff\xe1\x00\x10Exif\0\0MM\0*\xff\xff\xff\xff",
        b"\x89PNG\r\n\x1a\neXIf",
        b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffeXIf",
        b"RIFF\0\0\0\0WEBPEXIF\xff\xff\xff\xff",
    ],
)
def test_damage_is_no_orientation(orientation, content):
    assert int(orientation(content)) == 1


def test_a_file_of_endless_parts_is_given_up(orientation):
    with pytest.raises(tf.errors.InvalidArgumentError, match="20,000 parts"):
        orientation(b"\xff\xd8" + b"\xff" * 100_000)
