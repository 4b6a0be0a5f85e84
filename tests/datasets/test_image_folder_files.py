"""Every kind of mask and image, of 8 and of 16 bits, is converted or refused."""

import io
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from datasets import labels
from datasets.audit import BadFileError, Kind, lift_pillow_limit
from datasets.image_folder import brightness, files, sampling
from datasets.image_folder.image_folder_dataset_builder import reader_of
from datasets.raw import RawFolder
from datasets.spec import IGNORE
from tests.datasets.described_folder import as_layout, encoded

# --- masks -----------------------------------------------------------------------------------------------------------

IDS = np.array([[0, 1], [2, 1]], np.uint8)


def palette_png(indices: np.ndarray) -> bytes:
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        encoded(IDS),
        palette_png(IDS),
        encoded(np.stack([IDS] * 3, -1)),
        encoded(np.dstack([IDS] * 3 + [np.full_like(IDS, 255)])),
        encoded(np.dstack([IDS, np.full_like(IDS, 255)])),
        encoded(IDS.astype(np.uint16)),
        encoded(IDS, "TIFF"),
        encoded(IDS.astype(np.float32), "TIFF"),
    ],
    ids=["grey", "palette", "rgb", "rgba", "grey-alpha", "16-bit", "tiff", "float"],
)
def test_ids_are_read_from_every_mode(content: bytes) -> None:
    np.testing.assert_array_equal(files.read_ids(content, "apply"), IDS)


@pytest.mark.parametrize(("value", "shown"), [(0.5, "0.5"), (np.nan, "nan"), (1e30, "1e\\+30")])
def test_a_mask_of_numbers_that_are_not_whole_is_refused(value: float, shown: str) -> None:
    named = [{"name": name} for name in "abc"]
    read = reader_of(as_layout(classes=named)).mask
    np.testing.assert_array_equal(read(encoded(IDS.astype(np.float32), "TIFF")), IDS)
    with pytest.raises(BadFileError, match=f"it holds numbers that are not whole, such as {shown}"):
        read(encoded(np.array([[0, 1], [2, value]], np.float32), "TIFF"))


def test_without_raw_ids_are_train_ids_and_others_can_be_ignored() -> None:
    named = [{"name": "a"}, {"name": "b"}]
    mask = reader_of(as_layout(classes=named, mask={"read": "ids", "others": "ignore"})).mask
    np.testing.assert_array_equal(mask(encoded(IDS)), [[0, 1], [IGNORE, 1]])
    with pytest.raises(BadFileError, match=r"received 2 \(1 px\); allowed 0..1"):
        reader_of(as_layout(classes=named)).mask(encoded(IDS))


def test_several_raw_ids_are_one_class_and_some_are_ignored() -> None:
    named = [{"name": "a", "raw": [0, 2]}, {"name": "b", "raw": 65535}]
    mask = reader_of(as_layout(classes=named, ignore=[1])).mask
    raw = np.array([[0, 1], [2, 65535]], np.uint16)
    np.testing.assert_array_equal(mask(encoded(raw)), [[0, IGNORE], [0, 1]])


