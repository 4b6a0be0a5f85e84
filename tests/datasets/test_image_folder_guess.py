"""The layouts that `segline init` guesses for folders of many shapes: nothing is left out silently."""

import unicodedata
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
    """Write `number` pairs for each of `places`, names with {kind} and {i}."""
    for place in places:
        put(root, *(place.format(kind="images", i=i) for i in range(number)), content=PHOTO)
        put(root, *(place.format(kind="masks", i=i) for i in range(number)), content=MASK)


def guessed(root: Path) -> tuple[Layout, str, dict[str, list[str]]]:
    """Return the layout, the notes, and the images of each split, none of which is bad."""
    result = guess.guess(root)
    layout = Layout.model_validate(result.layout)
    splits = folder.find(RawFolder(root), layout)
    assert not any(split.problems for split in splits.values())
    return layout, "\n".join(result.notes), {name: [one.image for one in of.pairs] for name, of in splits.items()}


def test_folders_that_differ_in_one_part_are_groups(tmp_path: Path) -> None:
    for index in range(12):
        pairs(tmp_path, f"patient{index:02d}/{{kind}}/{{i:03d}}.png", number=3 + index % 2)
    layout, notes, splits = guessed(tmp_path)
    assert (layout.images, layout.masks) == (["{group}/images/{id}.png"], ["{group}/masks/{id}.png"])
    assert {name: len(images) for name, images in splits.items()} == {"train": 29, "val": 6, "test": 7}
    assert "42 images have a mask" in notes and "{group} stands for 12 folders: patient00, patient01, " in notes
    assert "at random, each group in a single split" in notes
    patients = [{image.split("/")[0] for image in images} for images in splits.values()]
    assert sum(map(len, patients)) == 12 == len(set.union(*patients))


def test_groups_in_splits_may_have_the_same_ids(tmp_path: Path) -> None:
    pairs(tmp_path, "train/north/{kind}/{i}.png", "val/north/{kind}/{i}.png")
    pairs(tmp_path, "train/south/{kind}/{i}.png", "val/south/{kind}/{i}.png", number=4)
    pairs(tmp_path, "train/west/{kind}/{i}.png", number=2)
    layout, _, splits = guessed(tmp_path)
    assert layout.images == ["{split}/{group}/images/{id}.png"]
    assert {name: len(images) for name, images in splits.items()} == {"train": 9, "val": 7}


def test_two_groups_make_two_splits(tmp_path: Path) -> None:
    pairs(tmp_path, "p1/{kind}/{i}.png", "p2/{kind}/{i}.png")
    assert {name: len(images) for name, images in guessed(tmp_path)[2].items()} == {"train": 3, "val": 3}


def test_versions_of_the_same_images_are_no_groups(tmp_path: Path) -> None:
    pairs(tmp_path, "original/{kind}/{i}.png", "resized/{kind}/{i}.png")
    layout, notes, _ = guessed(tmp_path)
    assert layout.images == ["original/images/{id}.png"]
    assert "3 images are in folders that are not used: resized/images (3)" in notes


@pytest.mark.parametrize(
    ("first", "second"),
    [("256x256", "512x512"), ("10x", "40x"), ("v1", "v2"), ("256px", "512px"), ("set_v1", "set_v2")],
)
def test_scales_and_releases_of_the_same_images_are_no_groups(first: str, second: str, tmp_path: Path) -> None:
    pairs(tmp_path, f"{first}/{{kind}}/{{i}}.png", f"{second}/{{kind}}/{{i}}.png")
    layout, notes, _ = guessed(tmp_path)
    assert layout.images == [f"{first}/images/{{id}}.png"]
    assert f"3 images are in folders that are not used: {second}/images (3)" in notes


def test_folders_that_differ_by_one_image_are_versions(tmp_path: Path) -> None:
    pairs(tmp_path, "clean/{kind}/{i}.png", number=4)
    pairs(tmp_path, "raw/{kind}/{i}.png", number=5)
    assert guessed(tmp_path)[0].images == ["raw/images/{id}.png"]


def test_any_two_folders_that_are_nearly_the_same_are_versions(tmp_path: Path) -> None:
    pairs(tmp_path, "original/{kind}/{i}.png", "resized/{kind}/{i}.png", "augmented/{kind}/turned_{i}.png", number=11)
    put(tmp_path, "original/images/11.png", content=PHOTO)
    put(tmp_path, "original/masks/11.png", content=MASK)
    layout, notes, _ = guessed(tmp_path)
    assert layout.images == ["original/images/{id}.png"]
    assert "22 images are in folders that are not used: augmented/images (11), resized/images (11)" in notes


