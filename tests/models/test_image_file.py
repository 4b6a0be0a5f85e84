"""Untrusted image files: decoded or a clean error, and never more memory than allowed."""

import contextlib
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from datasets.audit import BadFileError
from datasets.image_folder.files import record_image
from models import image_file
from models.image_file import FULL_RANGE, Reading

AS_STORED = Reading()
ALLOWED = 10_000
HUGE = (20_000, 20_000)


@pytest.fixture(scope="module")
def decode():
    """The decoder of untrusted files in a graph."""
    return tf.function(
        lambda image: image_file.decode_untrusted(image, ALLOWED, AS_STORED)[0],
        input_signature=[tf.TensorSpec([], tf.string)],
    )


def encode(kind: str, mode: str = "RGB", height: int = 16, width: int = 24, **options) -> bytes:
    image = np.full((height, width, 3), 200, np.uint8)
    image[:, width // 2 :] = 40
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, kind, **options)
    return file.getvalue()


def animation(kind: str) -> bytes:
    file = io.BytesIO()
    frames = [Image.fromarray(np.full((16, 24, 3), 60 * index, np.uint8)) for index in range(3)]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    return file.getvalue()


def png(width: int, height: int) -> bytes:
    """A PNG with this size in its header, and the pixels of 1 x 1."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(4))) + chunk(b"IEND", b"")


def bomb(width: int, height: int) -> bytes:
    """A complete PNG of this size, black, in a few kilobytes."""
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return file.getvalue()


def jpeg(width: int, height: int) -> bytes:
    """A JPEG with this size in its frame header."""
    content = bytearray(encode("JPEG"))
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def bmp(width: int, height: int) -> bytes:
    content = bytearray(encode("BMP"))
    content[18:26] = struct.pack("<ii", width, height)
    return bytes(content)


def webp(width: int, height: int) -> bytes:
    """An extended WebP with this canvas size in its header."""
    content = bytearray(encode("WEBP", "RGBA", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"))
    assert content[12:16] == b"VP8X"
    content[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(content)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        *(("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
        *(("JPEG", mode, {}) for mode in ("L", "RGB", "CMYK")),
        ("JPEG", "RGB", {"progressive": True}),
        ("BMP", "RGB", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("WEBP", "RGBA", {"lossless": True}),
    ],
)
@pytest.mark.parametrize("size", [(16, 24), (1, 1), (97, 3)])
def test_every_format_is_accepted_and_decoded_as_by_decode(decode, kind, mode, options, size):
    content = encode(kind, mode, *size, **options)
    pixels = decode(content).numpy()
    assert pixels.shape == (*size, 3)
    np.testing.assert_array_equal(pixels, image_file.decode(content).numpy())


def test_16_bits_and_a_top_down_bmp_are_accepted(decode):
    file = io.BytesIO()
    Image.fromarray(np.full((4, 5), 200 * 256 + 17, np.uint16)).save(file, "PNG")
    assert (decode(file.getvalue()).numpy() == 200).all()
    assert decode(bmp(24, -16)).shape == (16, 24, 3)


@pytest.mark.parametrize("image_range", [(0, 4095), (1000.5, 60000.25), (-300, 70000)])
def test_16_bits_are_scaled_as_by_ingest_and_8_bits_are_unchanged(image_range):
    decode = tf.function(
        lambda image: image_file.decode_untrusted(image, 1 << 16, Reading(range=image_range))[0],
        input_signature=[tf.TensorSpec([], tf.string)],
    )
    file = io.BytesIO()
    Image.fromarray(np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)).save(file, "PNG")
    ingested = np.asarray(Image.open(io.BytesIO(record_image(file.getvalue(), *image_range, "apply"))))
    assert len(np.unique(ingested)) > 200
    np.testing.assert_array_equal(decode(file.getvalue()).numpy(), np.stack([ingested] * 3, -1))
    for kind in ("PNG", "JPEG", "BMP", "WEBP"):
        content = encode(kind)
        np.testing.assert_array_equal(decode(content).numpy(), image_file.decode(content).numpy())
    for bad in (b"", bytes(40), file.getvalue()[:30]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode(bad)


def photo(height: int, width: int, seed: int = 0) -> Image.Image:
    """A smooth picture with noise, as a camera makes it."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    noise = rng.integers(-12, 13, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(coarse).astype(int) + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": 0},
        {"subsampling": 1, "progressive": True, "quality": 95},
        {"subsampling": 2},
        {"subsampling": 2, "progressive": True},
        {"subsampling": 2, "quality": 30},
        {"subsampling": "4:1:1"},
        {"keep_rgb": True},
        {"restart_marker_rows": 1},
    ],
)
@pytest.mark.parametrize("size", [(97, 131), (48, 64), (33, 7)])
def test_a_jpeg_has_the_values_that_pillow_reads(decode, mode, options, size):
    """With TensorFlow's fast DCT most values differ."""
    file = io.BytesIO()
    photo(*size).convert(mode).save(file, "JPEG", **options)
    expected = np.asarray(Image.open(file).convert("RGB"))
    np.testing.assert_array_equal(image_file.decode(file.getvalue()).numpy(), expected)
    if size != (97, 131):
        np.testing.assert_array_equal(decode(file.getvalue()).numpy(), expected)


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA"])
def test_a_bmp_has_the_colours_of_its_palette(decode, mode):
    file = io.BytesIO()
    photo(48, 64).convert(mode).save(file, "BMP")
    np.testing.assert_array_equal(decode(file.getvalue()).numpy(), np.asarray(Image.open(file).convert("RGB")))


