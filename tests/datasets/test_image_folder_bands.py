"""Bands that are no colours, and several images in one file: chosen by the layout, or refused by name."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from datasets import audit
from datasets.audit import BadFileError, Kind
from datasets.image_folder import files, tiff_bands
from datasets.image_folder.classes import spec_of
from datasets.image_folder.image_folder_dataset_builder import reader_of
from tests.datasets.described_folder import as_layout, encoded

BANDS = np.random.default_rng(0).integers(0, 256, (20, 21, 6)).astype(np.uint8)
FRAMES = [Image.fromarray(BANDS[..., band]) for band in range(3)]


def several(kind: str, **options) -> bytes:
    file = io.BytesIO()
    FRAMES[0].save(file, kind, save_all=True, append_images=FRAMES[1:], **options)
    return file.getvalue()


def tiff(pixels: np.ndarray, order: str = "<", *, planar: bool = False, big: bool = False, **tags: object) -> bytes:
    """Write a TIFF [H, W, bands] of one strip (of one a band if `planar`); `tags` are t338=(0, 0)."""
    height, width, bands = pixels.shape
    stored = pixels.astype(pixels.dtype.newbyteorder(order))
    strips = [stored[..., band].tobytes() for band in range(bands)] if planar else [stored.tobytes()]
    start = 16
    offsets = [start + sum(map(len, strips[:index])) for index in range(len(strips))]
    bits = (pixels.dtype.itemsize * 8,) * bands
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    entries = {
        256: (width,),
        257: (height,),
        258: bits,
        259: (1,),
        262: (1,),
        273: offsets,
        277: (bands,),
        278: (height,),
        279: [len(strip) for strip in strips],
        284: (2 if planar else 1,),
        339: (kind,) * bands,
    }
    entries |= {int(tag[1:]): value for tag, value in tags.items()}
    offset, entry, amount = ("Q", "HHQ", "Q") if big else ("I", "HHI", "H")
    at = start + sum(map(len, strips))
    values_at = at + struct.calcsize(f"={amount}") + len(entries) * struct.calcsize(f"={entry}{offset}")
    values_at += struct.calcsize(f"={offset}")
    directory, values = struct.pack(order + amount, len(entries)), b""
    for tag, numbers in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(packed) > struct.calcsize(f"={offset}"):
            packed, values = struct.pack(order + offset, values_at + len(values)), values + packed
        packed = packed.ljust(struct.calcsize(f"={offset}"), b"\0")
        directory += struct.pack(order + entry, tag, 4, len(numbers)) + packed
    mark = b"II" if order == "<" else b"MM"
    head = struct.pack(f"{order}2sHHHQ", mark, 43, 8, 0, at) if big else struct.pack(f"{order}2sHI8x", mark, 42, at)
    return head + b"".join(strips) + directory + bytes(struct.calcsize(f"={offset}")) + values


def pixels_of(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def record(content: bytes, **image) -> np.ndarray:
    return pixels_of(reader_of(as_layout(image=image)).image(content))


# --- several images in one file --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words"),
    [("TIFF", "TIFF of 3 pages"), ("GIF", "GIF of 3 frames"), ("WEBP", "WEBP of 3 frames"), ("PNG", "PNG of 3 frames")],
)
def test_several_images_in_a_file_are_refused_as_image_and_as_mask(kind: str, words: str) -> None:
    content = several(kind)
    reader = reader_of(as_layout())
    bands = reader_of(as_layout(image={"bands": [1]}))
    for read in (reader.image, reader.mask, bands.image):
        with pytest.raises(
            BadFileError, match=f"{words}; only one can be read: write each into a file of its own"
        ) as e:
            read(content)
        assert e.value.kind is Kind.PAGES


def test_an_animated_png_is_refused_for_every_dataset() -> None:
    with pytest.raises(BadFileError, match="PNG of 3 frames"):
        audit.image_size(several("PNG"))


def test_previews_of_a_tiff_are_no_pages() -> None:
    file = io.BytesIO()
    small = Image.fromarray(BANDS[::2, ::2, 0])
    small.encoderinfo = {"tiffinfo": {254: 1}}
    FRAMES[0].save(file, "TIFF", save_all=True, append_images=[small])
    with Image.open(file) as image:
        assert image.n_frames == 2
    np.testing.assert_array_equal(record(file.getvalue()), BANDS[..., 0])
    np.testing.assert_array_equal(record(file.getvalue(), bands=[1]), BANDS[..., 0])


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG"])
def test_one_image_in_a_format_for_several_is_read(kind: str) -> None:
    grey = BANDS[..., 0]
    read = record(encoded(grey, kind))
    np.testing.assert_array_equal(read[..., 0] if read.ndim == 3 else read, grey)


# --- bands -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [2, 3, 4, 6])
def test_bands_of_every_tiff_are_read(order: str, planar: bool, big: bool, dtype: type, bands: int) -> None:
    pixels = BANDS[..., :bands].astype(dtype)
    read = tiff_bands.read(tiff(pixels, order, planar=planar, big=big))
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("predictor", [1, 2])
def test_compressed_bands_are_read(compression: str, predictor: int) -> None:
    content = encoded(BANDS[..., :4], "TIFF", compression=compression, tiffinfo={317: predictor})
    np.testing.assert_array_equal(tiff_bands.read(content), BANDS[..., :4])


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (tiff(BANDS[..., :4], t262=(2,), t338=(0,)), 4),
        (tiff(BANDS[..., :4], t262=(2,)), 4),
        (tiff(BANDS[..., :5], t262=(2,), t338=(0, 0)), 5),
        (tiff(BANDS[..., :5], t262=(2,), t338=(2, 0)), 5),
        (tiff(BANDS[..., :4].astype(np.uint16), t338=(0, 0, 0)), 4),
        (tiff(BANDS[..., :2]), 2),
        (tiff(BANDS), 6),
        (encoded(BANDS[..., :3], "TIFF", mode="CMYK"), 4),
        (tiff(BANDS[..., :4], t262=(2,), t338=(0,), big=True), 4),
    ],
    ids=["rgbx", "rgb?", "five", "rgba+1", "16-bit", "two", "six", "cmyk", "big"],
)
def test_a_tiff_of_other_bands_needs_the_layout_to_choose(content: bytes, number: int) -> None:
    with pytest.raises(BadFileError, match=rf"TIFF of {number} bands.*; say which are red, green and blue") as caught:
        record(content)
    assert caught.value.kind is Kind.BANDS and "image: {bands: [1" in str(caught.value)
    chosen = [number, 1, 2]
    stored = tiff_bands.read(content)
    expected = stored[..., [band - 1 for band in chosen]]
    np.testing.assert_array_equal(record(content, bands=chosen, range=[0, 255]), expected)
    np.testing.assert_array_equal(record(content, bands=[2], range=[0, 255]), stored[..., 1])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_band_that_is_declared_as_transparency_but_is_a_picture_is_refused(kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    content = encoded(BANDS[..., :4], kind, **options)
    with pytest.raises(BadFileError, match="band 4 of 4 is no transparency; say which are red"):
        record(content)
    np.testing.assert_array_equal(record(content, bands=[4, 1, 2]), BANDS[..., [3, 0, 1]])


def test_grey_with_transparency_and_a_cut_out_are_read() -> None:
    clear = np.where(BANDS[..., 5] > 128, 255, 0).astype(np.uint8)
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(record(encoded(np.dstack([BANDS[..., 0], clear]), kind)), BANDS[..., 0])
        np.testing.assert_array_equal(record(encoded(np.dstack([BANDS[..., :3], clear]), kind)), BANDS[..., :3])


def test_a_file_of_too_few_bands_is_bad() -> None:
    for content in (encoded(BANDS[..., :3]), tiff(BANDS[..., :3])):
        with pytest.raises(BadFileError, match=r"it has 3, `image.bands` asks for \[1, 2, 4\]"):
            record(content, bands=[1, 2, 4])


def test_the_range_holds_for_16_bit_bands_and_the_orientation_is_applied() -> None:
    deep = BANDS[..., :4].astype(np.uint16) * 16
    content = tiff(deep, t274=(6,))
    expected = np.rint(deep[..., [2, 1, 0]] * (255 / 4095)).astype(np.uint8)
    np.testing.assert_array_equal(record(content, bands=[3, 2, 1], range=[0, 4095]), np.rot90(expected, -1))
    np.testing.assert_array_equal(record(content, bands=[3, 2, 1], range=[0, 4095], exif="ignore"), expected)
    assert files.read_deep_pixels(content, [1]).max() == deep[..., 0].max()


def test_a_damaged_tiff_is_named_so() -> None:
    content = tiff(BANDS)
    for damaged in (content[:20], content[:8] + content[-60:]):
        with pytest.raises(BadFileError) as caught:
            record(damaged, bands=[1])
        assert caught.value.kind is Kind.DAMAGED


def test_the_spec_keeps_the_bands_for_serving(tmp_path) -> None:
    spec = spec_of(as_layout(image={"bands": [4, 3, 2]}))
    spec.write(tmp_path / "spec.json")
    assert type(spec).read(tmp_path / "spec.json").image_bands == (4, 3, 2)
    assert spec_of(as_layout()).image_bands is None


@pytest.mark.parametrize("bands", [[0, 1, 2], [1, 2], [1, 2, 3, 4], []])
def test_bands_are_one_or_three_numbers_from_1(bands: list) -> None:
    with pytest.raises(ValueError, match="bands"):
        as_layout(image={"bands": bands})