@pytest.mark.parametrize(
    "places",
    [
        ("north/{kind}/n{i}.png", "south/{kind}/s{i}.png"),
        ("v1/{kind}/a{i}.png", "v2/{kind}/b{i}.png"),
        ("site_a/{kind}/{i}.png", "site_b/{kind}/{i}.png"),
        ("patient1x/{kind}/{i}.png", "patient2x/{kind}/{i}.png"),
    ],
)
def test_other_images_and_running_numbers_are_groups(places: tuple[str, ...], tmp_path: Path) -> None:
    pairs(tmp_path, *places)
    layout, _, splits = guessed(tmp_path)
    assert layout.images == ["{group}/images/{id}.png"] and list(splits) == ["train", "val"]


def test_among_many_folders_two_may_have_the_same_names(tmp_path: Path) -> None:
    for index, name in enumerate(["oak", "ash", "elm", "fir", "yew", "box", "bay", "fig", "nut", "tea", "ivy"]):
        pairs(tmp_path, f"{name}/{{kind}}/{{i}}.png", number=2 + index % 2)
    assert guessed(tmp_path)[0].images == ["{group}/images/{id}.png"]


def test_a_single_folder_with_pairs_is_no_group(tmp_path: Path) -> None:
    pairs(tmp_path, "p1/{kind}/{i}.png", number=7)
    put(tmp_path, *(f"p2/images/{i}.png" for i in range(5)), content=PHOTO)
    put(tmp_path, *(f"p2/masks/{i}_seg.png" for i in range(5)), content=MASK)
    layout, notes, splits = guessed(tmp_path)
    assert (layout.images, layout.masks) == (["p1/images/{id}.png"], ["p1/masks/{id}.png"])
    assert {name: len(images) for name, images in splits.items()} == {"train": 5, "val": 1, "test": 1}
    assert "5 images are in folders that are not used: p2/images (5)" in notes and "{group}" not in notes


def test_a_group_without_masks_is_left_out_by_the_prefix_of_the_others(tmp_path: Path) -> None:
    pairs(tmp_path, "site1/{kind}/{i}.png", "site2/{kind}/{i}.png")
    put(tmp_path, *(f"unlabeled/images/{i}.png" for i in range(5)), content=PHOTO)
    layout, notes, splits = guessed(tmp_path)
    assert (layout.images, layout.masks) == (["site{group}/images/{id}.png"], ["site{group}/masks/{id}.png"])
    assert {name: len(images) for name, images in splits.items()} == {"train": 3, "val": 3}
    assert "5 images are in folders that are not used: unlabeled/images (5)" in notes


def test_if_a_group_without_masks_cannot_be_left_out_the_largest_group_is_used(tmp_path: Path) -> None:
    pairs(tmp_path, "north/{kind}/{i}.png")
    pairs(tmp_path, "south/{kind}/{i}.png", number=7)
    put(tmp_path, *(f"unlabeled/images/{i}.png" for i in range(5)), content=PHOTO)
    layout, notes, _ = guessed(tmp_path)
    assert layout.images == ["south/images/{id}.png"]
    assert "only the largest is used, as unlabeled has no pairs; move that away to use all" in notes
    assert "8 images are in folders that are not used: north/images (3), unlabeled/images (5)" in notes


def test_a_group_without_masks_may_stay_where_lists_name_the_images(tmp_path: Path) -> None:
    pairs(tmp_path, "north/{kind}/{i}.png", "south/{kind}/s{i}.png")
    put(tmp_path, *(f"unlabeled/images/{i}.png" for i in range(5)), content=PHOTO)
    (tmp_path / "train.txt").write_text("north/0\ns1\n")
    (tmp_path / "val.txt").write_text("north/2\n")
    layout, _, splits = guessed(tmp_path)
    assert layout.images == ["{group}/images/{id}.png"]
    assert {name: len(images) for name, images in splits.items()} == {"train": 2, "val": 1}


def test_of_two_candidates_masks_are_those_that_are_not_jpegs(tmp_path: Path) -> None:
    for part, number in (("train2017", 5), ("val2017", 2)):
        put(tmp_path, *(f"{part}/{i}.jpg" for i in range(number)), content=PHOTO)
        put(tmp_path, *(f"stuffthingmaps/{part}/{i}.png" for i in range(number)), content=MASK)
    layout, _, splits = guessed(tmp_path)
    assert (layout.images, layout.masks) == (["{split}/{id}.jpg"], ["stuffthingmaps/{split}/{id}.png"])
    assert {name: len(images) for name, images in splits.items()} == {"train": 5, "val": 2}


@pytest.mark.parametrize("name", ["test_", "dev"])
def test_folders_of_the_same_split_are_split_at_random(name: str, tmp_path: Path) -> None:
    for index in (1, 2):
        put(tmp_path, *(f"{name}{index}/{i}.png" for i in range(3)), content=PHOTO)
        put(tmp_path, *(f"{name}{index}/{i}_mask.png" for i in range(3)), content=MASK)
    layout, _, splits = guessed(tmp_path)
    assert (layout.images, layout.masks) == (["{group}/{id}.png"], ["{group}/{id}_mask.png"])
    assert {part: len(images) for part, images in splits.items()} == {"train": 3, "val": 3}


