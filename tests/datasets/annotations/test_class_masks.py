"""A mask file for each class of an image."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.annotations import class_masks
from datasets.annotations.labels import Labels
from datasets.audit import BadFileError, Kind
from datasets.image_folder.guess import guess
from datasets.reader import Drawing
from tests.datasets.annotations.exports import SIZE, init_and_read, photos, read_all
from tests.datasets.described_folder import encoded


def block(left: int, value: int = 255) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[4:12, left : left + 10] = value
    return mask


def save(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)


def export(folder: Path) -> None:
    photos(folder / "images", *(f"{at}.jpg" for at in range(6)))
    for at in range(6):
        save(folder / f"masks/car/{at}.png", block(2 + at))
        if at != 3:
            save(folder / f"masks/road/{at}.png", block(8, value=1))


def test_an_export_is_recognised_and_read(tmp_path: Path) -> None:
    export(tmp_path)
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.notes[0] == "there is a mask for each class: masks/{label}/{id}.png with images/{id}.jpg"
    assert [class_["name"] for class_ in guessed.layout["classes"]] == ["background", "car", "road"]
    expected = (block(3) > 0).astype(np.uint8)
    expected[block(8) > 0] = 2
    np.testing.assert_array_equal(labels["1"], expected)
    np.testing.assert_array_equal(labels["3"], block(5) > 0)


def test_the_class_that_is_listed_later_lies_on_top(tmp_path: Path) -> None:
    export(tmp_path)
    layout = dict(guess(tmp_path).layout)
    layout["classes"] = [{"name": "background"}, {"name": "road"}, {"name": "car"}]
    labels, _ = read_all(tmp_path, layout, tmp_path / "out")
    assert labels["1"][5, 10] == 2 and labels["1"][5, 15] == 1


@pytest.mark.parametrize("folders", [("train", "val"), ("a", "b")])
def test_masks_of_other_images_are_no_classes(tmp_path: Path, folders: tuple[str, str]) -> None:
    """Folders of splits or of patients are none."""
    for name in folders:
        for at in range(4):
            photos(tmp_path / "images" / name, f"{name}{at}.jpg")
            save(tmp_path / f"masks/{name}/{name}{at}.png", block(at))
    assert "annotations" not in guess(tmp_path).layout


def drawn(*files: tuple[str, bytes]) -> np.ndarray:
    labels = Labels({"car": 1, "road": 2}, 0, ("masks/{label}/{id}.png",))
    return class_masks.draw(Drawing("a.jpg", SIZE, files), labels)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (encoded(block(2)[:-1]), "masks/car/a.png: mask 23x32, image 24x32"),
        (encoded(block(2) + np.eye(*SIZE, dtype=np.uint8)), "masks/car/a.png: holds 3 values"),
        (b"x", "masks/car/a.png: 1 bytes, none of PNG"),
    ],
)
def test_a_bad_mask_is_named(content: bytes, words: str) -> None:
    with pytest.raises(BadFileError) as caught:
        drawn(("masks/road/a.png", encoded(block(4))), ("masks/car/a.png", content))
    assert caught.value.kind is Kind.ANNOTATION and words in caught.value.detail


def test_an_image_without_any_mask_is_named(tmp_path: Path) -> None:
    export(tmp_path)
    layout = guess(tmp_path).layout
    photos(tmp_path / "images", "new.jpg")
    save(tmp_path / "masks/car/old.png", block(2))
    _, problems = read_all(tmp_path, layout, tmp_path / "out")
    assert {(problem.kind, problem.file) for problem in problems} == {
        (Kind.WITHOUT_MASK, "images/new.jpg"), (Kind.WITHOUT_IMAGE, "masks/car/old.png")
    }  # fmt: skip
