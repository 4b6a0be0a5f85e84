"""Several masks of one image are united, or the whole image is left out."""

from pathlib import Path

import numpy as np
import pytest

from datasets.audit import Kind
from datasets.errors import DatasetError
from tests.datasets.described_folder import as_layout, described, encoded, find, put
from tests.datasets.guessed_folder import ALL, PHOTO, built, guessed, mask

# --- several masks of an image ---------------------------------------------------------------------------------------


def lesions(root: Path, *, number: str = "_1", size: tuple[int, int] = (8, 6)) -> None:
    """Write twelve images and their masks in one folder; image 3 has a second mask."""
    for i in range(12):
        put(root, f"benign ({i}).png", content=PHOTO)
        put(root, f"benign ({i})_mask.png", content=mask(i))
    second = np.zeros(size, np.uint8)
    second.flat[40] = 255
    put(root, f"benign (3)_mask{number}.png", content=encoded(second))


@pytest.mark.parametrize("number", ["_1", "_02", "1", " (1)", "-1"])
def test_further_masks_are_united(number: str, tmp_path: Path) -> None:
    lesions(tmp_path / "raw", number=number)
    read, notes, splits = guessed(tmp_path / "raw")
    assert (read.images, read.masks, read.mask.union) == (["{id}.png"], ["{id}_mask.png"], True)
    assert f"1 mask is a further one of an image, such as benign (3)_mask{number}.png: united" in notes
    assert not any(split.problems for split in splits.values())
    labels = built(tmp_path / "raw", tmp_path / "out")
    assert np.flatnonzero(labels["benign (3)"]).tolist() == [3, 40]
    assert np.flatnonzero(labels["benign (4)"]).tolist() == [4] and len(labels) == 12


def test_masks_that_are_all_numbered_are_united(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for i in range(12):
        put(raw, f"images/case_{i:02d}.png", content=PHOTO)
        for number in range(1 + i % 3):
            put(raw, f"masks/case_{i:02d}_{number}.png", content=mask(i, 40 + number))
    read, _, _ = guessed(raw)
    assert read.masks == ["masks/{id}_*.png"] and read.mask.union
    labels = built(raw, tmp_path / "out")
    assert np.flatnonzero(labels["case_02"]).tolist() == [2, 40, 41, 42] and len(labels) == 12


def test_a_folder_for_each_image_with_a_mask_for_each_object(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for i in range(12):
        put(raw, f"stage1_train/f{i:02d}/images/f{i:02d}.png", content=PHOTO)
        for number in range(1 + i % 3):
            put(raw, f"stage1_train/f{i:02d}/masks/{number}c{i}.png", content=mask(i, 40 + number))
    read, _, _ = guessed(raw)
    assert (read.images, read.masks) == (["stage1_train/{id}/images/*.png"], ["stage1_train/{id}/masks/*.png"])
    labels = built(raw, tmp_path / "out")
    assert np.flatnonzero(labels["f02"]).tolist() == [2, 40, 41, 42] and len(labels) == 12


def test_further_masks_in_a_folder_of_masks_are_united(tmp_path: Path) -> None:
    for i in range(4):
        put(tmp_path, f"images/case_{i}.png", content=PHOTO)
        put(tmp_path, f"masks/case_{i}.png", content=mask(i))
    put(tmp_path, "masks/case_2_1.png", "masks/case_2_2.png", content=mask(40))
    read, notes, splits = guessed(tmp_path)
    assert read.mask.union and "2 masks are a further one of an image, such as masks/case_2_1.png: united" in notes
    (pair,) = [pair for split in splits.values() for pair in split.pairs if pair.id == "case_2"]
    assert pair.further == ("masks/case_2_1.png", "masks/case_2_2.png") and not any(s.problems for s in splits.values())


def test_an_image_never_keeps_a_part_of_its_label(tmp_path: Path) -> None:
    """Under quarantine the image is left out with all its masks: as the layout unites none, or one cannot be used."""
    lesions(tmp_path / "raw")
    described(tmp_path / "raw" / "segline.yaml", images="{id}.png", masks="{id}_mask.png", splits=ALL)
    with pytest.raises(
        DatasetError, match=r"duplicate id \(1\):\n  benign \(3\)_mask_1.png: benign \(3\)_mask.png is a ma"
    ):
        built(tmp_path / "raw", tmp_path / "out")
    labels = built(tmp_path / "raw", tmp_path / "out", on_bad_input="quarantine")
    assert len(labels) == 11 and "benign (3)" not in labels


def test_a_further_mask_of_another_size_leaves_the_image_out(tmp_path: Path) -> None:
    lesions(tmp_path / "raw", size=(7, 6))
    guessed(tmp_path / "raw")
    with pytest.raises(DatasetError, match=r"mask of another size than its image \(1\):\n  benign \(3\)_mask_1.png"):
        built(tmp_path / "raw", tmp_path / "out")
    labels = built(tmp_path / "raw", tmp_path / "out", on_bad_input="quarantine")
    assert len(labels) == 11 and "benign (3)" not in labels


def test_further_masks_of_more_than_two_classes_are_not_united(tmp_path: Path) -> None:
    for i in range(5):
        put(tmp_path, f"{i}.png", content=PHOTO)
        put(tmp_path, f"{i}_mask.png", content=mask(i, value=1 + i % 2))
    put(tmp_path, "3_mask_1.png", content=mask(5, value=1))
    read, notes, splits = guessed(tmp_path)
    assert (
        not read.mask.union
        and "1 mask is a further one of an image, such as 3_mask_1.png: these images are bad" in notes
    )
    problems = [problem for split in splits.values() for problem in split.problems]
    assert [(problem.kind, problem.file, problem.id) for problem in problems] == [(Kind.DUPLICATE, "3_mask_1.png", "3")]
    with pytest.raises(ValueError, match=r"mask\.union: unites the masks of two classes\. Received: 3 classes"):
        as_layout(mask={"read": "ids", "union": True}, classes=[{"name": name} for name in "abc"])


def test_masks_that_match_several_patterns_are_united_too(tmp_path: Path) -> None:
    put(tmp_path, "images/a.png", "left/a.png", "right/a.png")
    described(tmp_path / "s.yaml")
    changes = {"masks": ["left/{id}.png", "right/{id}.png"], "splits": ALL}
    train = find(tmp_path, **changes, mask={"read": "ids", "union": True})["train"]
    assert [(pair.mask, pair.further) for pair in train.pairs] == [("left/a.png", ("right/a.png",))]
    train = find(tmp_path, **changes)["train"]
    assert not train.pairs and [problem.kind for problem in train.problems] == [Kind.DUPLICATE]


def test_a_frame_with_a_number_is_no_further_mask(tmp_path: Path) -> None:
    put(tmp_path, *(f"{kind}/{name}.png" for kind in ("images", "masks") for name in ("a", "a_1", "a_2")))
    train = find(tmp_path, splits=ALL)["train"]
    assert [pair.id for pair in train.pairs] == ["a", "a_1", "a_2"] and not train.problems
