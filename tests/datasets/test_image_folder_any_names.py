"""Folders of any name: those whose names do not say images, and those that hold all files and whose names say masks."""

from pathlib import Path

import numpy as np
import pytest

from datasets.errors import DatasetError
from datasets.image_folder import guess
from tests.datasets.described_folder import encoded, put
from tests.datasets.guessed_folder import PHOTO, guessed, mask


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("x/{id}.png", "y/{id}.png"),
        ("tiles/{id}.png", "masks/{id}.png"),
        ("图像/{id}.jpg", "标签/{id}.png"),
        ("Original/{id}.png", "Ground Truth/{id}.png"),
        ("CXR_png/{id}.png", "masks/{id}_mask.png"),
        ("lung segmentation/pics/{id}.png", "lung segmentation/masks/{id}.png"),
        ("images_and_masks/{id}.png", "images_and_masks/{id}_mask.png"),
        ("Dataset_BUSI_with_GT/benign/{id}.png", "Dataset_BUSI_with_GT/benign/{id}_mask.png"),
    ],
)
def test_what_folders_hold_tells_images_and_masks(images: str, masks: str, tmp_path: Path) -> None:
    for at in range(4):
        put(tmp_path, images.replace("{id}", f"s{at}"), content=PHOTO)
        put(tmp_path, masks.replace("{id}", f"s{at}"), content=mask(at, 20 + at))
    read, _, splits = guessed(tmp_path)
    paired = [pair for split in splits.values() for pair in split.pairs]
    assert {(pair.image, pair.mask) for pair in paired} == {
        (images.replace("{id}", f"s{at}"), masks.replace("{id}", f"s{at}")) for at in range(4)
    }
    assert len(read.classes) == 2


def test_two_folders_of_photos_are_no_pairs(tmp_path: Path) -> None:
    for at in range(4):
        put(tmp_path, f"before/{at}.png", f"after/{at}.png", content=PHOTO)
    with pytest.raises(DatasetError, match="no images with masks"):
        guess.guess(tmp_path)


@pytest.mark.parametrize("deep", [1, 3])
def test_white_of_8_bits_beside_white_of_16_is_refused(deep: int, tmp_path: Path) -> None:
    for at in range(8):
        white = np.zeros((8, 6), np.uint16 if at < deep else np.uint8)
        white[at : at + 2] = 65535 if at < deep else 255
        put(tmp_path, f"images/{at}.png", content=PHOTO)
        put(tmp_path, f"masks/{at}.png", content=encoded(white))
    with pytest.raises(DatasetError, match=r"hold 65535, and .* hold 255; none holds both"):
        guess.guess(tmp_path)