def test_a_bmp_of_which_tensorflow_reads_other_pixels_is_refused(decode):
    for at, value in ((28, 1), (28, 4), (28, 16), (30, 1), (30, 2)):
        content = bytearray(encode("BMP"))
        content[at] = value
        with pytest.raises(tf.errors.InvalidArgumentError, match="A BMP must have 8, 24 or 32 bits"):
            decode(bytes(content))


@pytest.mark.parametrize("options", [{}, {"lossless": True}])
def test_a_webp_with_transparency_is_read(decode, options):
    cutout = photo(48, 64).convert("RGBA")
    cutout.putalpha(Image.fromarray(np.pad(np.full((24, 64), 255, np.uint8), ((0, 24), (0, 0)))))
    file = io.BytesIO()
    cutout.save(file, "WEBP", exact=True, **options)
    np.testing.assert_array_equal(decode(file.getvalue()).numpy(), np.asarray(Image.open(file).convert("RGB")))


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGBA")])
def test_a_fourth_band_that_is_no_transparency_is_refused_as_by_ingest(decode, kind, mode):
    picture = photo(48, 64).convert(mode)
    picture.putalpha(photo(48, 64, seed=1).convert("L"))
    file = io.BytesIO()
    picture.save(file, kind, **({"lossless": True} if kind == "WEBP" else {}))
    with pytest.raises(BadFileError, match="is no transparency"):
        record_image(file.getvalue(), *FULL_RANGE, "apply")
    with pytest.raises(tf.errors.InvalidArgumentError, match="is no transparency"):
        decode(file.getvalue())


def test_16_bit_colour_is_refused_where_a_range_is_set_as_by_ingest():
    def decode(content: bytes, limits: tuple[float, float]) -> np.ndarray:
        reading = Reading(range=limits)
        return tf.function(lambda image: image_file.decode_untrusted(image, ALLOWED, reading)[0])(content).numpy()

    content = tf.io.encode_png(np.full((4, 5, 3), 200 * 256 + 17, np.uint16)).numpy()
    with pytest.raises(BadFileError, match="16-bit colour"):
        record_image(content, 0, 4095, "apply")
    with pytest.raises(tf.errors.InvalidArgumentError, match="16-bit colour"):
        decode(content, (0, 4095))
    assert record_image(content, *FULL_RANGE, "apply") == content
    np.testing.assert_array_equal(decode(content, FULL_RANGE), image_file.decode(content).numpy())


