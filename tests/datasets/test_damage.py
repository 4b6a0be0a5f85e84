"""Each bit of a small file is flipped, and the file is truncated everywhere: it is read correctly, or refused."""

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import scipy.io
from PIL import Image

from datasets import audit, colour_labels, labels
from datasets.audit import BadFileError, Kind
from datasets.ccp.ccp_dataset_builder import read_mask as read_mat
from datasets.image_folder import files
from datasets.kitti_road.kitti_road_dataset_builder import read_mask as read_red_and_blue

IDS = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4), np.ones((4, 4), np.uint8))
COLOURS: colour_labels.Colours = tuple(((20 * index, 10 * index, 255 - index), index) for index in range(12))
IN_COLOURS = np.array([colour for colour, _ in COLOURS], np.uint8)[IDS]
TABLE = labels.id_table({index: index for index in range(12)})


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def mat(**options: object) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, {"groundtruth": IDS}, **options)
    return file.getvalue()


def of_colours(content: bytes) -> np.ndarray:
    return colour_labels.map_exact(colour_labels.decode(content), COLOURS)


PNG_READERS = {
    "ids": (png(IDS), partial(labels.from_ids, table=TABLE)),
    "colours": (png(IN_COLOURS), of_colours),
    "red and blue": (png(IN_COLOURS), read_red_and_blue),
    "user's ids": (png(IDS), partial(files.read_ids, exif="apply")),
    "image": (png(IN_COLOURS), audit.image_size),
}


@pytest.mark.parametrize("name", PNG_READERS)
def test_no_flipped_bit_of_a_png_goes_unnoticed(name: str) -> None:
    content, read = PNG_READERS[name]
    read(content)
    for bit in range(8 * len(content)):
        with pytest.raises(BadFileError):
            read(flipped(content, bit))


@pytest.mark.parametrize("name", PNG_READERS)
def test_no_truncation_of_a_png_goes_unnoticed(name: str) -> None:
    content, read = PNG_READERS[name]
    for length in range(1, len(content)):
        with pytest.raises(BadFileError):
            read(content[:length])


@pytest.mark.parametrize("compressed", [True, False])
def test_a_truncated_mat_file_is_refused(compressed: bool) -> None:
    content = mat(do_compression=compressed)
    for length in range(1, len(content), 3):
        assert refused(read_mat, content[:length])


def test_no_flipped_bit_of_a_compressed_mat_file_changes_a_label() -> None:
    content = mat(do_compression=True)
    for bit in range(8 * 128, 8 * len(content)):  # the header is free text
        damaged = flipped(content, bit)
        assert refused(read_mat, damaged) or (read_mat(damaged) == IDS).all()


def test_no_flipped_bit_of_a_plain_mat_file_ends_the_process() -> None:
    content = mat(do_compression=False)
    assert content[192] == 2  # the type of the numbers, which SciPy does not check
    for bit in range(8 * 128, 8 * 200):
        refused(read_mat, flipped(content, bit))
    with pytest.raises(BadFileError) as caught:
        read_mat(flipped(content, 8 * 193))
    assert caught.value.kind is Kind.DAMAGED and "an element of type 258" in caught.value.detail


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def refused(read: Callable[[bytes], np.ndarray], content: bytes) -> bool:
    try:
        read(content)
    except BadFileError:
        return True
    return False
