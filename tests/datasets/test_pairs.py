"""Pairing of images with masks, and the messages for missing folders or files."""

from pathlib import Path

import pytest

from datasets.audit import Kind, Problem
from datasets.errors import DatasetError
from datasets.pairs import Pair, Split, pair_by_stem
from datasets.raw import RawFolder

FOLDERS = {"train": ("images", "masks"), "val": ("images_val", "masks_val")}


def touch(raw: Path, *names: str) -> None:
    for name in names:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).touch()


def pair_files(raw: Path) -> dict[str, Split]:
    return pair_by_stem(RawFolder(raw), FOLDERS, group=lambda id_: id_[0])


def test_files_pair_by_stem_and_a_split_may_be_absent(tmp_path: Path) -> None:
    touch(tmp_path, "images/b2.png", "images/a 1.JPG", "masks/a 1.png", "masks/b2.png", "images/.hidden")
    pairs = (Pair("a 1", "a", "images/a 1.JPG", "masks/a 1.png"), Pair("b2", "b", "images/b2.png", "masks/b2.png"))
    assert pair_files(tmp_path) == {"train": Split(pairs)}


def test_files_without_a_partner_are_problems(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "images/b.png", "masks/b.png", "masks/c.png")
    split = pair_files(tmp_path)["train"]
    assert [pair.id for pair in split.pairs] == ["b"]
    assert set(split.problems) == {
        Problem(Kind.WITHOUT_MASK, "train", "images/a.png", "a", "no file masks/a.*"),
        Problem(Kind.WITHOUT_IMAGE, "train", "masks/c.png", "c", "no file images/c.*"),
    }
    assert split.ids == {"a", "b", "c"}


def test_an_id_of_two_files_is_a_problem(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "images/a.png", "masks/a.png", "images/b.png", "masks/b.png")
    split = pair_files(tmp_path)["train"]
    assert [pair.id for pair in split.pairs] == ["b"]
    assert split.problems == (Problem(Kind.DUPLICATE, "train", "images/a.png", "a", "images/a.jpg has the same id"),)


def test_a_dangling_link_is_not_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "masks/a.png", "images/b.png", "masks/b.png")
    (tmp_path / "images" / "a.png").symlink_to("nowhere.png")
    assert [pair.id for pair in pair_files(tmp_path)["train"].pairs] == ["a", "b"]


def test_one_folder_without_the_other_is_named_for_every_split(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "masks_val/a.png")
    with pytest.raises(DatasetError) as caught:
        pair_files(tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "Split train: images/ is there, masks/ is not." in message
    assert "Split val: masks_val/ is there, images_val/ is not." in message


def test_without_any_split_the_message_names_expected_and_existing_folders(tmp_path: Path) -> None:
    touch(tmp_path, "Readme.txt", "pictures/a.png")
    with pytest.raises(DatasetError) as caught:
        pair_files(tmp_path)
    message = str(caught.value)
    assert f"In {tmp_path}:" in message and "Received: Readme.txt, pictures/." in message
    assert "images/ with masks/, images_val/ with masks_val/" in message


def test_an_empty_split_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "masks/a.png")
    for name in FOLDERS["val"]:
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match="Split val: images_val/ and masks_val/ hold no file"):
        pair_files(tmp_path)
