"""COCO: polygons and run-length codes as pycocotools decodes them, in the order of the file; what is wrong is named."""

from pathlib import Path

import numpy as np
import pycocotools.mask
import pytest
from pycocotools.coco import COCO

from datasets.annotations import coco
from datasets.audit import BadFileError, Kind
from datasets.errors import DatasetError
from datasets.image_folder.guess import guess
from tests.datasets.annotations.exports import (
    HEIGHT,
    SIZE,
    SQUARE,
    TRIANGLE,
    WIDTH,
    drawing,
    fault_of,
    flat,
    init_and_read,
    layout_of,
    numbered,
    photos,
    put_json,
    read_all,
)

CATEGORIES = [{"id": 7, "name": "road", "supercategory": ""}, {"id": 3, "name": "car", "supercategory": ""}]


def annotation(number: int, image: int, category: int, segmentation, **more) -> dict:
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": segmentation,
        "iscrowd": 0,
        **more,
    }


def document(names: list[str], annotations: list[dict], categories: list[dict] = CATEGORIES) -> dict:
    images = [{"id": at, "file_name": name, "width": WIDTH, "height": HEIGHT} for at, name in enumerate(names)]
    return {"info": {}, "licenses": [], "images": images, "categories": categories, "annotations": annotations}


def layout(**changes) -> dict:
    return layout_of("coco", "annotations/*.json", "road", "car", **changes)


def semantic_map(file: Path, image: int, train_ids: dict[int, int]) -> np.ndarray:
    """As cocostuffapi's cocoSegmentationToSegmentationMap with includeCrowd: a later annotation over an earlier one."""
    tool = COCO(str(file))
    label = np.zeros(SIZE, np.uint8)
    for one in tool.loadAnns(tool.getAnnIds(imgIds=image)):
        label[tool.annToMask(one) == 1] = train_ids[one["category_id"]]
    return label


def random_annotations(rng: np.random.Generator, images: int) -> list[dict]:
    annotations = []
    for number in range(8 * images):
        polygons = [flat((rng.random((rng.integers(3, 8), 2)) * [40, 30] - 4).round(2).tolist()) for _ in range(2)]
        code = pycocotools.mask.encode(np.asfortranarray(rng.integers(0, 2, SIZE, np.uint8)))
        counts = rng.multinomial(WIDTH * HEIGHT, [1 / 9] * 9).tolist()
        forms = [polygons, {**code, "counts": code["counts"].decode()}, {"size": list(SIZE), "counts": counts}]
        form = number % 3
        annotations.append(annotation(number, number % images, int(rng.choice([7, 3])), forms[form], iscrowd=form == 2))
    return annotations


def test_labels_equal_those_of_pycocotools(tmp_path: Path) -> None:
    folder, names = tmp_path / "data", [f"{at}.jpg" for at in range(5)]
    photos(folder / "images", *names)
    file = folder / "annotations" / "instances_default.json"
    put_json(file, document(names, random_annotations(np.random.default_rng(1), len(names))))
    guessed, labels = init_and_read(folder, tmp_path / "out")
    assert guessed.notes[0] == "the files are of COCO: annotations/instances_default.json with images/{id}.jpg"
    assert guessed.layout["classes"] == [{"name": "background"}, {"name": "road"}, {"name": "car"}]
    for at in range(len(names)):
        np.testing.assert_array_equal(labels[str(at)], semantic_map(file, at, {7: 1, 3: 2}))


def test_an_image_without_annotations_is_background(tmp_path: Path) -> None:
    photos(tmp_path / "images", "a.jpg", "b.jpg")
    put_json(tmp_path / "annotations/x.json", document(["a.jpg", "b.jpg"], [annotation(0, 0, 7, [flat(SQUARE)])]))
    labels, problems = read_all(tmp_path, layout(), tmp_path / "out")
    assert not problems and labels["a"].any() and not labels["b"].any()


