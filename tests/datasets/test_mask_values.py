"""A grey level is a class whatever its share of pixels; blur is none; 255 is one or is ignored."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from datasets.errors import DatasetError
from tests.datasets.described_folder import encoded
from tests.datasets.drawn_masks import GREYS, RED_BLUE, indexed, meaning, paint, raws, shapes, shrink

# --- a small class is a class -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [GREYS, (255, 128, 0), (0, 127, 254), (0, 85, 170), (0, 100, 200)])
def test_grey_levels_of_lossless_masks_are_ids_however_few_pixels_they_have(values: tuple, tmp_path: Path) -> None:
    ids = np.zeros((96, 96), np.uint8)
    ids[10:14, 10:14], ids[40:42, 40:42] = 1, 2  # 16 and 4 of 9216 pixels
    result = meaning(tmp_path, [encoded(paint(ids, values))] * 3)
    assert result.mask == {"read": "ids"} and raws(result) == sorted(values) and not result.ignore


def test_a_class_in_one_mask_of_many_is_a_class(tmp_path: Path) -> None:
    ids = np.zeros((96, 96), np.uint8)
    ids[20:60, 20:60] = 2
    once = ids.copy()
    once[70:73, 70:73] = 1
    result = meaning(tmp_path, [encoded(paint(one, GREYS)) for one in [*[ids] * 30, once]])
    assert (result.mask, raws(result)) == ({"read": "ids"}, [0, 128, 255])


def test_a_border_of_one_pixel_is_a_class(tmp_path: Path) -> None:
    contents = []
    for ids in shapes(classes=2):
        wide = np.asarray(Image.fromarray(ids).filter(ImageFilter.MaxFilter(3)))
        contents.append(encoded(paint(ids * 2 + (wide - ids), GREYS)))
    assert raws(meaning(tmp_path, contents)) == [0, 128, 255]


def test_thin_lines_of_several_classes_are_classes(tmp_path: Path) -> None:
    pixels = np.zeros((96, 96), np.uint8)
    pixels[:40] = 255
    for index, value in enumerate((60, 110, 160, 210)):
        pixels[50:90, 10 + 20 * index] = value
    assert raws(meaning(tmp_path, [encoded(pixels)] * 4)) == [0, 60, 110, 160, 210, 255]


def test_narrow_rings_of_ids_are_classes(tmp_path: Path) -> None:
    y, x = np.mgrid[-60:60, -80:80]
    rings = np.minimum(np.hypot(y, x) // 1.5, 30).astype(np.uint8)
    assert raws(meaning(tmp_path, [encoded(rings)] * 5)) == list(range(31))


@pytest.mark.parametrize("sigma", [1, 3, 8])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_two_blurred_classes_are_cut_by_a_threshold(suffix: str, sigma: int, tmp_path: Path) -> None:
    blurred = [Image.fromarray(ids * 255).filter(ImageFilter.GaussianBlur(sigma)) for ids in shapes(classes=2)]
    result = meaning(tmp_path, [encoded(one, "JPEG" if suffix == "jpg" else "PNG") for one in blurred], suffix)
    assert (result.mask, result.classes) == ({"read": "threshold", "at": 128}, [(None, None)] * 2)


def test_the_threshold_lies_between_the_two_levels(tmp_path: Path) -> None:
    result = meaning(tmp_path, [encoded(shrink(paint(ids, (20, 120)))) for ids in shapes(classes=2)])
    assert result.mask == {"read": "threshold", "at": 70}
    assert "masks are PNG L (6) of 20 and 120, and of" in result.notes[0]


@pytest.mark.parametrize("filter_", [Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("values", [GREYS, (0, 2, 7)])
def test_values_that_resampling_leaves_between_ids_are_ignored(
    values: tuple, filter_: Image.Resampling, tmp_path: Path
) -> None:
    contents = [encoded(shrink(paint(ids, values), filter_=filter_)) for ids in shapes()]
    result = meaning(tmp_path, contents)
    assert (result.mask, raws(result)) == ({"read": "ids", "others": "ignore"}, list(values))
    assert "other values lie between these, on edges that were smoothed, and are ignored" in result.notes[-1]


# --- 255 is a class or is ignored -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "ignored"),
    [
        ((0, 1, 255), [255]),
        ((*range(19), 255), [255]),
        ((0, 5, 18, 255), [255]),
        ((0, 1, 2, 65535), [65535]),
        ((0, 1, 255, 65535), [255, 65535]),
        (range(0, 182, 7), []),
        ((*range(150), 255), [255]),
        ((0, 255), []),
        ((0, 65535), []),
        ((0, 128, 255), []),
        ((0, 85, 170, 255), []),
        ((0, 64, 128, 191, 255), []),
        ((0, 36, 73, 109, 146, 182, 219, 255), []),
        ((50, 255), []),
    ],
)
def test_255_is_ignored_beside_small_ids_and_a_class_beside_grey_levels(
    values: Sequence[int], ignored: list, tmp_path: Path
) -> None:
    pixels = np.array(values, np.uint16)[np.arange(len(values)).repeat(4)].reshape(1, -1).repeat(4, 0)
    result = meaning(tmp_path, [encoded(pixels if max(values) > 255 else pixels.astype(np.uint8))])
    assert result.ignore == ignored
    assert set(values) - set(ignored) <= set(raws(result))


# --- several ways to store one number ---------------------------------------------------------------------------------


def one_bit(ids: np.ndarray) -> bytes:
    return encoded(ids * 255, mode="1")


WHITE = (255, 255, 255)


@pytest.mark.parametrize("first", [one_bit, lambda ids: indexed(ids, (0, 0, 0), WHITE)], ids=["1 bit", "palette"])
def test_one_that_is_white_is_255_of_other_masks(first, tmp_path: Path) -> None:
    drawn = shapes(classes=2)
    contents = [*map(first, drawn[:3]), *(encoded(ids * 255) for ids in drawn[3:])]
    result = meaning(tmp_path, contents)
    assert (result.mask, raws(result)) == ({"read": "colours"}, [[0, 0, 0], list(WHITE)])


@pytest.mark.parametrize("first", [one_bit, lambda ids: indexed(ids, (0, 0, 0), (128, 0, 0))], ids=["1 bit", "palette"])
def test_one_is_one_where_other_masks_hold_one(first, tmp_path: Path) -> None:
    drawn = shapes(classes=2)
    result = meaning(tmp_path, [*map(first, drawn[:3]), *map(encoded, drawn[3:])])
    assert (result.mask, raws(result)) == ({"read": "ids"}, [0, 1])


def test_ids_among_colours_are_refused(tmp_path: Path) -> None:
    drawn = shapes()
    contents = [*(encoded(paint(ids, RED_BLUE)) for ids in drawn[1:]), encoded(drawn[0])]
    with pytest.raises(
        DatasetError, match=r"005\.png holds numbers, such as 1, and 004\.png holds colours: no reading"
    ):
        meaning(tmp_path, contents)
