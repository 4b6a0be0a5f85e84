"""Which of several masks init takes: regions of interest, numbers of objects, several people's masks, two scales."""

from pathlib import Path

import numpy as np
import pytest

from datasets.errors import DatasetError
from datasets.image_folder import guess
from tests.datasets.described_folder import encoded, put
from tests.datasets.guessed_folder import RNG, guessed

PHOTO = encoded(RNG.integers(0, 256, (48, 64, 3)).astype(np.uint8))
REGION = "one and the same shape"


def framed(at: int, void: int = 255, step: int = 1) -> np.ndarray:
    """Two classes in a frame of void."""
    ids = np.full((48, 64), void, np.uint8)
    ids[3:-3, 3:-3] = 0
    ids[8:16, 6 + at : 16 + at] = step
    ids[24:36, 8 + 2 * at : 20 + 2 * at] = 2 * step
    return ids


def test_masks_with_a_frame_of_void_are_no_region_of_interest_and_come_before_numbers_of_objects(
    tmp_path: Path,
) -> None:
    for at in range(8):
        objects = np.zeros((48, 64), np.uint8)  # from above or from below, and the second class is two of them
        objects[framed(at) == 1] = 1 if at % 2 else 3
        objects[24:30, 8 + 2 * at : 20 + 2 * at] = 2
        objects[30:36, 8 + 2 * at : 20 + 2 * at] = 3 if at % 2 else 1
        put(tmp_path, f"images/{at}.png", content=PHOTO)
        put(tmp_path, f"masks/{at}.png", content=encoded(framed(at)))
        put(tmp_path, f"labels/{at}.png", content=encoded(objects))
    read, notes, _ = guessed(tmp_path)
    assert read.masks == ["masks/{id}.png"] and read.ignore == [255] and len(read.classes) == 3
    assert REGION not in notes and "8 masks are not used: labels/{id}.png. If these are the labels" in notes


@pytest.mark.parametrize(("void", "step"), [(255, 1), (255, 20), (254, 1)])
def test_a_frame_without_a_rival_is_no_region_of_interest(void: int, step: int, tmp_path: Path) -> None:
    for at in range(6):
        put(tmp_path, f"images/{at}.png", content=PHOTO)
        put(tmp_path, f"masks/{at}.png", content=encoded(framed(at, void, step)))
    assert REGION not in guessed(tmp_path)[1]


@pytest.mark.parametrize(("step", "is_noted"), [(1, False), (0, True)])
def test_labels_that_are_alike_are_no_region_of_interest(step: int, is_noted: bool, tmp_path: Path) -> None:
    for at in range(6):
        alike = np.zeros((96, 128), np.uint8)
        alike[20 + step * (at % 3) : 70, 20 : 100 + 2 * step * (at % 2)] = 255
        put(tmp_path, f"images/{at}.png", content=PHOTO)
        put(tmp_path, f"masks/{at}.jpg", content=encoded(alike, "JPEG", quality=90))
    assert (REGION in guessed(tmp_path)[1]) == is_noted


def blob(at: int, value: int, grown: int = 0) -> bytes:
    mask = np.zeros((48, 64), np.uint8)
    mask[8 - grown : 30 + grown, 8 + at - grown : 36 + at + grown] = value
    return encoded(mask)


def test_masks_of_two_scales_are_refused_by_name(tmp_path: Path) -> None:
    for at in range(6):
        put(tmp_path, f"images/{at}.png", content=PHOTO)
        put(tmp_path, f"masks/{at}.png", content=blob(at, 1 if at < 2 else 255))
    with pytest.raises(DatasetError) as caught:
        guess.guess(tmp_path)
    message = str(caught.value)
    assert "4 of 6 masks, such as masks/2.png, hold 255, and 2, such as masks/0.png, hold 1" in message
    assert "`raw: [1, 255]`" in message and "`ignore: [255]`" in message


@pytest.mark.parametrize("people", [("annotator1", "annotator2"), ("jo", "kim")])
def test_several_peoples_masks_of_one_class_are_rivals_not_classes(people: tuple[str, str], tmp_path: Path) -> None:
    for at in range(6):
        put(tmp_path, f"images/{at}.png", content=PHOTO)
        for grown, name in enumerate(people):
            put(tmp_path, f"masks/{name}/{at}.png", content=blob(at, 255, grown))
    read, notes, _ = guessed(tmp_path)
    assert read.masks == [f"masks/{people[0]}/{{id}}.png"] and len(read.classes) == 2
    assert f"6 masks are not used: masks/{people[1]}/{{id}}.png" in notes


def test_ids_from_1_on_have_no_class_0(tmp_path: Path) -> None:
    for at in range(6):
        put(tmp_path, f"images/{at}.png", content=PHOTO)
        put(tmp_path, f"masks/{at}.png", content=encoded(framed(at, void=0) + 1))
    read, notes, _ = guessed(tmp_path)
    assert [class_.raw for class_ in read.classes] == [1, 2, 3] and "rare" not in notes


@pytest.mark.parametrize("leading", ["", "VOC2012/", "VOCdevkit/VOC2012/"])
def test_lists_below_a_leading_folder_define_the_splits(leading: str, tmp_path: Path) -> None:
    for at in range(6):
        put(tmp_path, f"{leading}JPEGImages/{at}.png", content=PHOTO)
        put(tmp_path, f"{leading}SegmentationClass/{at}.png", content=encoded(framed(at)))
    lists = {"train": "0\n2\n4\n5\n", "val": "1\n3\n"}
    for split, lines in lists.items():
        put(tmp_path, f"{leading}ImageSets/Segmentation/{split}.txt", content=lines.encode())
    _, _, splits = guessed(tmp_path)
    assert {name: [pair.id for pair in split.pairs] for name, split in splits.items()} == {
        name: lines.split() for name, lines in lists.items()
    }


def test_fewer_ids_beside_void_come_before_more_ids_without(tmp_path: Path) -> None:
    for at in range(8):
        objects = np.zeros((48, 64), np.uint8)
        for number in range(1, 4):
            objects[10 * number : 10 * number + 6, 10 + at : 22 + at] = number
        put(tmp_path, f"images/{at}.png", content=PHOTO)
        put(tmp_path, f"masks/{at}.png", content=encoded(framed(at)))
        put(tmp_path, f"labels/{at}.png", content=encoded(objects))
    read, notes, _ = guessed(tmp_path)
    assert read.masks == ["masks/{id}.png"] and "labels/{id}.png. If these are the labels" in notes
