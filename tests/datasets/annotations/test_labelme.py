"""labelme: shapes drawn as labelme draws them, a later one over an earlier; and what is wrong is named."""

import base64
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from datasets.annotations import labelme
from datasets.audit import BadFileError, Kind
from datasets.image_folder.guess import guess
from tests.datasets.annotations.exports import (
    HEIGHT,
    SIZE,
    SQUARE,
    TRIANGLE,
    WIDTH,
    drawing,
    fault_of,
    init_and_read,
    layout_of,
    numbered,
    photos,
    put_json,
    read_all,
)
from tests.datasets.described_folder import encoded


def shape(label: str, points: list, kind: str | None = "polygon", **more) -> dict:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def document(image: str, *shapes: dict) -> dict:
    """What labelme saves."""
    return {
        "version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": image, "imageData": None,
        "imageHeight": HEIGHT, "imageWidth": WIDTH,
    }  # fmt: skip


def drawn_by_labelme(shapes: list[dict], values: dict[str, int]) -> np.ndarray:
    """As shapes_to_label and shape_to_mask of labelme 6.3.1 (utils/shape.py)."""
    label = np.zeros(SIZE, np.uint8)
    for one in shapes:
        image = Image.new("1", (WIDTH, HEIGHT))
        draw, points = ImageDraw.Draw(image), [tuple(point) for point in one["points"]]
        if one["shape_type"] == "circle":
            (x, y), radius = points[0], math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1])
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=1, fill=1)
        elif one["shape_type"] == "rectangle":
            (x0, y0), (x1, y1) = points
            draw.rectangle((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), outline=1, fill=1)
        elif one["shape_type"] in ("line", "linestrip"):
            draw.line(points, fill=1, width=10)
        elif one["shape_type"] == "point":
            (x, y), radius = points[0], 5
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=1, fill=1)
        else:
            draw.polygon(points, outline=1, fill=1)
        label[np.asarray(image)] = values[one["label"]]
    return label


def random_shapes(rng: np.random.Generator) -> list[dict]:
    number = {"rectangle": 2, "circle": 2, "line": 2, "point": 1, "oriented_rectangle": 4, "linestrip": 3}
    kinds = [str(kind) for kind in rng.choice([*number, "polygon", "polygon"], 4)]
    return [
        shape("abc"[rng.integers(3)], (rng.random((number.get(kind, 6), 2)) * [WIDTH, HEIGHT]).tolist(), kind)
        for kind in kinds
    ]


def test_labels_equal_those_of_labelme() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        shapes = random_shapes(rng)
        label = labelme.draw(drawing(document("a.jpg", *shapes)), numbered("a", "b", "c"))
        np.testing.assert_array_equal(label, drawn_by_labelme(shapes, {"a": 1, "b": 2, "c": 3}))


def test_a_mask_lies_between_its_corners() -> None:
    inset = np.array([[1, 0, 1], [0, 1, 0]], np.uint8) * 255
    data = base64.b64encode(encoded(inset)).decode()
    label = labelme.draw(drawing(document("a.jpg", shape("a", [[5, 7], [7, 8]], "mask", mask=data))), numbered("a"))
    expected = np.zeros(SIZE, np.uint8)
    expected[7:9, 5:8] = inset > 0
    np.testing.assert_array_equal(label, expected)


@pytest.mark.parametrize("folder", ["", "labels/"])
def test_an_export_is_recognised_and_read(tmp_path: Path, folder: str) -> None:
    """JSON beside the images, as labelme saves, or in a folder of its own; overlaps: later on top."""
    rng = np.random.default_rng(3)
    names = [f"{at}" for at in range(5)]
    photos(tmp_path / "images" if folder else tmp_path, *(f"{name}.jpg" for name in names))
    shapes = {name: [shape("a", SQUARE), shape("b", TRIANGLE), *random_shapes(rng)] for name in names}
    shapes["4"][-1] = shape("c", TRIANGLE)
    for name in names:
        put_json(tmp_path / folder / f"{name}.json", document(f"../images/{name}.jpg" if folder else f"{name}.jpg",
                                                             *shapes[name]))  # fmt: skip
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.notes[0].startswith("the files are of labelme: ")
    assert [class_["name"] for class_ in guessed.layout["classes"]] == ["background", "a", "b", "c"]
    for name in names:
        np.testing.assert_array_equal(labels[name], drawn_by_labelme(shapes[name], {"a": 1, "b": 2, "c": 3}))


def test_an_export_to_voc_beside_it_is_no_image(tmp_path: Path) -> None:
    """labelme2voc copies the images, and draws masks of the same names: none of them is an image of its own."""
    for at in range(4):
        for folder, suffix in (
            ("data_annotated", "jpg"),
            ("voc/JPEGImages", "jpg"),
            ("voc/SegmentationClassPNG", "png"),
        ):
            photos(tmp_path / folder, f"{at}.{suffix}")
        put_json(tmp_path / f"data_annotated/{at}.json", document(f"{at}.jpg", shape("road", SQUARE)))
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.layout["images"] == "data_annotated/{id}.jpg" and set(labels) == {"0", "1", "2", "3"}
    assert guessed.pairs == 4
    notes = "\n".join(guessed.notes)
    assert "4 masks of these images are not used: voc/SegmentationClassPNG" in notes
    assert "4 copies of these images are not used: voc/JPEGImages" in notes


