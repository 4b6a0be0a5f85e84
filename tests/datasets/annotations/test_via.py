"""VGG Image Annotator: JSON and saved projects, of versions 1 and 2."""

from pathlib import Path

import numpy as np
import pycocotools.mask
import pytest

from datasets.annotations import via
from datasets.audit import BadFileError, Kind
from tests.datasets.annotations.exports import (
    SIZE,
    SQUARE,
    TRIANGLE,
    drawing,
    flat,
    init_and_read,
    numbered,
    photos,
    put_json,
)


def region(points: list, **attributes) -> dict:
    xs, ys = zip(*points, strict=True)
    shape = {"name": "polygon", "all_points_x": list(xs), "all_points_y": list(ys)}
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(name: str, *regions: dict, version: int = 2) -> dict:
    listed = list(regions) if version == 2 else {str(at): one for at, one in enumerate(regions)}
    return {"filename": name, "size": 1234, "regions": listed, "file_attributes": {}}


def polygon(points: list) -> np.ndarray:
    height, width = SIZE
    return pycocotools.mask.decode(pycocotools.mask.frPyObjects([flat(points)], height, width))[..., 0] > 0


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("project", [True, False])
def test_an_export_is_recognised_and_read(tmp_path: Path, version: int, *, project: bool) -> None:
    names = [f"bild ä{at}.jpg" for at in range(4)]
    photos(tmp_path / "pictures", *names)
    entries = {
        f"{name}1234": entry(name, region(SQUARE, label="road"), region(TRIANGLE, label="car"), version=version)
        for name in names
    }
    tree = {"_via_settings": {}, "_via_img_metadata": entries, "_via_attributes": {}} if project else entries
    put_json(tmp_path / "via_region_data.json", tree)
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.notes[0].startswith("the files are of VGG Image Annotator: via_region_data.json")
    assert [class_["name"] for class_ in guessed.layout["classes"]] == ["background", "road", "car"]
    expected = polygon(SQUARE).astype(np.uint8)
    expected[polygon(TRIANGLE)] = 2
    for label in labels.values():
        np.testing.assert_array_equal(label, expected)
    assert len(labels) == 4


@pytest.mark.parametrize(
    ("attributes", "label"),
    [
        ({"type": "road"}, "road"),
        ({"kind": {"road": True, "car": False}}, "road"),
        ({"note": "x", "label": "road"}, "road"),
        ({}, "object"),
    ],
)
def test_the_class_of_a_region(attributes: dict, label: str) -> None:
    drawn = via.draw(drawing(entry("a.jpg", region(SQUARE, **attributes))), numbered(label))
    np.testing.assert_array_equal(drawn > 0, polygon(SQUARE))


def test_boxes_and_circles() -> None:
    box = {
        "shape_attributes": {"name": "rect", "x": 2, "y": 3, "width": 4, "height": 5},
        "region_attributes": {"a": "x"},
    }
    circle = {"shape_attributes": {"name": "circle", "cx": 20, "cy": 10, "r": 4}, "region_attributes": {"a": "y"}}
    label = via.draw(drawing(entry("a.jpg", box, circle)), numbered("x", "y"))
    assert (label == 1).sum() == 20 and label[10, 20] == label[10, 24] == 2 and label[10, 26] == 0


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (region(SQUARE[:2], label="a"), "2 points, where at least 3 are needed"),
        (region(SQUARE, colour="red", size="big"), "which of its attributes is the class? Received: colour, size"),
        (region(SQUARE, label=""), "which of its attributes is the class? Received: label"),
        (region(SQUARE, label="tree"), "label 'tree' is not in the layout"),
        ({"shape_attributes": {"name": "polyline"}, "region_attributes": {"label": "a"}}, "of the kind 'polyline'"),
        ({"shape_attributes": {"name": "polygon"}, "region_attributes": {"label": "a"}}, "cannot be read"),
    ],
)
def test_a_bad_region_is_named(bad: dict, words: str) -> None:
    with pytest.raises(BadFileError) as caught:
        via.draw(drawing(entry("a.jpg", region(SQUARE, label="a"), bad)), numbered("a"))
    assert caught.value.kind is Kind.ANNOTATION
    assert caught.value.detail.startswith("a.jpg, region 1: ") and words in caught.value.detail
