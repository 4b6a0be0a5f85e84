"""Label Studio: polygons, rectangles and brushes of JSON exports."""

from pathlib import Path

import numpy as np
import pytest

from datasets.annotations import brush, label_studio
from datasets.audit import BadFileError
from datasets.image_folder.guess import guess
from tests.datasets.annotations.exports import (
    HEIGHT,
    SIZE,
    SQUARE,
    TRIANGLE,
    WIDTH,
    drawing,
    fault_of,
    filled,
    init_and_read,
    numbered,
    photos,
    put_json,
)

BLOCK = [0, 0, 0, 96, 57, 27, 254, 31, 0, 183, 255, 108, 2, 223, 254, 27, 0, 0]
"""4 x 6 pixels, of which rows 1 and 2, columns 2 to 4 are 255, encoded by label-studio-sdk's encode_rle."""

VALUES = [0, 0, 0, 24, 57, 27, 252, 96, 17, 129, 198, 1, 30, 68, 96, 17, 255, 128]
"""[[0, 3, 0], [200, 0, 255]], likewise."""


def result(value: dict, kind: str, *labels: str, number: str = "Ab1", size: tuple[int, int] = SIZE) -> dict:
    return {
        "id": number, "type": kind, "from_name": "label", "to_name": "image", "image_rotation": 0,
        "original_width": size[1], "original_height": size[0], "value": {**value, kind: list(labels)},
    }  # fmt: skip


def polygon(points: list, *labels: str) -> dict:
    percent = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in points]
    return result({"points": percent, "closed": True}, "polygonlabels", *labels)


def task(image: str, *results: dict, **annotation) -> dict:
    made = {"id": 5, "was_cancelled": False, "ground_truth": False, "result": list(results), **annotation}
    return {"id": 1, "data": {"image": image, "note": "a.jpg or not"}, "annotations": [made], "predictions": []}


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/3/0a1b2c3d-{}.jpg",
        "/data/local-files/?d=pictures/{}.jpg",
        "s3://bucket/street/{}.jpg",
        "https://host/pictures/{}.jpg?token=1",
        "{}.jpg",
    ],
)
def test_an_export_is_recognised_and_read(tmp_path: Path, address: str) -> None:
    photos(tmp_path / "pictures", *(f"{at}.jpg" for at in range(4)))
    tasks = [task(address.format(at), polygon(SQUARE, "road"), polygon(TRIANGLE, "car")) for at in range(4)]
    put_json(tmp_path / "project-1.json", tasks)
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.notes[0] == "the files are of Label Studio: project-1.json with pictures/{id}.jpg"
    assert [class_["name"] for class_ in guessed.layout["classes"]] == ["background", "road", "car"]
    assert len(labels) == 4 and all((label == filled(SQUARE, TRIANGLE)).all() for label in labels.values())


def test_json_min(tmp_path: Path) -> None:
    photos(tmp_path / "pictures", *(f"{at}.jpg" for at in range(4)))
    values = []
    for one in (polygon(SQUARE, "road"), polygon(TRIANGLE, "car")):
        values.append({**one["value"], "original_width": WIDTH, "original_height": HEIGHT})
    tasks = [
        {"image": f"/data/upload/1/0a1b2c3d-{at}.jpg", "id": at, "label": values, "annotator": 1} for at in range(4)
    ]
    put_json(tmp_path / "min.json", tasks)
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert "the files are of Label Studio" in guessed.notes[0] and len(labels) == 4
    np.testing.assert_array_equal(labels["0"], filled(SQUARE, TRIANGLE))


def test_a_task_that_was_skipped_is_no_annotation(tmp_path: Path) -> None:
    photos(tmp_path / "pictures", "a.jpg", "b.jpg", "c.jpg")
    tasks = [task(f"{name}.jpg", polygon(SQUARE, "road")) for name in "ab"]
    put_json(tmp_path / "x.json", [*tasks, task("c.jpg", was_cancelled=True)])
    assert guess(tmp_path).pairs == 2


def test_brushes_are_decoded_as_label_studio_does() -> None:
    expected = np.zeros((4, 6), bool)
    expected[1:3, 2:5] = True
    np.testing.assert_array_equal(brush.decode(BLOCK, (4, 6)), expected)
    np.testing.assert_array_equal(brush.decode(VALUES, (2, 3)), [[False, True, False], [True, False, True]])
    stroke = result({"format": "rle", "rle": BLOCK}, "brushlabels", "road", size=(4, 6))
    label = label_studio.draw(
        drawing([], size=(4, 6))._replace(files=drawing(task("a.jpg", stroke)).files), numbered("road")
    )
    np.testing.assert_array_equal(label > 0, expected)


def test_rectangles_may_be_turned() -> None:
    box = {"x": 25.0, "y": 25.0, "width": 25.0, "height": 25.0, "rotation": 0}
    label = label_studio.draw(drawing(task("a.jpg", result(box, "rectanglelabels", "a"))), numbered("a"))
    np.testing.assert_array_equal(label, filled([[8, 6], [16, 6], [16, 12], [8, 12]]))
    turned = result({**box, "rotation": 90}, "rectanglelabels", "a")
    label = label_studio.draw(drawing(task("a.jpg", turned)), numbered("a"))
    np.testing.assert_array_equal(label, filled([[8, 6], [8, 14], [2, 14], [2, 6]]))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (polygon(SQUARE[:2], "a"), "2 points, where at least 3 are needed"),
        (polygon(SQUARE), "has 0 labels, where one is needed"),
        (polygon(SQUARE, "a", "b"), "has 2 labels, where one is needed"),
        (polygon(SQUARE, "tree"), "label 'tree' is not in the layout"),
        (result({"x": 1, "y": 1, "radiusX": 2, "radiusY": 3}, "ellipselabels", "a"), "is neither polygon, brush nor"),
        (result({"format": "rle", "rle": BLOCK}, "brushlabels", "a"), "a brush of 24 pixels, not 24x32"),
        (result({"format": "rle", "rle": BLOCK[:1]}, "brushlabels", "a"), "cannot be read"),
    ],
)
def test_a_bad_result_is_named(bad: dict, words: str) -> None:
    detail = fault_of(label_studio.draw, drawing(task("a.jpg", bad)), numbered("a", "b"))
    assert detail.startswith("a.jpg, result Ab1: ") and words in detail


def test_two_annotations_of_an_image_are_a_bad_file() -> None:
    tree = task("a.jpg", polygon(SQUARE, "a"))
    tree["annotations"] *= 2
    with pytest.raises(BadFileError, match=r"a\.jpg has 2 annotations: keep one of them"):
        label_studio.draw(drawing(tree), numbered("a"))
    tree["annotations"][1] = {**tree["annotations"][1], "ground_truth": True}
    assert label_studio.draw(drawing(tree), numbered("a")).any()