def test_a_threshold_reads_a_jpeg() -> None:
    pixels = np.kron([[0, 255], [255, 0]], np.ones((16, 16))).astype(np.uint8)
    mask = reader_of(as_layout(classes=[{"name": "a"}, {"name": "b"}], mask={"read": "threshold"})).mask
    np.testing.assert_array_equal(mask(encoded(pixels, "JPEG", quality=60)), pixels // 255)
    np.testing.assert_array_equal(mask(encoded(pixels.astype(np.uint16) * 257)), pixels // 255)


def test_colours_exact_or_nearest() -> None:
    named = [{"name": "a", "raw": [0, 0, 0]}, {"name": "b", "raw": [[255, 0, 0], [0, 255, 0]]}]
    rgb = np.array([[[0, 0, 0], [255, 0, 0]], [[0, 255, 0], [9, 9, 9]]], np.uint8)
    mask = reader_of(as_layout(classes=named, mask={"read": "colours"}, ignore=[[9, 9, 9]])).mask
    np.testing.assert_array_equal(mask(encoded(rgb)), [[0, 1], [1, IGNORE]])
    with pytest.raises(BadFileError, match=r"received \(9, 9, 9\) \(1 px\)"):
        reader_of(as_layout(classes=named, mask={"read": "colours"})).mask(encoded(rgb))
    others = reader_of(as_layout(classes=named, mask={"read": "colours", "others": "ignore"})).mask
    np.testing.assert_array_equal(others(encoded(rgb)), [[0, 1], [1, IGNORE]])
    nearest = reader_of(as_layout(classes=named, mask={"read": "colours", "nearest": True})).mask
    np.testing.assert_array_equal(nearest(encoded(rgb)), [[0, 1], [1, 0]])


def test_the_message_for_a_missing_key_names_the_variables_of_a_mat_file() -> None:
    file = io.BytesIO()
    scipy.io.savemat(file, {"GT": IDS})
    named = [{"name": name} for name in "abc"]
    mask = reader_of(as_layout(classes=named, mask={"read": "mat", "key": "GT"})).mask(file.getvalue())
    np.testing.assert_array_equal(mask, IDS)
    with pytest.raises(BadFileError, match="no 'gt'; it holds GT") as caught:
        reader_of(as_layout(classes=named, mask={"read": "mat", "key": "gt"})).mask(file.getvalue())
    assert caught.value.kind is Kind.MASK_KEY


def test_a_mask_of_colours_read_as_ids_is_refused() -> None:
    rgb = np.random.default_rng(0).integers(0, 3, (4, 4, 3)).astype(np.uint8)
    with pytest.raises(BadFileError, match="its 3 channels differ; a mask of colours needs `read: colours`"):
        files.read_ids(encoded(rgb), "apply")


# --- images ----------------------------------------------------------------------------------------------------------

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)


def decoded(content: bytes) -> tuple[str, np.ndarray]:
    with Image.open(io.BytesIO(content)) as image:
        return image.mode, np.asarray(image)


@pytest.mark.parametrize("content", [encoded(RGB), encoded(RGB, "JPEG"), encoded(RGB[..., 0]), palette_png(IDS)])
def test_an_image_that_fits_a_record_is_unchanged(content: bytes) -> None:
    assert files.record_image(content, 0, 65535, "apply") is content


def test_16_bits_become_8_by_the_range() -> None:
    content = encoded(np.array([[0, 1000], [4095, 9000]], np.uint16))
    np.testing.assert_array_equal(decoded(files.record_image(content, 0, 4095, "apply"))[1], [[0, 62], [255, 255]])


def png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    parts = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
             for name, data in chunks)  # fmt: skip
    return labels.PNG_SIGNATURE + b"".join(parts)


def deep_png(kind: int, channels: int) -> bytes:
    """A PNG of one pixel, 16 bits a channel, each 0x0fff."""
    header = struct.pack(">IIBBBBB", 1, 1, 16, kind, 0, 0, 0)
    return png([(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + b"\x0f\xff" * channels)), (b"IEND", b"")])


def deep_tiff() -> bytes:
    """A TIFF of one pixel, 16-bit RGB, each 0x0fff."""
    tags = [(256, 1), (257, 1), (258, 0), (259, 1), (262, 2), (273, 0), (277, 3), (278, 1), (279, 6)]
    end = 8 + 2 + 12 * len(tags) + 4
    places = {258: (3, end), 273: (1, end + 6)}
    entries = (struct.pack("<HHII", tag, 3, *places.get(tag, (1, value))) for tag, value in tags)
    start = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(entries) + bytes(4)
    return start + struct.pack("<3H", 16, 16, 16) + struct.pack("<3H", *[0x0FFF] * 3)


DEEP = pytest.mark.parametrize(
    "content",
    [deep_png(2, 3), deep_png(6, 4), deep_png(4, 2), deep_tiff()],
    ids=["rgb", "rgba", "grey-alpha", "tiff"],
)


@DEEP
def test_a_range_that_cannot_be_applied_is_an_error(content: bytes) -> None:
    message = "range` cannot be applied to it; convert it to 8 bits, or to grey"
    with pytest.raises(BadFileError, match=message) as caught:
        files.record_image(content, 0, 4095, "apply")
    assert caught.value.kind is Kind.DEPTH
    assert (decoded(files.record_image(content, 0, 65535, "apply"))[1][..., 0] == 0x0F).all()


