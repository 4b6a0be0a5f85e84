"""Supervisely: bitmaps, and polygons with holes as its SDK fills them; a later object over an earlier one."""

import base64
import zlib
from pathlib import Path

import numpy as np
import pytest

from datasets.annotations import fill, supervisely
from datasets.audit import BadFileError
from tests.datasets.annotations.exports import (
    HEIGHT,
    SIZE,
    SQUARE,
    TRIANGLE,
    WIDTH,
    drawing,
    fault_of,
    init_and_read,
    numbered,
    photos,
    put_json,
)
from tests.datasets.described_folder import encoded

INSET = np.array([[0, 1, 1], [1, 1, 0]], np.uint8)


def figure(title: str, kind: str, **more) -> dict:
    return {"id": 8, "classId": 1, "classTitle": title, "geometryType": kind, "tags": [], **more}


def polygon(title: str, exterior: list, *interior: list) -> dict:
    return figure(title, "polygon", points={"exterior": exterior, "interior": list(interior)})


def bitmap(title: str, inset: np.ndarray, origin: list[int], *, compressed: bool = True) -> dict:
    content = encoded(np.repeat(inset[..., None] * 255, 4, axis=2).astype(np.uint8))
    content = zlib.compress(content) if compressed else content
    return figure(title, "bitmap", bitmap={"data": base64.b64encode(content).decode(), "origin": origin})


def document(*figures) -> dict:
    return {"description": "", "tags": [], "size": {"height": HEIGHT, "width": WIDTH}, "objects": list(figures)}


def draw(*figures) -> np.ndarray:
    return supervisely.draw(drawing(document(*figures)), numbered("a", "b"))


def test_an_export_is_recognised_and_read(tmp_path: Path) -> None:
    classes = [
        {"title": "car", "shape": "any", "color": "#3322FF"},
        {"title": "road", "shape": "any", "color": "#FA3253"},
    ]
    put_json(tmp_path / "meta.json", {"classes": classes, "tags": [], "projectType": "images"})
    for part in ("ds1", "ds2"):
        for at in range(3):
            photos(tmp_path / part / "img", f"{part}_{at}.jpg")
            put_json(tmp_path / part / "ann" / f"{part}_{at}.jpg.json",
                     document(polygon("road", SQUARE), bitmap("car", INSET, [10 + at, 9])))  # fmt: skip
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.notes[0].startswith("the files are of Supervisely")
    assert guessed.layout["classes"] == [
        {"name": "background"}, {"name": "car", "colour": [51, 34, 255]}, {"name": "road", "colour": [250, 50, 83]}
    ]  # fmt: skip
    expected = fill.polygons(SIZE, [np.array(SQUARE)]) * 2
    expected[9:11, 11:14][INSET > 0] = 1
    np.testing.assert_array_equal(labels["ds2_1"], expected)
    assert len(labels) == 6


def test_holes_show_what_lies_below() -> None:
    hole = [[7, 7], [12, 7], [12, 12], [7, 12]]
    label = draw(polygon("b", TRIANGLE), polygon("a", SQUARE, hole))
    expected = fill.polygons(SIZE, [np.array(TRIANGLE)]) * 2
    expected[fill.polygons(SIZE, [np.array(SQUARE)]) & ~fill.polygons(SIZE, [np.array(hole)])] = 1
    np.testing.assert_array_equal(label, expected)
    assert label[9, 9] == 0 and label[9, 12] == 2


@pytest.mark.parametrize("compressed", [True, False])
def test_a_bitmap_beyond_the_image_is_cut_off(*, compressed: bool) -> None:
    label = draw(bitmap("a", np.ones((5, 5), np.uint8), [-2, 22], compressed=compressed))
    expected = np.zeros(SIZE, np.uint8)
    expected[22:, :3] = 1
    np.testing.assert_array_equal(label, expected)


def test_rectangles_hold_their_corners() -> None:
    label = draw(figure("a", "rectangle", points={"exterior": [[3, 5], [6, 9]], "interior": []}))
    assert np.argwhere(label).min(axis=0).tolist() == [5, 3] and np.argwhere(label).max(axis=0).tolist() == [9, 6]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (polygon("a", SQUARE[:2]), "2 points, where at least 3 are needed"),
        (bitmap("a", INSET, [40, 2]), "its bitmap at 40,2 lies outside the image"),
        (figure("a", "line", points={"exterior": SQUARE, "interior": []}), "a line has no area"),
        (figure("a", "bitmap", bitmap={"data": "AAAA", "origin": [0, 0]}), "3 bytes, none of PNG"),
        (polygon("tree", SQUARE), "label 'tree' is not in the layout"),
    ],
)
def test_a_bad_object_is_named(bad: dict, words: str) -> None:
    detail = fault_of(supervisely.draw, drawing(document(polygon("a", SQUARE), bad)), numbered("a", "b"))
    assert detail.startswith("a.jpg, object 8 (") and words in detail


def test_other_json_is_named() -> None:
    with pytest.raises(BadFileError, match="a JSON without a list `objects`"):
        supervisely.draw(drawing({"shapes": []}), numbered("a"))