def test_uncovered_and_ignored_labels(tmp_path: Path) -> None:
    photos(tmp_path / "images", "a.jpg")
    shapes = [annotation(0, 0, 7, [flat(SQUARE)]), annotation(1, 0, 3, [flat(TRIANGLE)])]
    put_json(tmp_path / "annotations/x.json", document(["a.jpg"], shapes))
    changed = layout(
        annotations={"tool": "coco", "files": "annotations/x.json", "uncovered": "ignore", "ignore": "car"},
        classes=[{"name": "street", "labels": ["road"]}, {"name": "never", "labels": []}],
    )
    labels, problems = read_all(tmp_path, changed, tmp_path / "out")
    assert not problems and sorted(np.unique(labels["a"])) == [0, 255]
    assert labels["a"][10, 5] == 0 and labels["a"][20, 28] == labels["a"][0, 0] == 255


@pytest.mark.parametrize(
    ("segmentation", "category", "words"),
    [
        ([[1, 1, 5, 5]], 7, "2 points, where at least 3 are needed"),
        ([[1, 1, 5, 5, 9]], 7, "5 coordinates are not pairs of x and y"),
        ([[40, 1, 50, 5, 45, 9]], 7, "lies outside the image of 24x32 (x 40..50, y 1..9)"),
        ([[1, 1, float("nan"), 5, 9, 9]], 7, "no finite number"),
        ([[1, 1, 1e12, 5, 9, 9]], 7, "a coordinate of 1e+12 is far outside the image"),
        ([["a", 1, 5, 5, 9, 9]], 7, "cannot be read"),
        ([], 7, "has no segmentation; a box is not enough"),
        ({"size": [9, 9], "counts": [81]}, 7, "a run-length code of 9x9 on an image of 24x32"),
        ({"size": list(SIZE), "counts": [5, 5]}, 7, "a run-length code of 10 pixels, not 768"),
        ({"size": list(SIZE), "counts": "zzzz"}, 7, "a run-length code of 50 pixels, not 768"),
        ({"size": list(SIZE), "counts": "52203"}, 7, "a run-length code of 16 pixels, not 768"),
        ({"size": list(SIZE)}, 7, "cannot be read"),
        ([flat(SQUARE)], 99, "category_id 99 is not in `categories`"),
        ([flat(SQUARE)], 5, "label 'tree' is not in the layout, whose classes are 'road', 'car'"),
    ],
)
def test_a_bad_annotation_is_named(segmentation, category: int, words: str) -> None:
    categories = [*CATEGORIES, {"id": 5, "name": "tree"}]
    files = [categories, {"width": WIDTH, "height": HEIGHT}, annotation(17, 0, category, segmentation)]
    detail = fault_of(coco.draw, drawing(*files), numbered("road", "car"))
    assert detail.startswith("a.jpg, annotation 17: ") and words in detail


def test_every_bad_annotation_of_an_image_is_named() -> None:
    bad = [annotation(number, 0, 7, [[1, 1, 5, 5]]) for number in range(8)]
    with pytest.raises(BadFileError, match=r"annotation 0: .*; annotation 4: .*; and 3 more shapes"):
        coco.draw(drawing(CATEGORIES, {}, *bad), numbered("road"))


def test_an_image_of_another_size_is_a_bad_file() -> None:
    with pytest.raises(BadFileError, match=r"a\.jpg is 24x32, annotated as 32x24; the tool saw it turned"):
        coco.draw(drawing(CATEGORIES, {"width": HEIGHT, "height": WIDTH}), numbered("road"))