def test_decomposed_names_of_a_mac_are_split_like_composed_ones(tmp_path: Path) -> None:
    sites = [unicodedata.normalize("NFD", f"Zürich {number}") for number in range(1, 6)]
    pairs(tmp_path, *(f"{site}/{{kind}}/{{i}}.png" for site in sites))
    assert {name: len(images) for name, images in guessed(tmp_path)[2].items()} == {"train": 9, "val": 3, "test": 3}


def test_unused_folders_are_named(tmp_path: Path) -> None:
    pairs(tmp_path, "{kind}/{i}.png", number=5)
    pairs(tmp_path, "old/{kind}/{i}.png")
    put(tmp_path, "figures/a.png", content=PHOTO)
    layout, notes, _ = guessed(tmp_path)
    assert layout.images == ["images/{id}.png"]
    assert "4 images are in folders that are not used: figures (1), old/images (3)" in notes


def test_a_number_after_the_name_of_a_split_belongs_to_it(tmp_path: Path) -> None:
    for part, number in (("train2017", 5), ("val2017", 2)):
        put(tmp_path, *(f"images/{part}/{i}.jpg" for i in range(number)), content=PHOTO)
        put(tmp_path, *(f"annotations/{part}/{i}.png" for i in range(number)), content=MASK)
    layout, _, splits = guessed(tmp_path)
    assert layout.splits.folders == {"train": "train2017", "val": "val2017"}
    assert {name: len(images) for name, images in splits.items()} == {"train": 5, "val": 2}


def test_of_two_folders_for_a_split_the_larger_is_used_and_the_other_named(tmp_path: Path) -> None:
    pairs(tmp_path, "train/{kind}/{i}.png", "valid/{kind}/{i}.png")
    pairs(tmp_path, "val/{kind}/{i}.png", number=4)
    layout, notes, _ = guessed(tmp_path)
    assert layout.splits.folders == {"train": "train", "val": "val"}
    assert "3 of valid/images/{id}.png are not used, as val is the val split" in notes


def test_names_that_mention_a_split_are_no_groups(tmp_path: Path) -> None:
    pairs(tmp_path, *(f"{name}/{{kind}}/{{i}}.png" for name in ("train_a", "train_b", "test_a")))
    layout, notes, _ = guessed(tmp_path)
    assert "{group}" not in layout.images[0] and "6 images are in folders that are not used" in notes


def test_without_a_folder_for_training_it_is_an_error(tmp_path: Path) -> None:
    pairs(tmp_path, "{kind}/val/{i}.png", "{kind}/test/{i}.png")
    with pytest.raises(DatasetError, match=r"images with masks are in test \(3\), val \(3\), and no such folder is ca"):
        guess.guess(tmp_path)


def test_few_images_leave_no_split_empty(tmp_path: Path) -> None:
    pairs(tmp_path, "{kind}/{i}.png", number=7)
    assert {name: len(images) for name, images in guessed(tmp_path)[2].items()} == {"train": 5, "val": 1, "test": 1}


def test_masks_are_sampled_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "SAMPLED", 4)
    put(tmp_path, *(f"images/{i}.png" for i in range(7)), content=PHOTO)
    for i in range(7):
        put(tmp_path, f"masks/{i}.png", content=encoded(np.full((8, 6), i, np.uint8)))
    assert [one.raw for one in guessed(tmp_path)[0].classes] == [0, 1, 2, 3, 4, 5]  # 0, 1, 3 and 5 are sampled
    assert "masks are PNG L (4) with the values 0, 1, 3, 5" in guess.guess(tmp_path).notes


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
def test_the_range_of_the_images_is_guessed(values: tuple, dtype: type, expected: list | None, tmp_path: Path) -> None:
    pixels = np.array(values, dtype)[np.arange(48).reshape(8, 6) % 2]
    put(tmp_path, *(f"images/{i}.tif" for i in range(3)), content=encoded(pixels, "TIFF"))
    put(tmp_path, *(f"masks/{i}.png" for i in range(3)), content=MASK)
    put(tmp_path, "images/0.tif", content=b"damaged")
    result = guess.guess(tmp_path)
    assert result.layout.get("image") == (expected and {"range": expected})
    assert ("become black and white" in "\n".join(result.notes)) == bool(expected)
    if expected:
        reader = reader_of(Layout.model_validate(result.layout))
        assert audit.open_image(reader.image((tmp_path / "images/1.tif").read_bytes())).getextrema()[1] >= 170


def test_images_that_no_list_names_are_not_reported(tmp_path: Path) -> None:
    pairs(tmp_path, "{kind}/{i}.png")
    put(tmp_path, "images/9.png", content=PHOTO)
    (tmp_path / "train.txt").write_text("0\n1\n")
    (tmp_path / "val.txt").write_text("2\n")
    assert "1 image has none; `segline check` and `run` will name those that a list names" in guessed(tmp_path)[1]
