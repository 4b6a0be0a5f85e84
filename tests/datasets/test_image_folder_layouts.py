"""Layouts that people leave: a mask for each class, a folder for each image, twins, several lists, turned images."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.errors import DatasetError
from datasets.image_folder import annotated, guess, layout
from datasets.raw import RawFolder
from tests.datasets.described_folder import encoded, put
from tests.datasets.guessed_folder import PHOTO, guessed, mask

NUMBER = 6


def objects(at: int) -> bytes:
    return mask(at, 20 + at)


def put_all(root: Path, **names: str) -> None:
    """Write images ("image") and masks of classes ("road" is larger than "car" and holds it), by patterns of names."""
    for at in range(NUMBER):
        for kind, pattern in names.items():
            content = {"image": PHOTO, "road": mask(*range(at, at + 8))}.get(kind, mask(at, at + 1))
            put(root, pattern.format(at, split="train" if at < 4 else "val"), content=content)


@pytest.mark.parametrize(
    ("image", "one", "images", "files"),
    [
        ("images/{}.png", "{label}/{}.png", "images/{id}.png", "{label}/{id}.png"),
        ("{}.png", "{label}/{}.png", "{id}.png", "{label}/{id}.png"),
        ("images/{}.png", "{label}_masks/{}.png", "images/{id}.png", "{label}_masks/{id}.png"),
        ("{split}/images/{}.png", "{split}/{label}/{}.png", "{split}/images/{id}.png", "{split}/{label}/{id}.png"),
        ("images/{split}/{}.png", "masks/{label}/{split}/{}.png", "images/{split}/{id}.png",
         "masks/{label}/{split}/{id}.png"),
        ("a{}.png", "a{}_{label}.png", "{id}.png", "{id}_{label}.png"),
        ("a{}.png", "a{}_{label}_mask.png", "{id}.png", "{id}_{label}_mask.png"),
        ("images/a{}.png", "masks/a{}_{label}.png", "images/{id}.png", "masks/{id}_{label}.png"),
        ("s{}/image.png", "s{}/{label}.png", "{id}/image.png", "{id}/{label}.png"),
    ],
)  # fmt: skip
def test_a_mask_for_each_class_is_read(image: str, one: str, images: str, files: str, tmp_path: Path) -> None:
    put_all(tmp_path, image=image, car=one.replace("{label}", "car"), road=one.replace("{label}", "road"))
    result = guess.guess(tmp_path)
    read = layout.Layout.model_validate(result.layout)
    assert read.annotations and (read.images, read.annotations.files) == ([images], [files])
    assert [class_.name for class_ in read.classes] == ["background", "road", "car"]  # the small one lies on top
    splits = annotated.find(RawFolder(tmp_path), read, read.annotations)
    assert sorted(len(pair.parts) for split in splits.values() for pair in split.pairs) == [2] * NUMBER
    assert not any(split.problems for split in splits.values())


def test_the_names_of_classes_may_hold_separators(tmp_path: Path) -> None:
    put_all(tmp_path, image="a{}.png", road="a{}_traffic_light.png", car="a{}_car.png")
    assert [one["name"] for one in guess.guess(tmp_path).layout["classes"]] == ["background", "traffic_light", "car"]


@pytest.mark.parametrize("other", ["labels/{}.png", "masks/{}.png"])
def test_a_folder_of_masks_comes_before_folders_of_classes(other: str, tmp_path: Path) -> None:
    put_all(tmp_path, image="images/{}.png", road="road/{}.png", car="car/{}.png", masks=other)
    read, notes, _ = guessed(tmp_path)
    assert read.masks == [other.replace("{}", "{id}")] and "folders that are not used: car (6), road (6)" in notes


@pytest.mark.parametrize("further", [(), ("label_viz.png",)])
def test_a_folder_for_each_image_with_its_mask(further: tuple, tmp_path: Path) -> None:
    for at in range(NUMBER):
        put(tmp_path, f"s{at}/img.png", content=PHOTO)
        put(tmp_path, *(f"s{at}/{name}" for name in ("label.png", *further)), content=objects(at))
    read, _, splits = guessed(tmp_path)
    assert (read.images, read.masks) == (["{id}/img.png"], ["{id}/label.png"])
    assert sum(len(split.pairs) for split in splits.values()) == NUMBER


def test_an_image_and_its_mask_may_differ_in_the_suffix_only(tmp_path: Path) -> None:
    photo = encoded(np.zeros((8, 6, 3), np.uint8), "JPEG")
    for at in range(NUMBER):
        put(tmp_path, f"{at}.jpg", content=photo)
        put(tmp_path, f"{at}.png", content=objects(at))
    read, _, splits = guessed(tmp_path)
    assert (read.images, read.masks) == (["{id}.jpg"], ["{id}.png"])
    assert sum(len(split.pairs) for split in splits.values()) == NUMBER


@pytest.mark.parametrize(
    ("further", "kind"), [("images/3.bmp", "duplicate id"), ("images/x.bmp", "image without mask")]
)
def test_images_of_another_suffix_are_named_by_ingest(further: str, kind: str, tmp_path: Path) -> None:
    put_all(tmp_path, image="images/{}.png", car="masks/{}.png")
    put(tmp_path, further, content=encoded(np.zeros((8, 6, 3), np.uint8), "BMP"))
    _, _, splits = guessed(tmp_path)
    problems = [problem for split in splits.values() for problem in split.problems]
    assert [problem.kind.value for problem in problems] == [kind]
    assert sum(len(split.pairs) for split in splits.values()) == NUMBER - (kind == "duplicate id")


def test_each_group_may_have_lists_of_its_own(tmp_path: Path) -> None:
    lists = {"VOC2007": {"train": "0\n1\n", "val": "2\n"}, "VOC2012": {"train": "1\n", "val": "0\n"}}
    for year, of in lists.items():
        for at in range(3):
            put(tmp_path, f"VOCdevkit/{year}/JPEGImages/{at}.png", content=PHOTO)
            put(tmp_path, f"VOCdevkit/{year}/SegmentationClass/{at}.png", content=objects(at))
        for split, lines in of.items():
            put(tmp_path, f"VOCdevkit/{year}/ImageSets/Segmentation/{split}.txt", content=lines.encode())
    _, notes, splits = guessed(tmp_path)
    assert {name: [pair.id for pair in split.pairs] for name, split in splits.items()} == {
        "train": ["VOC2007/0", "VOC2007/1", "VOC2012/1"], "val": ["VOC2007/2", "VOC2012/0"]
    }  # fmt: skip
    assert "1 images with a mask are in no list, and so in no split" in notes


def test_lists_of_only_some_groups_are_said_not_to_be_used(tmp_path: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        for at in range(3):
            put(tmp_path, f"VOCdevkit/{year}/JPEGImages/{year}_{at}.png", content=PHOTO)
            put(tmp_path, f"VOCdevkit/{year}/SegmentationClass/{year}_{at}.png", content=objects(at))
    for split in ("train", "val"):
        put(tmp_path, f"VOCdevkit/VOC2007/ImageSets/Segmentation/{split}.txt", content=b"VOC2007_0\n")
    read, notes, _ = guessed(tmp_path)
    assert read.splits.ratios and "val.txt are lists of VOC2007, and are not used, as VOC2012 has none" in notes


def test_masks_in_a_folder_of_any_name_beside_the_images_of_each_group(tmp_path: Path) -> None:
    for patient in (1, 2):
        for at in range(3):
            put(tmp_path, f"p{patient}/images/{at}.png", content=PHOTO)
            put(tmp_path, f"p{patient}/vessels/{at}.png", content=objects(at))
    read, _, splits = guessed(tmp_path)
    assert (read.images, read.masks) == (["{group}/images/{id}.png"], ["{group}/vessels/{id}.png"])
    assert {pair.group for split in splits.values() for pair in split.pairs} == {"p1", "p2"}


# --- objects, not classes ---------------------------------------------------------------------------------------------


def counted(at: int, *, in_order: bool) -> np.ndarray:
    """One to four squares, numbered row by row or not."""
    ids = np.zeros((40, 40), np.uint8)
    number = 1 + at % 4
    for place in range(number):
        top, left = divmod(place, 2)
        value = place + 1 if in_order else number - place
        ids[20 * top + 3 : 20 * top + 12, 20 * left + 3 + at : 20 * left + 10 + at] = value
    return ids


@pytest.mark.parametrize("in_order", [True, False])
def test_few_objects_that_are_counted_are_refused(in_order: bool, tmp_path: Path) -> None:
    for at in range(8):
        put(tmp_path, f"images/{at}.png", content=PHOTO)
        put(tmp_path, f"masks/{at}.png", content=encoded(counted(at, in_order=in_order)))
    with pytest.raises(DatasetError, match=r"instances, not classes: every mask counts from 1, to 1 or up to 4"):
        guess.guess(tmp_path)


@pytest.mark.parametrize(("areas", "is_noted"), [(1, True), (2, False)])
def test_colours_of_one_area_each_are_noted(areas: int, is_noted: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colours = rng.integers(1, 255, (9, 3)).astype(np.uint8)
    colours[0] = 0
    for at in range(8):
        ids = np.zeros((32, 64), np.uint8)
        for place, value in enumerate(rng.permutation(np.arange(1, 9))[:4]):
            for copy in range(areas):
                ids[3 + 15 * copy : 10 + 15 * copy, 3 + 15 * place : 12 + 15 * place] = value
        put(tmp_path, f"images/{at}.png", content=PHOTO)
        put(tmp_path, f"masks/{at}.png", content=encoded(colours[ids]))
    assert ("each value is one connected area" in guessed(tmp_path)[1]) == is_noted


# --- images that EXIF turns -------------------------------------------------------------------------------------------


def test_turned_images_of_class_masks_are_noted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = encoded(np.zeros((8, 6, 3), np.uint8), "JPEG", exif=exif)
    put_all(tmp_path, car="car/{}.png", road="road/{}.png")
    put(tmp_path, *(f"images/{at}.jpg" for at in range(NUMBER)), content=turned)
    (note,) = [note for note in guess.guess(tmp_path).notes if "EXIF" in note]
    assert note.startswith("6 of the images that were looked at are turned by EXIF. Set `image: {exif: apply}` if")


@pytest.mark.parametrize("pattern", ["*a*a*{id}.png", "*/*/*/*/{id}.png"])
@pytest.mark.parametrize("key", ["images", "annotations"])
def test_a_pattern_that_takes_hours_is_refused(key: str, pattern: str, tmp_path: Path) -> None:
    tree = {"images": "{id}.png", "annotations": {"tool": "labelme", "files": "{id}.json"}} | {
        "splits": {"ratios": {"train": 1}}, "classes": [{"name": "a"}, {"name": "b"}]
    }  # fmt: skip
    tree[key] = pattern if key == "images" else {"tool": "labelme", "files": pattern}
    (tmp_path / "segline.yaml").write_text(json.dumps(tree))
    with pytest.raises(DatasetError, match=r"3 of `\*` at most, 2 in a part"):
        layout.read(tmp_path / "segline.yaml")
