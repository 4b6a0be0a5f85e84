"""One matcher for init and ingest: names of every form, rivals, and lists that hold paths."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from datasets.errors import DatasetError
from datasets.image_folder import guess
from tests.datasets.described_folder import encoded, find, put
from tests.datasets.guessed_folder import PHOTO, RNG, guessed, mask

# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_compared_in_one_form_by_init_and_ingest(forms: tuple, tmp_path: Path) -> None:
    for i in range(5):
        for kind, form, content in (("images", forms[0], PHOTO), ("masks", forms[1], mask(i))):
            put(tmp_path, unicodedata.normalize(form, f"Fotos é/{kind}/사진{i}.png"), content=content)
    read, notes, splits = guessed(tmp_path)
    assert "5 images have a mask" in notes
    assert sum(len(split.pairs) for split in splits.values()) == 5 and not any(s.problems for s in splits.values())
    assert read.images == [unicodedata.normalize("NFC", "Fotos é/images/{id}.png")]


@pytest.mark.parametrize("name", ["a b ", "a:b", "#a", "a'b", "a{b}", "a*b", "[a]", "a\\b"])
def test_names_with_any_sign_pair_in_init_and_in_ingest(name: str, tmp_path: Path) -> None:
    for i in range(4):
        put(tmp_path, f"images/{name}{i}.png", content=PHOTO)
        put(tmp_path, f"masks/{name}{i}.png", content=mask(i))
    _, notes, splits = guessed(tmp_path)
    assert "4 images have a mask" in notes
    assert sum(len(split.pairs) for split in splits.values()) == 4


@pytest.mark.parametrize(("name", "shown"), [("a\nb", r"a\nb"), ("a\u2028b", r"a\u2028b")])
def test_names_with_signs_that_act_are_refused_by_name(name: str, shown: str, tmp_path: Path) -> None:
    for kind, content in (("images", PHOTO), ("masks", mask(1))):
        put(tmp_path, *(f"{kind}/{name}{i}.png" for i in range(2)), content=content)
    words = f"bad files, file name is no plain text: images/{shown}0.png (it holds U+"
    with pytest.raises(DatasetError) as caught:
        guess.guess(tmp_path)
    assert words in str(caught.value) and " and 3 more; `segline check`" in str(caught.value)
    for i in range(4):
        put(tmp_path, f"images/{i}.png", content=PHOTO)
        put(tmp_path, f"masks/{i}.png", content=mask(i))
    _, notes, splits = guessed(tmp_path)
    assert words in notes and sum(len(split.pairs) for split in splits.values()) == 4


@pytest.mark.parametrize("name", ["#a: b", "a'b"])
def test_folders_with_any_sign_are_written_and_read(name: str, tmp_path: Path) -> None:
    for i in range(4):
        put(tmp_path, f"{name}/images/{i}.png", content=PHOTO)
        put(tmp_path, f"{name}/masks/{i}.png", content=mask(i))
    assert sum(len(split.pairs) for split in guessed(tmp_path)[2].values()) == 4


def test_suffixes_in_capitals_are_the_same_suffix(tmp_path: Path) -> None:
    put(tmp_path, "images/a.jpg", "images/b.JPG", "images/c.jpg", "images/d.JPG", content=encoded(RNG.integers(
        0, 256, (8, 6, 3)).astype(np.uint8), "JPEG"))  # fmt: skip
    put(tmp_path, "masks/a.PNG", "masks/b.png", "masks/c.png", "masks/d.PNG", content=mask(1))
    read, notes, splits = guessed(tmp_path)
    assert (read.images, read.masks) == (["images/{id}.jpg"], ["masks/{id}.png"]) and "4 images have a mask" in notes
    assert sum(len(split.pairs) for split in splits.values()) == 4


def test_one_name_in_two_suffixes_is_a_bad_file_in_init_too(tmp_path: Path) -> None:
    for i in range(4):
        put(tmp_path, f"images/{i}.png", content=PHOTO)
        put(tmp_path, f"masks/{i}.png", content=mask(i))
    put(tmp_path, "images/0.PNG", content=PHOTO)
    _, notes, splits = guessed(tmp_path)
    assert "bad files, duplicate id: images/0.png (images/0.PNG has the same id)" in notes
    assert sum(len(split.pairs) for split in splits.values()) == 3


@pytest.mark.parametrize(
    "line",
    ["{i}", "images/{i}.png", "{i}.png", "./images/{i}.png", "/data/set/images/{i}.png", "images/{i}.png masks/{i}.png",
     "/SegNet/images/{i}.png /SegNet/masks/{i}.png", "images/{i}", "images\\{i}.png", "images/{i}.png,masks/{i}.png",
     "images/{i}.png\tmasks/{i}.png"],
)  # fmt: skip
def test_lists_may_hold_paths(line: str, tmp_path: Path) -> None:
    for i in range(4):
        put(tmp_path, f"images/{i}.png", content=PHOTO)
        put(tmp_path, f"masks/{i}.png", content=mask(i))
    (tmp_path / "train.txt").write_text("".join(line.format(i=i) + "\n" for i in range(3)))
    (tmp_path / "val.txt").write_text(line.format(i=3) + "\n")
    read, _, splits = guessed(tmp_path)
    assert read.splits.lists == {"train": "train.txt", "val": "val.txt"}
    assert {name: [pair.id for pair in split.pairs] for name, split in splits.items()} == {
        "train": ["0", "1", "2"],
        "val": ["3"],
    }


def test_a_path_of_a_list_is_that_of_one_group(tmp_path: Path) -> None:
    put(tmp_path, *(f"{kind}/{name}.png" for name in ("p1/1", "p2/1") for kind in ("images", "masks")))
    (tmp_path / "t.txt").write_text("/mnt/images/p1/1.png\n")
    (tmp_path / "v.txt").write_text("p2/1.png\n")
    grouped = {"images": "images/{group}/{id}.png", "masks": "masks/{group}/{id}.png"}
    splits = find(tmp_path, **grouped, splits={"lists": {"train": "t.txt", "val": "v.txt"}})
    assert [pair.id for pair in splits["train"].pairs] == ["p1/1"] and [p.id for p in splits["val"].pairs] == ["p2/1"]


def test_lists_that_do_not_fit_are_no_splits_and_init_says_so(tmp_path: Path) -> None:
    for i in range(8):
        put(tmp_path, f"images/{i}.png", content=PHOTO)
        put(tmp_path, f"masks/{i}.png", content=mask(i))
    (tmp_path / "train.txt").write_text("a\nb\n")
    (tmp_path / "val.txt").write_text("c\n")
    read, notes, _ = guessed(tmp_path)
    assert (
        read.splits.ratios
        and "train.txt, val.txt are not used as splits, as they do not fit: train.txt names 2" in notes
    )


# --- folders of tools ------------------------------------------------------------------------------------------------


def test_a_folder_within_split_and_group_that_names_the_format(tmp_path: Path) -> None:
    for part, group, first in (
        ("Train", "Rural", 0),
        ("Train", "Urban", 5),
        ("Val", "Rural", 10),
        ("Val", "Urban", 15),
    ):
        for i in range(first, first + 4):
            put(tmp_path, f"{part}/{group}/images_png/{i}.png", content=PHOTO)
            put(tmp_path, f"{part}/{group}/masks_png/{i}.png", content=mask(i))
    read, _, splits = guessed(tmp_path)
    assert (read.images, read.masks) == (
        ["{split}/{group}/images_png/{id}.png"],
        ["{split}/{group}/masks_png/{id}.png"],
    )
    assert {name: len(split.pairs) for name, split in splits.items()} == {"train": 8, "val": 8}
    assert {pair.group for pair in splits["train"].pairs} == {"Rural", "Urban"}


def retina(root: Path, part: str, *, region: bool = True, vessels: bool = True) -> None:
    """Write six images, masks of one round region of interest, and of vessels, as DRIVE's."""
    for number in range(21, 27):
        name = f"{number}_{part}"
        put(
            root,
            f"{part}/images/{name}.tif",
            content=encoded(RNG.integers(0, 256, (40, 40, 3)).astype(np.uint8), "TIFF"),
        )
        circle, lines = Image.new("L", (40, 40)), Image.new("L", (40, 40))
        ImageDraw.Draw(circle).ellipse([2, 2, 37, 37], fill=255)
        ImageDraw.Draw(lines).line([number, 5, 60 - number, 35], fill=255, width=3)
        if region:
            put(root, f"{part}/mask/{name}_mask.gif", content=encoded(circle, "GIF"))
        if vessels:
            put(root, f"{part}/1st_manual/{number}_manual1.gif", content=encoded(lines, "GIF"))