@DEEP
def test_a_mask_of_16_bit_colour_is_refused(content: bytes) -> None:
    for read in (files.read_ids, files.read_rgb):
        with pytest.raises(BadFileError, match="its low bytes cannot be read; convert it to 8 bits, or to grey"):
            read(content, "apply")


def test_a_png_without_orientation_is_not_decoded_and_a_damaged_one_is_refused() -> None:
    header = (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixels, end = (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")
    damaged = (b"IDAT", b"no pixels")
    plain = png([header, damaged, end])
    assert files.record_image(plain, 0, 65535, "apply") is plain  # only its checksums are compared
    text = b"XML:com.adobe.xmp\0\0\0\0\0tiff:Orientation="
    for odd in ([header, damaged, (b"iTXt", text), end], [header, (b"eXIf", b"no tags"), damaged, end]):
        with pytest.raises(BadFileError) as caught:
            files.record_image(png(odd), 0, 65535, "apply")
        assert caught.value.kind is Kind.DAMAGED
    after = png([header, pixels, (b"iTXt", text + b'"6"'), end])
    assert files.record_image(after, 0, 65535, "apply") is not after


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "WEBP"])
def test_other_formats_become_png_without_loss(kind: str) -> None:
    content = encoded(RGB, kind, **({"lossless": True} if kind == "WEBP" else {}))
    mode, pixels = decoded(files.record_image(content, 0, 65535, "apply"))
    assert mode == "RGB"
    np.testing.assert_array_equal(pixels, RGB)


def test_transparency_is_dropped() -> None:
    rgba = np.dstack([RGB, np.full((5, 7), 40, np.uint8)])
    mode, pixels = decoded(files.record_image(encoded(rgba), 0, 65535, "apply"))
    assert mode == "RGB"
    np.testing.assert_array_equal(pixels, RGB)


UPRIGHT = {
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),  # rotated clockwise
    7: lambda pixels: np.rot90(pixels.swapaxes(0, 1), 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_an_orientation_is_applied_to_image_and_mask_unless_it_is_ignored(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[files.ORIENTATION] = orientation
    ids = RGB[..., 0] // 128
    photo, mask = encoded(RGB, kind, exif=exif), encoded(ids, kind, exif=exif)
    for setting, rotate in (("apply", UPRIGHT[orientation]), ("ignore", UPRIGHT[1])):
        _, pixels = decoded(files.record_image(photo, 0, 65535, setting))
        np.testing.assert_array_equal(pixels, rotate(RGB))
        np.testing.assert_array_equal(files.read_ids(mask, setting), rotate(ids))
    assert (files.record_image(photo, 0, 65535, "ignore") is photo) == (kind == "PNG")
    with Image.open(io.BytesIO(files.record_image(photo, 0, 65535, "apply"))) as upright:
        assert upright.getexif().get(files.ORIENTATION, 1) == 1


@pytest.mark.parametrize(("content", "kind"), [(b"<html>", Kind.NOT_AN_IMAGE), (encoded(RGB)[:60], Kind.DAMAGED)])
def test_a_file_that_is_no_image_is_refused(content: bytes, kind: Kind) -> None:
    with pytest.raises(BadFileError) as caught:
        files.read_ids(content, "apply")
    assert caught.value.kind is kind


def test_init_decodes_no_image_with_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's own limit is lifted, as it hides the size of larger images; so `init` must check the size itself."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    monkeypatch.setattr(sampling, "lift_pillow_limit", partial(lift_pillow_limit, 20))
    for name, side in (("small.tif", 4), ("large.tif", 5)):
        Image.fromarray(np.linspace(0, side / 10, side * side, dtype=np.float32).reshape(side, side)).save(
            tmp_path / name
        )
    raw = RawFolder(tmp_path)
    assert brightness.guess(raw, ["large.tif"]) == (None, [])
    assert brightness.guess(raw, ["small.tif", "large.tif"])[0] == (0, 1)
    assert Image.MAX_IMAGE_PIXELS == 10
