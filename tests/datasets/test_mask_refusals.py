"""Masks of objects, photos and numbers out of range are no classes, and are refused by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.errors import DatasetError
from datasets.image_folder import layout
from datasets.image_folder.image_folder_dataset_builder import reader_of
from datasets.image_folder.layout import Layout
from datasets.palette import pascal_voc
from tests.datasets import described_folder
from tests.datasets.described_folder import encoded
from tests.datasets.drawn_masks import meaning, paint, shapes, shrink


@pytest.mark.parametrize("smooth", [False, True])
def test_random_colours_of_objects_are_refused_as_instances(smooth: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    contents = []
    for ids in shapes(classes=6):
        painted = paint(ids, [(0, 0, 0), *rng.integers(20, 256, (5, 3)).tolist()])
        contents.append(encoded(shrink(painted) if smooth else painted))
    with pytest.raises(DatasetError) as caught:
        meaning(tmp_path, contents)
    message = str(caught.value)
    assert "000.png (PNG RGB (6)) hold instances, not classes: " in message
    assert smooth or "30 of 31 values, such as [21, " in message
    assert "are in one mask each" in message and "classes: [{name: background, raw: [0, 0, 0]}" in message


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, None], ids=["8 bits", "16 bits", "colours"])
def test_numbers_of_objects_are_refused_as_instances(dtype: type | None, tmp_path: Path) -> None:
    contents = []
    for number in (3, 9, 5, 12, 30, 8):
        ids = np.zeros((64, 64), dtype or np.uint8)
        for index in range(number):
            row, column = divmod(index, 8)
            ids[row * 8 + 1 : row * 8 + 7, column * 8 + 1 : column * 8 + 7] = index + 1
        contents.append(encoded(ids if dtype else paint(ids, pascal_voc(40))))
    with pytest.raises(DatasetError, match="every mask begins with the same values, one has 3, another 30"):
        meaning(tmp_path, contents)


def test_numbers_that_hold_class_and_object_are_refused_as_instances(tmp_path: Path) -> None:
    values = [7, 11, *range(24000, 24004), *range(26000, 26007), 33000]
    ids = np.array(values, np.uint16).repeat(5).reshape(1, -1).repeat(5, 0)
    with pytest.raises(DatasetError, match=r"33000 are a class \(33\) times 1000 and a number"):
        meaning(tmp_path, [encoded(ids)] * 3)


def test_classes_that_few_masks_show_are_no_instances(tmp_path: Path) -> None:
    colours = [(0, 0, 0), *[(20 * index, 255 - 20 * index, 90) for index in range(1, 11)]]
    contents = []
    for index in range(12):  # each class in two masks, but for two of them
        ids = np.zeros((32, 32), np.uint8)
        ids[4:20, 4:20] = 1 + index % 10
        contents.append(encoded(paint(ids, colours)))
    assert len(meaning(tmp_path, contents[:5]).classes) == 6
    assert len(meaning(tmp_path, contents * 2).classes) == 11


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_photos_are_refused(channels: int, suffix: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    contents = []
    for _ in range(5):
        small = Image.fromarray(rng.integers(20, 220, (12, 16, 3)).astype(np.uint8))
        photo = small.resize((160, 120), Image.Resampling.BICUBIC).convert("L" if channels == 1 else "RGB")
        contents.append(encoded(photo, "JPEG" if suffix == "jpg" else "PNG"))
    with pytest.raises(DatasetError, match=r"masks such as 000\.(png|jpg) .* hold"):
        meaning(tmp_path, contents, suffix)


def test_numbers_that_no_layout_holds_are_refused(tmp_path: Path) -> None:
    pixels = np.array([[-1, 0], [1, 2]], np.int32)
    with pytest.raises(DatasetError, match=r"hold -1; ids are 0 to 65535\. Save them with other numbers; 255 is usual"):
        meaning(tmp_path, [encoded(pixels, "TIFF")], "tif")


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (
            {"read": "ids", "others": "objekt"},
            "must be error, ignore, or the name of a class. Received: objekt. Did you",
        ),
        ({"read": "ids"}, "give `raw` for all classes or for none. Without: object"),
        ({"read": "ids", "palette": "never"}, "mask.palette"),
    ],
)
def test_others_name_a_class(mask: dict, words: str, tmp_path: Path) -> None:
    classes = [{"name": "background", "raw": 0}, {"name": "object"}]
    with pytest.raises(DatasetError, match=words):
        layout.read(described_folder.described(tmp_path / "a.yaml", mask=mask, classes=classes))


def test_instances_of_one_class_are_read_as_the_message_says() -> None:
    ids = np.array([[0, 5], [900, 0]], np.uint16)
    common = {"images": "a/{id}.png", "masks": "b/{id}.png", "splits": {"ratios": {"train": 1}}}
    for read, background, content in (
        ("ids", 0, encoded(ids)),
        ("colours", [0, 0, 0], encoded(np.array([[[0, 0, 0], [9, 5, 2]], [[9, 8, 7], [0, 0, 0]]], np.uint8))),
    ):
        classes = [{"name": "background", "raw": background}, {"name": "object"}]
        tree = {**common, "mask": {"read": read, "others": "object"}, "classes": classes}
        np.testing.assert_array_equal(reader_of(Layout.model_validate(tree)).mask(content), [[0, 1], [1, 0]])
