"""VGG Image Annotator: JSON and saved projects, of versions 1 and 2."""

import json
from pathlib import Path

import numpy as np
import pytest

from datasets.annotations import via
from datasets.errors import DatasetError
from datasets.image_folder.guess import guess
from tests.datasets.annotations.exports import (
    SQUARE,
    TRIANGLE,
    drawing,
    fault_of,
    filled,
    init_and_read,
    layout_of,
    numbered,
    photos,
    put_json,
    read_all,
)


def region(points: list, **attributes) -> dict:
    xs, ys = zip(*points, strict=True)
    shape = {"name": "polygon", "all_points_x": list(xs), "all_points_y": list(ys)}
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(name: str, *regions: dict, version: int = 2) -> dict:
    listed = list(regions) if version == 2 else {str(at): one for at, one in enumerate(regions)}
    return {"filename": name, "size": 1234, "regions": listed, "file_attributes": {}}


def as_csv(entries: list[dict]) -> str:
    """As VIA writes it: a line for each region, JSON in its cells."""
    head = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    lines = [head]
    for one in entries:
        regions = one["regions"]
        for number, shape in enumerate(regions or [{"shape_attributes": {}, "region_attributes": {}}]):
            cells = [json.dumps(shape[key]).replace('"', '""') for key in ("shape_attributes", "region_attributes")]
            lines.append(f'{one["filename"]},1234,"{{}}",{len(regions)},{number},"{cells[0]}","{cells[1]}"')
    return "\n".join(lines)


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
    assert len(labels) == 4 and all((label == filled(SQUARE, TRIANGLE)).all() for label in labels.values())


def test_csv_is_recognised_and_read(tmp_path: Path) -> None:
    photos(tmp_path / "pictures", "ä 0.jpg", "1.jpg", "2.jpg")
    entries = [
        entry(name, region(SQUARE, label="road"), region(TRIANGLE, label="car")) for name in ("ä 0.jpg", "1.jpg")
    ]
    (tmp_path / "via_region_data_csv.csv").write_text(as_csv([*entries, entry("2.jpg")]), encoding="utf-8")
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.notes[0].startswith("the files are of VGG Image Annotator: via_region_data_csv.csv")
    assert [class_["name"] for class_ in guessed.layout["classes"]] == ["background", "road", "car"]
    for name in ("ä 0", "1"):
        np.testing.assert_array_equal(labels[name], filled(SQUARE, TRIANGLE))
    assert not labels["2"].any()


def test_one_attribute_is_the_class_in_all_regions(tmp_path: Path) -> None:
    """VIA stores no attribute that is not set: the only one of a region is not that of the class by itself."""
    photos(tmp_path / "images", "a.jpg", "b.jpg")
    entries = [entry("a.jpg", region(SQUARE, label="road")), entry("b.jpg", region(SQUARE, colour="red"))]
    put_json(tmp_path / "via.json", {one["filename"]: one for one in entries})
    guessed = guess(tmp_path)
    assert guessed.layout["annotations"]["attribute"] == "label"
    assert "classes are the values of label; for another one set annotations.attribute" in guessed.notes
    labels, (problem,) = read_all(tmp_path, guessed.layout, tmp_path / "out")
    assert set(labels) == {"a"} and "has no value of the attribute 'label'. Received: colour" in problem.detail


def test_the_layout_says_which_attribute_is_the_class(tmp_path: Path) -> None:
    photos(tmp_path / "images", "a.jpg", "b.jpg")
    entries = [entry(f"{name}.jpg", region(SQUARE, colour="red", size="big")) for name in "ab"]
    put_json(tmp_path / "via.json", {one["filename"]: one for one in entries})
    with pytest.raises(DatasetError, match=r"which attribute .* There are: colour \(red\); size \(big\)"):
        guess(tmp_path)
    chosen = layout_of("via", "via.json", "small", "big")
    chosen["annotations"]["attribute"] = "size"
    labels, problems = read_all(tmp_path, chosen, tmp_path / "out")
    assert not problems and (labels["a"] == 2 * filled(SQUARE)).all()


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
    np.testing.assert_array_equal(drawn, filled(SQUARE))


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
    detail = fault_of(via.draw, drawing(entry("a.jpg", region(SQUARE, label="a"), bad)), numbered("a"))
    assert detail.startswith("a.jpg, region 1: ") and words in detail
