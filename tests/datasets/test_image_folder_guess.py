"""What `segline init` makes of folders whose images lie in several places: nothing is left out in silence."""

from pathlib import Path

import numpy as np
import pytest

from datasets import audit
from datasets.errors import DatasetError
from datasets.image_folder import folder, guess, masks
from datasets.image_folder.image_folder_dataset_builder import reader_of
from datasets.image_folder.layout import Layout
from datasets.raw import RawFolder
from tests.datasets.described_folder import encoded, put

PHOTO = encoded(np.arange(48, dtype=np.uint8).reshape(8, 6))
MASK = encoded((np.arange(48).reshape(8, 6) % 2).astype(np.uint8))


def pairs(root: Path, *places: str, number: int = 3) -> None:
    """Write `number` pairs for each place: a name that holds {kind} and {i}."""
    for place in places:
        put(root, *(place.format(kind="images", i=i) for i in range(number)), content=PHOTO)
        put(root, *(place.format(kind="masks", i=i) for i in range(number)), content=MASK)


def guessed(root: Path) -> tuple[Layout, str, dict[str, list[str]]]:
    """Give the layout, what was said, and the images of each split, none of which is bad."""
    found = guess.guess(root)
    layout = Layout.model_validate(found.layout)
    splits = folder.find(RawFolder(root), layout)
    assert not any(split.problems for split in splits.values())
    return layout, "\n".join(found.said), {name: [one.image for one in of.pairs] for name, of in splits.items()}


def test_folders_that_differ_in_one_part_are_groups(tmp_path: Path) -> None:
    for index in range(12):
        pairs(tmp_path, f"patient{index:02d}/{{kind}}/{{i:03d}}.png", number=3 + index % 2)
    layout, said, splits = guessed(tmp_path)
    assert (layout.images, layout.masks) == (["{group}/images/{id}.png"], ["{group}/masks/{id}.png"])
    assert {name: len(images) for name, images in splits.items()} == {"train": 29, "val": 6, "test": 7}
    assert "42 images have a mask" in said and "{group} stands for 12 folders: patient00, patient01, " in said
    assert "by lot that divides no group" in said
    patients = [{image.split("/")[0] for image in images} for images in splits.values()]
    assert sum(map(len, patients)) == 12 == len(set.union(*patients))


def test_groups_may_lie_in_splits_and_ids_begin_anew(tmp_path: Path) -> None:
    pairs(tmp_path, *(f"{part}/{site}/{{kind}}/{{i}}.png" for part in ("train", "val") for site in ("north", "south")))
    pairs(tmp_path, "train/west/{kind}/{i}.png", number=2)
    layout, _, splits = guessed(tmp_path)
    assert layout.images == ["{split}/{group}/images/{id}.png"]
    assert {name: len(images) for name, images in splits.items()} == {"train": 8, "val": 6}


def test_two_groups_make_two_splits(tmp_path: Path) -> None:
    pairs(tmp_path, "p1/{kind}/{i}.png", "p2/{kind}/{i}.png")
    assert {name: len(images) for name, images in guessed(tmp_path)[2].items()} == {"train": 3, "val": 3}


def test_versions_of_the_same_images_are_no_groups(tmp_path: Path) -> None:
    pairs(tmp_path, "original/{kind}/{i}.png", "resized/{kind}/{i}.png")
    layout, said, _ = guessed(tmp_path)
    assert layout.images == ["original/images/{id}.png"]
    assert "3 images lie in folders that are not used: resized/images (3)" in said


def test_folders_elsewhere_are_told(tmp_path: Path) -> None:
    pairs(tmp_path, "{kind}/{i}.png", number=5)
    pairs(tmp_path, "old/{kind}/{i}.png")
    put(tmp_path, "figures/a.png", content=PHOTO)
    layout, said, _ = guessed(tmp_path)
    assert layout.images == ["images/{id}.png"]
    assert "4 images lie in folders that are not used: figures (1), old/images (3)" in said


