"""What init says about splits, orientations, pages and bands, and what check and ingest refuse."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from datasets.errors import DatasetError
from datasets.image_folder import guess
from datasets.image_folder.image_folder_dataset_builder import Builder
from tests.datasets.described_folder import encoded, find, put
from tests.datasets.guessed_folder import PHOTO, RNG, built, guessed, mask

# --- splits ----------------------------------------------------------------------------------------------------------


def categories(root: Path, numbers: dict[str, int]) -> None:
    for name, number in numbers.items():
        for i in range(number):
            put(root, f"{name}/images/{name}_{i}.png", content=PHOTO)
            put(root, f"{name}/masks/{name}_{i}.png", content=mask(*(() if name == "normal" else (i,))))


def test_a_few_categories_are_no_lots_but_strata(tmp_path: Path) -> None:
    categories(tmp_path, {"benign": 14, "malignant": 8, "normal": 6})
    read, notes, splits = guessed(tmp_path)
    assert read.splits.by == "image" and "at random among the images of each of 3 folders (by: image)" in notes
    assert {name: {pair.group for pair in split.pairs} for name, split in splits.items()} == {
        name: {"benign", "malignant", "normal"} for name in ("train", "val", "test")
    }
    assert [len(splits[name].pairs) for name in ("train", "val", "test")] == pytest.approx([20, 4, 4], abs=2)


def test_a_split_by_image_keeps_its_images_when_ids_stop_to_be_unique(tmp_path: Path) -> None:
    ratios = {"ratios": {"train": 0.5, "val": 0.5}, "by": "image"}
    grouped = {"images": "{group}/images/{id}.png", "masks": "{group}/masks/{id}.png", "splits": ratios}
    categories(tmp_path, {"benign": 9, "normal": 9})
    before = {pair.image: name for name, split in find(tmp_path, **grouped).items() for pair in split.pairs}
    put(tmp_path, "normal/images/benign_0.png", "normal/masks/benign_0.png")
    after = {pair.image: name for name, split in find(tmp_path, **grouped).items() for pair in split.pairs}
    assert before.items() <= after.items() and len(after) == 19


def test_numbered_groups_stay_whole_and_init_says_which_split_is_which(tmp_path: Path) -> None:
    for patient in range(4):
        for i in range(3):
            put(tmp_path, f"patient{patient}/images/{i}.png", content=PHOTO)
            put(tmp_path, f"patient{patient}/masks/{i}.png", content=mask(i))
    read, notes, splits = guessed(tmp_path)
    assert read.splits.by == "group" and "4 folders are few: train is patient" in notes and "; val is patient" in notes
    assert len({pair.group for pair in splits["val"].pairs}) == 1


def test_groups_of_which_a_split_would_lack_the_object_are_drawn_by_image(tmp_path: Path) -> None:
    for patient in range(3):
        for i in range(7):
            put(tmp_path, f"patient{patient}/images/{i}.png", content=PHOTO)
            put(tmp_path, f"patient{patient}/masks/{i}.png", content=mask(*((i,) if patient == 0 else ())))
    read, notes, splits = guessed(tmp_path)
    assert read.splits.by == "image" and "splits of whole folders would lack classes (no mask of" in notes
    assert all({pair.group for pair in split.pairs} for split in splits.values())


def test_init_says_which_split_lacks_a_class(tmp_path: Path) -> None:
    for part in ("train", "val"):
        for i in range(3):
            put(tmp_path, f"{part}/images/{i}.png", content=PHOTO)
            put(tmp_path, f"{part}/masks/{i}.png", content=mask(*((i,) if part == "train" else ())))
    assert "look at the splits: no mask of val shows object" in guessed(tmp_path)[1]


# --- orientation, pages, bands: what init and check say --------------------------------------------------------------


def turned(orientation: int, size: tuple[int, int] = (8, 6)) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return encoded(RNG.integers(0, 256, (*size, 3)).astype(np.uint8), "JPEG", exif=exif)


@pytest.mark.parametrize(("size", "setting"), [((8, 6), "ignore"), ((6, 8), "apply")])
def test_sizes_tell_how_masks_without_an_orientation_lie(size: tuple, setting: str, tmp_path: Path) -> None:
    for i in range(5):
        put(tmp_path, f"images/{i}.jpg", content=turned(6 if i else 3))
        lying = (
            mask(i) if not i and setting == "apply" else encoded((np.arange(48) == i).astype(np.uint8).reshape(size))
        )
        put(tmp_path, f"masks/{i}.png", content=lying)
    read, notes, _ = guessed(tmp_path)
    assert read.image.exif == setting and "exif" in read.image.model_fields_set
    assert "5 images have an EXIF orientation that the mask has not; the sizes of 4 masks fit" in notes


@pytest.mark.parametrize(("orientation", "size"), [(3, (8, 6)), (6, (8, 8)), (2, (8, 8))])
def test_a_pair_of_which_sizes_cannot_tell_the_orientation_is_bad_until_the_layout_says_it(
    orientation: int, size: tuple, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    content = encoded(np.eye(*size, dtype=np.uint8) * 255)
    for i in range(4):
        put(raw, f"images/{i}.jpg", content=turned(orientation, size))
        put(raw, f"masks/{i}.png", content=content)
    read, notes, _ = guessed(raw)
    assert "exif" not in read.image.model_fields_set
    assert "4 images have an EXIF orientation that the mask has not, and sizes cannot tell" in notes
    builder = Builder(layout=raw / "segline.yaml", data_dir=tmp_path / "out")
    with pytest.raises(DatasetError, match=rf"orientation {orientation}, of its mask 1; say in the layout"):
        builder.survey(raw)
    with pytest.raises(DatasetError, match=r"turned by EXIF, its labels perhaps not \(4\)"):
        built(raw, tmp_path / "out")
    for setting in ("apply", "ignore"):
        tree = yaml.safe_load((raw / "segline.yaml").read_text())
        (raw / "segline.yaml").write_text(json.dumps({**tree, "image": {"exif": setting}}))
        assert len(built(raw, tmp_path / setting)) == 4


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_mask_of_another_size_is_a_bad_file_however_its_image_is_turned(orientation: int, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for i in range(4):
        put(raw, f"images/{i}.jpg", content=turned(orientation if i == 3 else 1))
        put(raw, f"masks/{i}.png", content=mask(i) if i < 3 else encoded(np.eye(5, dtype=np.uint8)))
    _, notes, _ = guessed(raw)
    size = "6x8" if orientation == 6 else "8x6"
    words = rf"mask of another size than its image \(1\):\n  masks/3\.png: mask 5x5, image {size}"
    with pytest.raises(DatasetError, match=words):
        built(raw, tmp_path / "out")
    assert "EXIF" not in notes


def stack(number: int) -> bytes:
    pages = [Image.fromarray(RNG.integers(0, 2, (8, 6)).astype(np.uint8)) for _ in range(number)]
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    return file.getvalue()


def test_stacks_are_named_by_init_check_and_ingest(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for i in range(4):
        put(raw, f"images/{i}.tif", content=stack(5 if i < 2 else 1))
        put(raw, f"masks/{i}.tif", content=stack(3 if i == 3 else 1))
    _, notes, _ = guessed(raw)
    assert "bad files, several images in one file: " in notes and " and 2 more; `segline check`" in notes
    with pytest.raises(DatasetError, match=r"several images in one file \(3\):(?s:.*)  images/0.tif: TIFF of 5 pages"):
        Builder(layout=raw / "segline.yaml", data_dir=tmp_path / "out").survey(raw)
    with pytest.raises(DatasetError, match=r"several images in one file \(3\):(?s:.*)  images/0.tif: TIFF of 5 pages"):
        built(raw, tmp_path / "out")


def test_a_folder_of_stacks_is_refused_by_init(tmp_path: Path) -> None:
    for i in range(4):
        put(tmp_path, f"images/{i}.tif", f"masks/{i}.tif", content=stack(5))
    with pytest.raises(DatasetError, match=r"masks/0.tif: several images in one file: TIFF of 5 pages"):
        guess.guess(tmp_path)


def test_bands_that_init_chooses_are_said_and_without_them_check_and_ingest_refuse(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for i in range(4):
        pixels = RNG.integers(0, 256, (8, 6, 4)).astype(np.uint8)
        put(raw, f"images/{i}.tif", content=encoded(pixels, "TIFF", mode="CMYK" if i % 2 else None))
        put(raw, f"masks/{i}.png", content=mask(i))
    read, notes, _ = guessed(raw)
    assert read.image.bands == (1, 2, 3)
    assert (
        "band 4 of 4 is no transparency. bands 1, 2 and 3 are seen as red, green and blue; put `image.bands`" in notes
    )
    assert len(built(raw, tmp_path / "out")) == 4
    tree = yaml.safe_load((raw / "segline.yaml").read_text())
    del tree["image"]
    (raw / "segline.yaml").write_text(json.dumps(tree))
    with pytest.raises(DatasetError, match=r"TIFF of 4 bands \(CMYK\); say which are red"):
        Builder(layout=raw / "segline.yaml", data_dir=tmp_path / "out2").survey(raw)
    with pytest.raises(DatasetError, match=r"bands that are not red, green and blue \(4\)"):
        built(raw, tmp_path / "out2")