def test_masks_of_another_ending_pair_by_the_common_part_and_the_region_of_interest_is_named(tmp_path: Path) -> None:
    retina(tmp_path, "training")
    retina(tmp_path, "test")
    read, notes, splits = guessed(tmp_path)
    assert read.images == ["{split}/images/{id}_{split}.tif"]
    assert read.masks == ["{split}/1st_manual/{id}_manual1.gif"]
    assert (
        "12 masks are not used: {split}/mask/{id}_mask.gif. They hold one and the same shape in nearly every" in notes
    )
    assert [pair.id for pair in splits["train"].pairs] == ["21", "22", "23", "24", "25", "26"]


def test_a_region_of_interest_without_a_rival_is_not_taken_silently(tmp_path: Path) -> None:
    retina(tmp_path, "training", vessels=False)
    assert "look at the masks: they hold one and the same shape in nearly every file" in guessed(tmp_path)[1]


def test_a_folder_of_labels_of_any_name_comes_before_a_region_of_interest(tmp_path: Path) -> None:
    retina(tmp_path, "training", vessels=False)
    for number in range(21, 27):
        lines = np.eye(40, 40, number - 23, np.uint8) * 255
        put(tmp_path, f"training/vessels/{number}_training.png", content=encoded(lines))
    read, notes, _ = guessed(tmp_path)
    assert read.masks == ["training/vessels/{id}.png"] and "6 masks are not used: {split}/mask/{id}_mask.gif" in notes


