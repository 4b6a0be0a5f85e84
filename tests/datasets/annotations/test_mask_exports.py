"""Masks that a tool exported with a list of its classes: names, order and colours are those of the list."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.errors import DatasetError
from datasets.image_folder.guess import guess
from datasets.image_folder.mask_exports import VOC
from datasets.palette import pascal_voc
from tests.datasets.annotations.exports import init_and_read, photos

IDS = np.kron(np.array([[0, 1], [2, 0]], np.uint8), np.ones((12, 16), np.uint8))
"""A mask of three ids."""


def save(path: Path, ids: np.ndarray, colours: np.ndarray | None = None) -> None:
    """Write a mask: of ids with VOC's palette, or of colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if colours is not None:
        Image.fromarray(colours[ids].astype(np.uint8)).save(path)
        return
    image = Image.fromarray(ids, "P")
    image.putpalette([value for colour in pascal_voc(256) for value in colour])
    image.save(path)


def masks(folder: Path, count: int = 6, ending: str = ".png", **options) -> None:
    for at in range(count):
        save(folder / f"{at}{ending}", np.roll(IDS, at, 1), **options)


def names(layout: dict) -> list[str]:
    return [class_["name"] for class_ in layout["classes"]]


def test_cvat_segmentation_mask(tmp_path: Path) -> None:
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::", "road:250,50,83::", "car:51,221,255::"]
    (tmp_path / "labelmap.txt").write_text("\n".join(lines) + "\n")
    photos(tmp_path / "JPEGImages", *(f"{at}.jpg" for at in range(6)))
    masks(tmp_path / "SegmentationClass", colours=np.array([[0, 0, 0], [250, 50, 83], [51, 221, 255]]))
    masks(tmp_path / "SegmentationObject", colours=np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]]))
    (tmp_path / "ImageSets/Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/default.txt").write_text("\n".join(map(str, range(6))))
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert names(guessed.layout) == ["background", "road", "car"]
    assert any("an export of CVAT (labelmap.txt), which lists 3 classes" in note for note in guessed.notes)
    np.testing.assert_array_equal(labels["1"], np.roll(IDS, 1, 1))


@pytest.mark.parametrize("folder", ["SegmentationClassPNG", "SegmentationClass"])
def test_labelme_voc(tmp_path: Path, folder: str) -> None:
    (tmp_path / "class_names.txt").write_text("_background_\nroad\ncar")
    photos(tmp_path / "JPEGImages", *(f"2011_{at}.jpg" for at in range(6)))
    photos(tmp_path / "SegmentationClassVisualization", *(f"2011_{at}.jpg" for at in range(6)))
    for at in range(6):
        ids = np.roll(IDS, at, 1)
        ids[-1] = 255
        save(tmp_path / folder / f"2011_{at}.png", ids)
        if folder.endswith("PNG"):
            (tmp_path / "SegmentationClass").mkdir(exist_ok=True)
            np.save(tmp_path / "SegmentationClass" / f"2011_{at}.npy", ids.astype(np.int32))
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.layout["images"] == "JPEGImages/{id}.jpg"
    assert guessed.layout["masks"] == f"{folder}/{{id}}.png"
    assert names(guessed.layout) == ["_background_", "road", "car"] and guessed.layout["ignore"] == [255]
    assert sorted(np.unique(labels["2011_0"])) == [0, 1, 2, 255]


def test_pascal_voc(tmp_path: Path) -> None:
    """More images than masks; lists of the splits; rare classes keep their ids and names."""
    root = tmp_path / "VOC2012"
    photos(root / "JPEGImages", *(f"2007_{at}.jpg" for at in range(8)))
    for at in range(6):
        ids = np.where(IDS == 1, 15, IDS)
        ids[0] = 255
        save(root / f"SegmentationClass/2007_{at}.png", ids)
    (root / "Annotations").mkdir()
    (root / "Annotations/2007_0.xml").write_text(
        "<annotation><filename>2007_0.jpg</filename><object><name>person</name></object></annotation>"
    )
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_0\n2007_1\n2007_2\n")
    (lists / "val.txt").write_text("2007_3\n2007_4\n2007_5\n")
    guessed, labels = init_and_read(root, tmp_path / "out")
    assert names(guessed.layout) == list(VOC) and guessed.layout["splits"]["lists"]
    assert sorted(np.unique(labels["2007_0"])) == [0, 2, 15, 255] and len(labels) == 6


def test_roboflow_masks(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        photos(tmp_path / part, *(f"{part}{at}_jpg.rf.0a.jpg" for at in range(3)))
        for at in range(3):
            path = tmp_path / part / f"{part}{at}_jpg.rf.0a_mask.png"
            Image.fromarray(np.roll(IDS, at, 1)).save(path)
        (tmp_path / part / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, road\n2, car\n3, bus\n")
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert names(guessed.layout) == ["background", "road", "car", "bus"]
    assert guessed.layout["splits"] == {"folders": {"train": "train", "val": "valid", "test": "test"}}
    assert len(labels) == 9


def test_class_dict(tmp_path: Path) -> None:
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\nSky,128,128,128\nRoad,128,64,128\nCar,64,0,128\nVoid,0,0,0\n")
    colours = np.array([[128, 128, 128], [128, 64, 128], [0, 0, 0]])
    for part in ("train", "val"):
        photos(tmp_path / part, *(f"{part}{at}.png" for at in range(3)))
        for at in range(3):
            save(tmp_path / f"{part}_labels" / f"{part}{at}_L.png", np.roll(IDS, at, 1), colours)
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert names(guessed.layout) == ["Sky", "Road", "Car"] and guessed.layout["ignore"] == [[0, 0, 0]]
    assert sorted(np.unique(labels["train0"])) == [0, 1, 255]


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("class_dict.csv", "id,colour\n1,red\n", "class_dict.csv must begin with the columns name, r, g, b"),
        ("class_dict.csv", "name,r,g,b\nSky,1,2,300\n", "the line 'Sky,1,2,300' has no colour"),
        ("class_dict.csv", "name,r,g,b\nSky,1,2\n", "the line 'Sky,1,2' has no colour"),
        ("_classes.csv", "", "_classes.csv"),
    ],
)
def test_a_list_of_another_kind_is_named(tmp_path: Path, file: str, text: str, words: str) -> None:
    photos(tmp_path / "images", "a.jpg")
    save(tmp_path / "masks/a.png", IDS)
    (tmp_path / file).write_text(text)
    with pytest.raises(DatasetError, match="In ") as caught:
        guess(tmp_path)
    assert words in str(caught.value)


def test_lists_of_splits_that_differ_are_refused(tmp_path: Path) -> None:
    for part, classes in (("train", "0, a\n1, b\n"), ("valid", "0, b\n1, a\n")):
        photos(tmp_path / part, f"{part}.jpg")
        Image.fromarray(IDS % 2).save(tmp_path / part / f"{part}_mask.png")
        (tmp_path / part / "_classes.csv").write_text(f"Pixel Value, Class\n{classes}")
    with pytest.raises(DatasetError, match=r"train/_classes\.csv and valid/_classes\.csv differ"):
        guess(tmp_path)