def test_missing_partners_are_named(tmp_path: Path) -> None:
    photos(tmp_path / "images", "a.jpg", "new.jpg")
    shapes = [annotation(0, 0, 7, [flat(SQUARE)]), annotation(5, 42, 7, [flat(SQUARE)])]
    put_json(tmp_path / "annotations/x.json", document(["a.jpg", "gone.jpg"], shapes))
    labels, problems = read_all(tmp_path, layout(), tmp_path / "out")
    assert set(labels) == {"a"}
    assert {(problem.kind, problem.file, problem.id, problem.detail) for problem in problems} == {
        (Kind.WITHOUT_MASK, "images/new.jpg", "new", "no annotation file names it"),
        (Kind.WITHOUT_IMAGE, "annotations/x.json", "gone.jpg", "there is no image gone.jpg"),
        (Kind.WITHOUT_IMAGE, "annotations/x.json", "image_id 42",
         "1 annotations name the image_id 42, which `images` has not"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"images": [', "x.json: no JSON"),
        ('{"images": []}', "x.json: a JSON without annotations, categories, so it is not of COCO"),
        ("[1, 2]", "x.json: its JSON does not begin with an object"),
        ('{"images": [{"id": 1}], "categories": [], "annotations": []}', "KeyError: 'file_name'"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, text: str, words: str) -> None:
    photos(tmp_path / "images", "a.jpg")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "x.json").write_text(text)
    with pytest.raises(DatasetError) as caught:
        read_all(tmp_path, layout(), tmp_path / "out")
    assert words in str(caught.value) and "annotations.tool is coco" in str(caught.value)


def test_an_image_that_is_annotated_twice_is_left_out(tmp_path: Path) -> None:
    """Either annotation may be a part of its label."""
    photos(tmp_path / "images", "0.jpg", "1.jpg", "2.jpg")
    for file, names in (("a", ["0.jpg", "1.jpg"]), ("b", ["0.jpg", "2.jpg"])):
        shapes = [annotation(at, at, 7, [flat(SQUARE)]) for at in range(2)]
        put_json(tmp_path / f"annotations/{file}.json", document(names, shapes))
    twice = "images/0.jpg is annotated twice, in annotations/a.json and in annotations/b.json"
    guessed = guess(tmp_path)
    assert any(f"bad files, duplicate id: annotations/b.json ({twice})" in note for note in guessed.notes)
    labels, problems = read_all(tmp_path, guessed.layout, tmp_path / "out")
    assert set(labels) == {"1", "2"} and [problem.detail for problem in problems] == [twice]


def test_files_name_the_splits(tmp_path: Path) -> None:
    names = [f"{at}.jpg" for at in range(6)]
    photos(tmp_path / "images", *names)
    put_json(tmp_path / "annotations/captions_train.json", {"images": [], "annotations": [{"caption": "a"}]})
    for part, chosen in (("train", names[:4]), ("val", names[4:])):
        shapes = [annotation(at, at, 7, [flat(SQUARE)]) for at in range(len(chosen))]
        put_json(tmp_path / f"annotations/instances_{part}.json", document(chosen, shapes))
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.layout["annotations"]["files"] == "annotations/instances_{split}.json"
    assert guessed.layout["splits"] == {"folders": {"train": "train", "val": "val"}} and len(labels) == 6


def test_roboflow_coco_with_equal_names_in_each_split(tmp_path: Path) -> None:
    """Each split has its own JSON beside its images, and a category that is only the project's name."""
    categories = [{"id": 0, "name": "street", "supercategory": "none"}]
    categories += [{"id": 1, "name": "road", "supercategory": "street"}]
    for at, part in enumerate(("train", "valid")):
        photos(tmp_path / part, "0.jpg", "1.jpg")
        shapes = [annotation(0, 0, 1, [flat((SQUARE, TRIANGLE)[at])])]
        put_json(tmp_path / part / "_annotations.coco.json", document(["0.jpg", "1.jpg"], shapes, categories))
    guessed, _ = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.layout["images"] == "{split}/{id}.jpg"
    assert [class_["name"] for class_ in guessed.layout["classes"]] == ["background", "road"]
    assert guessed.layout["splits"]["folders"] == {"train": "train", "val": "valid"}


def test_names_that_are_not_ascii(tmp_path: Path) -> None:
    photos(tmp_path / "images", "Straße.jpg")
    categories = [{"id": 1, "name": "Gebäude"}]
    put_json(tmp_path / "instances.json", document(["Straße.jpg"], [annotation(0, 0, 1, [flat(SQUARE)])], categories))
    (tmp_path / "instances.json").write_text(
        (tmp_path / "instances.json").read_text().replace("Stra\\u00dfe", "Straße"), encoding="utf-8"
    )
    changed = layout(
        annotations={"tool": "coco", "files": "*.json"}, classes=[{"name": "background"}, {"name": "Gebäude"}]
    )
    labels, problems = read_all(tmp_path, changed, tmp_path / "out")
    assert not problems and labels["Straße"].any()