def test_several_annotators_are_all_named(tmp_path: Path) -> None:
    for i in range(6):
        put(tmp_path, f"images/im{i}.ppm", content=encoded(RNG.integers(0, 256, (8, 6, 3)).astype(np.uint8), "PPM"))
        put(tmp_path, f"labels-ah/im{i}.ah.ppm", content=encoded(np.eye(8, 6, i - 2, np.uint8) * 255, "PPM"))
        put(tmp_path, f"labels-vk/im{i}.vk.ppm", content=encoded(np.eye(8, 6, 2 - i, np.uint8) * 255, "PPM"))
    read, notes, splits = guessed(tmp_path)
    assert (read.images, read.masks) == (["images/{id}.ppm"], ["labels-ah/{id}.ah.ppm"])
    assert "6 masks are not used: labels-vk/{id}.vk.ppm. If these are the labels, name them instead" in notes
    assert sum(len(split.pairs) for split in splits.values()) == 6


def test_names_that_begin_differently_pair_by_their_number(tmp_path: Path) -> None:
    for i in range(9, 14):
        put(tmp_path, f"images/image_{i}.png", content=PHOTO)
        put(tmp_path, f"masks/mask{i}.png", content=mask(i))
    read, _, splits = guessed(tmp_path)
    assert (read.images, read.masks) == (["images/image_{id}.png"], ["masks/mask{id}.png"])
    assert sum(len(split.pairs) for split in splits.values()) == 5