@pytest.mark.parametrize("bands", [(1, 2, 3), (4, 3, 2), (4,)])
def test_chosen_bands_are_those_of_ingest(bands):
    reading = Reading(range=FULL_RANGE, bands=bands)
    decode = tf.function(
        lambda image: image_file.decode_untrusted(image, ALLOWED, reading)[0],
        input_signature=[tf.TensorSpec([], tf.string)],
    )
    picture = photo(48, 64).convert("RGBA")
    picture.putalpha(photo(48, 64, seed=1).convert("L"))
    for mode in ("RGBA", "RGB"):
        file = io.BytesIO()
        picture.convert(mode).save(file, "PNG")
        if max(bands) > len(mode):
            with pytest.raises(tf.errors.InvalidArgumentError, match="8-bit RGB or RGBA"):
                decode(file.getvalue())
            continue
        record = record_image(file.getvalue(), *FULL_RANGE, "apply", bands)
        np.testing.assert_array_equal(decode(file.getvalue()).numpy(), image_file.decode(record).numpy())
    with pytest.raises(tf.errors.InvalidArgumentError, match="`segline serve`"):
        decode(encode("JPEG"))


@pytest.mark.parametrize("content", [b"", b"\0", b"no image", b"<svg/>", bytes(40), encode("TIFF"), animation("GIF")])
def test_other_formats_are_refused(decode, content):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        decode(content)
    assert image_file.reason(error.value) == f"This is not an image of an accepted format: {image_file.FORMATS}."


def test_an_animated_webp_is_refused(decode):
    with pytest.raises(tf.errors.InvalidArgumentError, match="WebP without animation"):
        decode(animation("WEBP"))


@pytest.mark.parametrize("make", [png, jpeg, bmp, webp, bomb])
@pytest.mark.parametrize("size", [(101, 100), (100, 101)])
def test_more_pixels_than_allowed_are_refused_by_the_header(decode, make, size):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        decode(make(*size))
    message = f"The image says it is {size[0]} x {size[1]} pixels. At most 10000 are accepted."
    assert image_file.reason(error.value) == message


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_an_image_without_a_pixel_is_refused(decode, size):
    for make in (png, bmp):
        with pytest.raises(tf.errors.InvalidArgumentError, match="at least one"):
            decode(make(*size))
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(jpeg(*size))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP"])
def test_a_truncated_file_is_an_error_in_one_line_wherever_it_ends(decode, kind):
    content = encode(kind)
    for length in sorted({*range(1, 48), len(content) // 2}):
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            decode(content[:length])
        message = image_file.reason(error.value)
        assert message and "\n" not in message and "{{" not in message and "Detected" not in message


def test_damage_anywhere_never_ends_the_process(decode):
    rng = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "BMP", "WEBP"):
        content = np.frombuffer(encode(kind), np.uint8)
        for _ in range(60):
            damaged = content.copy()
            damaged[rng.integers(0, len(damaged), 4)] = rng.integers(0, 256, 4)
            with contextlib.suppress(tf.errors.InvalidArgumentError):
                assert decode(damaged.tobytes()).numpy()[..., 0].size <= ALLOWED


SCRIPT = """
import resource, sys
import tensorflow as tf
from models import image_file
reading = image_file.Reading(upright=True)
decode = tf.function(
    lambda image: image_file.decode_untrusted(image, 10_000, reading), input_signature=[tf.TensorSpec([], tf.string)]
)
decode(open(sys.argv[1], "rb").read())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[2:]:
    try:
        decode(open(path, "rb").read())
        sys.exit("accepted: " + path)
    except tf.errors.InvalidArgumentError:
        pass
print("grown by MB:", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_400_megapixels_in_a_header_take_no_memory(tmp_path: Path):
    (tmp_path / "small").write_bytes(encode("PNG"))
    for make in (png, jpeg, bmp, bomb):
        (tmp_path / make.__name__).write_bytes(make(*HUGE))
    (tmp_path / "webp").write_bytes(webp(16_000, 16_000))
    paths = [str(tmp_path / name) for name in ("small", "png", "jpeg", "bmp", "bomb", "webp")]
    shown = subprocess.run(
        [sys.executable, "-c", SCRIPT, *paths],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert int(shown.stdout.split(":")[1]) < 100  # decompressed, one of them needs 1,200
