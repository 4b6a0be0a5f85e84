"""Raw masks to train ids, and train ids to PNG."""

import io

import numpy as np
import pytest
from PIL import Image

from datasets import labels
from datasets.audit import BadFileError, Kind
from datasets.spec import IGNORE

TABLE = labels.id_table({0: 0, 1: 1, 2: 7, 11: IGNORE})


def png(pixels: np.ndarray, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file, "PNG")
    return file.getvalue()


def test_raw_ids_become_train_ids() -> None:
    raw = np.array([[0, 1, 2], [11, 2, 0]], np.uint8)
    np.testing.assert_array_equal(labels.from_ids(png(raw), TABLE), [[0, 1, 7], [IGNORE, 7, 0]])


def test_a_palette_mask_is_read_by_its_indices() -> None:
    image = Image.fromarray(np.array([[0, 2], [1, 11]], np.uint8))
    image.putpalette([200, 10, 10] * 256)
    file = io.BytesIO()
    image.save(file, "PNG")
    np.testing.assert_array_equal(labels.from_ids(file.getvalue(), TABLE), [[0, 7], [1, IGNORE]])


def test_ids_out_of_range_are_named_with_their_pixels() -> None:
    raw = np.array([[0, 3, 3], [200, 3, 0]], np.uint8)
    with pytest.raises(BadFileError) as caught:
        labels.from_ids(png(raw), TABLE)
    assert caught.value.kind is Kind.LABEL_RANGE
    assert caught.value.detail == "received 3 (3 px), 200 (1 px); allowed 0..2, 11"


@pytest.mark.parametrize(
    ("content", "kind", "detail"),
    [
        (png(np.zeros((4, 5, 3), np.uint8)), Kind.MASK_CHANNELS, "mode RGB, 4x5, 3 channels"),
        (png(np.zeros((4, 5), np.uint16)), Kind.MASK_CHANNELS, "mode I;16, 4x5, 1 channel"),
        (png(np.zeros((64, 64), np.uint8))[:-30], Kind.DAMAGED, ""),
        (b"not a picture", Kind.NOT_AN_IMAGE, "13 bytes"),
    ],
)
def test_a_file_that_is_no_mask_is_refused(content: bytes, kind: Kind, detail: str) -> None:
    with pytest.raises(BadFileError) as caught:
        labels.from_ids(content, TABLE)
    assert caught.value.kind is kind and caught.value.detail.startswith(detail)


@pytest.mark.parametrize(
    "raw", [np.array([[0, 70000]]), np.array([[0, -1]], np.int16), np.array([[1, 300]], np.uint16)]
)
def test_wide_ids_beyond_the_table_are_named(raw: np.ndarray) -> None:
    with pytest.raises(BadFileError, match=rf"received {raw[0, 1]} \(1 px\)"):
        labels.lookup(raw, TABLE)


def test_a_table_may_have_16_bits() -> None:
    table = labels.id_table({1000: 3}, size=65536)
    np.testing.assert_array_equal(labels.lookup(np.array([[1000]], np.uint16), table), [[3]])


def test_very_many_invalid_ids_are_counted() -> None:
    with pytest.raises(BadFileError, match="and 224 more values"):
        labels.lookup(np.arange(256, dtype=np.uint8).reshape(16, 16), labels.id_table(dict.fromkeys(range(12), 0)))


@pytest.mark.parametrize("train_ids", [{256: 0}, {-1: 0}, {0: labels.INVALID}, {0: -1}, {0: 256}])
def test_a_table_refuses_ids_that_a_byte_cannot_hold(train_ids: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="Received: "):
        labels.id_table(train_ids)


@pytest.mark.parametrize("size", [(37, 53), (1, 1), (1, 9), (9, 1)])
def test_encoding_is_lossless(size: tuple[int, int]) -> None:
    train_ids = np.random.default_rng(0).choice(np.array([0, 5, 253, IGNORE], np.uint8), size)
    content = labels.encode(train_ids)
    with Image.open(io.BytesIO(content)) as image:
        image.verify()  # checksums
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), train_ids)