@pytest.mark.parametrize("label", [None, ["x"], 5])
def test_a_label_that_is_no_text_is_no_class(tmp_path: Path, label) -> None:
    photos(tmp_path, "a.jpg", "b.jpg")
    put_json(tmp_path / "a.json", document("a.jpg", shape("road", SQUARE)))
    put_json(tmp_path / "b.json", document("b.jpg", shape(label, SQUARE)))
    guessed = guess(tmp_path)
    assert [class_["name"] for class_ in guessed.layout["classes"]] == ["background", "road"]
    labels, (problem,) = read_all(tmp_path, guessed.layout, tmp_path / "out")
    assert set(labels) == {"a"} and f"its label is {label!r}, which is no text" in problem.detail


def test_a_mask_that_is_no_image_is_named_without_an_address() -> None:
    data = base64.b64encode(b"nothing").decode()
    bad = document("a.jpg", shape("a", [[5, 7], [7, 8]], "mask", mask=data))
    detail = fault_of(labelme.draw, drawing(bad), numbered("a"))
    assert "7 bytes, none of PNG" in detail and "0x" not in detail


def test_folders_of_splits(tmp_path: Path) -> None:
    for part in ("train", "val"):
        photos(tmp_path / "images" / part, "0.jpg", "1.jpg")
        for at in range(2):
            put_json(tmp_path / f"labels/{part}/{at}.json", document(f"{at}.jpg", shape("road", SQUARE)))
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.layout["images"] == "images/{split}/{id}.jpg"
    assert guessed.layout["annotations"]["files"] == "labels/{split}/{id}.json"
    assert set(labels) == {"0", "1"}


def test_ignored_labels_and_the_background(tmp_path: Path) -> None:
    photos(tmp_path, "a.jpg", "b.jpg")
    for name in "ab":
        document_ = document(f"{name}.jpg", shape("road", SQUARE), shape("__ignore__", TRIANGLE))
        put_json(tmp_path / f"{name}.json", document_)
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.layout["annotations"]["ignore"] == ["__ignore__"]
    assert sorted(np.unique(labels["a"])) == [0, 1, 255]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (shape("a", SQUARE[:2]), "2 points, where at least 3 are needed"),
        (shape("a", SQUARE, "rectangle"), "4 points, where a rectangle has 2"),
        (shape("a", [[99, 99], [120, 99], [99, 120]]), "lies outside the image"),
        (shape("a", SQUARE, "brush"), "a 'brush'; read are polygon, linestrip, circle"),
        (shape("z", SQUARE), "label 'z' is not in the layout, whose classes are 'a'"),
        ({"points": SQUARE}, "cannot be read (KeyError: 'label')"),
        ("shape", "cannot be read"),
    ],
)
def test_a_bad_shape_is_named(bad, words: str) -> None:
    detail = fault_of(labelme.draw, drawing(document("a.jpg", shape("a", SQUARE), bad)), numbered("a"))
    assert detail.startswith("a.jpg, shape 1: ") and words in detail


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "no JSON"),
        ([], "a JSON without a list `shapes`"),
        (document("other.jpg"), "its imagePath is other.jpg, but by its own name it is that of a.jpg"),
        ({**document("a.jpg"), "imageWidth": 99}, "a.jpg is 24x32, annotated as 24x99"),
    ],
)
def test_a_bad_file_is_named(content, words: str) -> None:
    with pytest.raises(BadFileError) as caught:
        labelme.draw(drawing(content), numbered("a"))
    assert words in caught.value.detail


@pytest.mark.parametrize("broken", ["0", "1"])
def test_a_json_that_is_cut_off_is_named_and_the_tool_still_known(tmp_path: Path, broken: str) -> None:
    """A folder of many is known by a sample, of which it may be one."""
    for name in map(str, range(12)):
        photos(tmp_path, f"{name}.jpg")
        put_json(tmp_path / f"{name}.json", document(f"{name}.jpg", shape("road", SQUARE)))
    (tmp_path / f"{broken}.json").write_bytes((tmp_path / f"{broken}.json").read_bytes()[:50])
    guessed = guess(tmp_path)
    assert any(f"bad files, bad annotation: {broken}.json (no JSON" in note for note in guessed.notes)
    labels, (problem,) = read_all(tmp_path, guessed.layout, tmp_path / "out")
    assert len(labels) == 11 and (problem.file, problem.id) == (f"{broken}.json", broken)


def test_json_in_one_folder_of_images_in_several(tmp_path: Path) -> None:
    """What init pairs only by name ingest pairs too."""
    for group in ("p1", "p2"):
        for at in range(3):
            photos(tmp_path / "images" / group, f"{group}_{at}.jpg")
            put_json(tmp_path / f"json/{group}_{at}.json", document(f"{group}_{at}.jpg", shape("road", SQUARE)))
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.pairs == len(labels) == 6


def test_an_image_without_json_is_named(tmp_path: Path) -> None:
    photos(tmp_path, "a.jpg", "b.jpg")
    put_json(tmp_path / "a.json", document("a.jpg", shape("road", SQUARE)))
    layout = layout_of("labelme", "{id}.json", "road", images="{id}.jpg")
    labels, (problem,) = read_all(tmp_path, layout, tmp_path / "out")
    assert set(labels) == {"a"} and problem.kind is Kind.WITHOUT_MASK and problem.file == "b.jpg"
