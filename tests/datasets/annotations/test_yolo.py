"""YOLO polygons: filled as OpenCV fills them, the smaller on top, as Ultralytics' PolygonSemanticDataset does."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from datasets.annotations import fill, yolo
from tests.datasets.annotations.exports import (
    HEIGHT,
    SIZE,
    WIDTH,
    drawing,
    fault_of,
    init_and_read,
    numbered,
    photos,
)

BY_OPENCV = "571e811ab397aac2a2fb83b78161aae2"
"""Start of the SHA-256 of `random_polygons`, packed, each filled by OpenCV 5.0's cv2.fillPoly."""


def random_polygons():
    rng = np.random.default_rng(7)
    for _ in range(500):
        height, width = rng.integers(4, 64, 2).tolist()
        yield (
            (height, width),
            [
                np.stack([rng.integers(-9, width + 9, 7), rng.integers(-9, height + 9, 7)], 1).astype(np.int32)
                for _ in range(rng.integers(1, 3))
            ],
        )


def test_polygons_are_filled_as_opencv_fills_them() -> None:
    digest = hashlib.sha256()
    for size, outlines in random_polygons():
        digest.update(np.packbits(fill.polygons(size, outlines)))
    assert digest.hexdigest().startswith(BY_OPENCV)


def test_polygons_equal_those_of_the_opencv_that_is_installed() -> None:
    cv2 = pytest.importorskip("cv2")
    for size, outlines in random_polygons():
        expected = np.zeros(size, np.uint8)
        cv2.fillPoly(expected, outlines, 1)
        np.testing.assert_array_equal(fill.polygons(size, outlines), expected.astype(bool))


def test_far_corners_cost_no_memory() -> None:
    far = np.array([[-(10**9), -(10**9)], [10**9, -(10**9)], [0, 10**9]])
    assert fill.polygons(SIZE, [far]).all()


def line(number: int, points: np.ndarray) -> str:
    return f"{number} " + " ".join(f"{value:.6f}" for value in (np.array(points) / [WIDTH, HEIGHT]).ravel())


def export(folder: Path, names: str = "names: [road, car]") -> dict[str, list[str]]:
    """Write what Ultralytics takes: data.yaml, images/ and labels/ of each split."""
    rng, lines = np.random.default_rng(2), {}
    (folder / "data.yaml").write_text(f"path: .\ntrain: images/train\nval: images/val\nnc: 2\n{names}\n")
    for part, count in (("train", 4), ("val", 2)):
        photos(folder / "images" / part, *(f"{part}{at}.jpg" for at in range(count)))
        (folder / "labels" / part).mkdir(parents=True)
        for at in range(count):
            name = f"{part}{at}"
            lines[name] = [line(at % 2, rng.random((5, 2)) * [WIDTH, HEIGHT]) for _ in range(6)]
            (folder / "labels" / part / f"{name}.txt").write_text("\n".join(lines[name]) + "\n")
    return lines


def expected_label(lines: list[str]) -> np.ndarray:
    masks = []
    for one in lines:
        number, *values = one.split()
        points = np.array(values, np.float32).reshape(-1, 2) * np.array([WIDTH, HEIGHT], np.float32)
        masks.append((fill.polygons(SIZE, [points.astype(np.int32)]), int(number) + 1))
    label = np.zeros(SIZE, np.uint8)
    for mask, value in sorted(masks, key=lambda both: -both[0].sum()):
        label[mask] = value
    return label


@pytest.mark.parametrize("names", ["names: [road, car]", "names:\n  0: road\n  1: car"])
def test_an_export_is_recognised_and_read(tmp_path: Path, names: str) -> None:
    lines = export(tmp_path, names)
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.layout["images"] == "images/{split}/{id}.jpg"
    assert guessed.layout["annotations"]["files"] == "labels/{split}/{id}.txt"
    assert guessed.layout["classes"] == [
        {"name": "background"}, {"name": "road", "labels": ["0"]}, {"name": "car", "labels": ["1"]}
    ]  # fmt: skip
    for name, own in lines.items():
        np.testing.assert_array_equal(labels[name], expected_label(own))


def test_roboflow_folders_and_a_name_of_two_numbers(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['road', 'road']\n"
    )
    for part in ("train", "valid"):
        photos(tmp_path / part / "images", f"{part}.jpg")
        (tmp_path / part / "labels").mkdir()
        (tmp_path / part / "labels" / f"{part}.txt").write_text("1 0.1 0.1 0.5 0.1 0.5 0.5\n")
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.layout["annotations"]["files"] == "{split}/labels/{id}.txt"
    assert guessed.layout["classes"][1] == {"name": "road", "labels": ["0", "1"]}
    assert labels["train"].any() and labels["valid"].any()


def test_an_image_without_polygons_is_background(tmp_path: Path) -> None:
    export(tmp_path)
    (tmp_path / "labels/train/train3.txt").unlink()
    (tmp_path / "labels/train/train2.txt").write_text("")
    _, labels = init_and_read(tmp_path, tmp_path / "out")
    assert len(labels) == 6 and not labels["train2"].any() and not labels["train3"].any()


def test_the_smaller_polygon_lies_on_top() -> None:
    large, small = "0 0 0 1 0 1 1 0 1", "1 0.3 0.3 0.6 0.3 0.6 0.6"
    for lines in (f"{large}\n{small}", f"{small}\n{large}"):
        label = yolo.draw(drawing(lines), numbered("0", "1"))
        assert label[9, 14] == 2 and label[20, 2] == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 0.1 0.1 0.5 0.5 0.9", "5 coordinates are not pairs"),
        ("0 0.5 0.5 0.2 0.2", "is a box (4 numbers), not a polygon"),
        ("0 0.5 0.5", "1 points, where at least 3 are needed"),
        ("0 3 4 10 12 5 9", "has coordinates beyond 0..1"),
        ("0 a b 0.5 0.5 0.1 0.9", "cannot be read"),
        ("road 0.1 0.1 0.5 0.5 0.9 0.2", "begins with 'road', not with the number of a class"),
        ("7 0.1 0.1 0.5 0.5 0.9 0.2", "label '7' is not in the layout"),
    ],
)
def test_a_bad_line_is_named(text: str, words: str) -> None:
    detail = fault_of(yolo.draw, drawing(f"0 0.1 0.1 0.5 0.1 0.5 0.5\n{text}\n"), numbered("0"))
    assert detail.startswith("a.jpg, line 2: ") and words in detail