def test_a_number_behind_the_name_of_a_split_belongs_to_it(tmp_path: Path) -> None:
    for part, number in (("train2017", 5), ("val2017", 2)):
        put(tmp_path, *(f"images/{part}/{i}.jpg" for i in range(number)), content=PHOTO)
        put(tmp_path, *(f"annotations/{part}/{i}.png" for i in range(number)), content=MASK)
    layout, _, splits = guessed(tmp_path)
    assert layout.splits.folders == {"train": "train2017", "val": "val2017"}
    assert {name: len(images) for name, images in splits.items()} == {"train": 5, "val": 2}


def test_of_two_folders_for_a_split_the_larger_is_taken_and_the_other_told(tmp_path: Path) -> None:
    pairs(tmp_path, "train/{kind}/{i}.png", "valid/{kind}/{i}.png")
    pairs(tmp_path, "val/{kind}/{i}.png", number=4)
    layout, said, _ = guessed(tmp_path)
    assert layout.splits.folders == {"train": "train", "val": "val"}
    assert "3 of valid/images/{id}.png are not used, as val is the val split" in said


def test_names_that_say_a_split_are_no_groups(tmp_path: Path) -> None:
    pairs(tmp_path, *(f"{name}/{{kind}}/{{i}}.png" for name in ("train_a", "train_b", "test_a")))
    layout, said, _ = guessed(tmp_path)
    assert "{group}" not in layout.images[0] and "6 images lie in folders that are not used" in said


def test_without_a_folder_for_training_it_is_told(tmp_path: Path) -> None:
    pairs(tmp_path, "{kind}/val/{i}.png", "{kind}/test/{i}.png")
    with pytest.raises(DatasetError, match=r"images with masks lie in test \(3\), val \(3\), and no such folder is ca"):
        guess.guess(tmp_path)


def test_few_images_leave_no_split_empty(tmp_path: Path) -> None:
    pairs(tmp_path, "{kind}/{i}.png", number=7)
    assert {name: len(images) for name, images in guessed(tmp_path)[2].items()} == {"train": 5, "val": 1, "test": 1}


def test_masks_are_looked_at_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "LOOKED_AT", 4)
    put(tmp_path, *(f"images/{i}.png" for i in range(7)), content=PHOTO)
    for i in range(7):
        put(tmp_path, f"masks/{i}.png", content=encoded(np.full((8, 6), i, np.uint8)))
    assert [one.raw for one in guessed(tmp_path)[0].classes] == [0, 1, 2, 3, 4, 5]  # 0, 1, 3 and 5 were looked at
    assert "masks are PNG L (4) with the values 0, 1, 3, 5" in guess.guess(tmp_path).said


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ((0, 0.7), np.float32, [0, 1]),
        ((12, 3891), np.uint16, [0, 4095]),
        ((0, 200), np.uint16, [0, 255]),
        ((-5, 3000), np.float32, [-5, 3000]),
        ((0, 40000), np.uint16, None),
        ((0, 0), np.uint16, None),
        ((0, 200), np.uint8, None),
    ],
)
def test_the_range_of_the_images_is_seen(values: tuple, dtype: type, expected: list | None, tmp_path: Path) -> None:
    pixels = np.array(values, dtype)[np.arange(48).reshape(8, 6) % 2]
    put(tmp_path, *(f"images/{i}.tif" for i in range(3)), content=encoded(pixels, "TIFF"))
    put(tmp_path, *(f"masks/{i}.png" for i in range(3)), content=MASK)
    put(tmp_path, "images/0.tif", content=b"damaged")
    found = guess.guess(tmp_path)
    assert found.layout.get("image") == (expected and {"range": expected})
    assert ("become black and white" in "\n".join(found.said)) == bool(expected)
    if expected:
        reader = reader_of(Layout.model_validate(found.layout))
        assert audit.opened(reader.image((tmp_path / "images/1.tif").read_bytes())).getextrema()[1] >= 170


def test_images_that_no_list_names_are_not_said_to_be_bad(tmp_path: Path) -> None:
    pairs(tmp_path, "{kind}/{i}.png")
    put(tmp_path, "images/9.png", content=PHOTO)
    (tmp_path / "train.txt").write_text("0\n1\n")
    (tmp_path / "val.txt").write_text("2\n")
    assert "1 image has none; `segline check` and `run` will name those that a list names" in guessed(tmp_path)[1]
