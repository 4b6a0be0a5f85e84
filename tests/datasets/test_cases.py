"""Small folders as tools and people leave them (../shared/cases): each is read as its expected.txt says."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from datasets.errors import DatasetError
from datasets.image_folder.guess import Guess, guess
from datasets.raw import RawFolder
from pipeline.data.initialisation import initialise
from tests.datasets.annotations.exports import builder_of, read_all

CASES = Path(__file__).parents[2].parent / "shared" / "cases"

VOC_LIKE = {"images": "JPEGImages/{id}.jpg"}
BY_IMAGE = {"images": "{group}/images/{id}.png", "masks": "{group}/masks/{id}.png"}
LOVEDA = {"images": "{split}/{group}/images_png/{id}.png", "masks": "{split}/{group}/masks_png/{id}.png"}
COLOURS = [[0, 0, 0], [0, 130, 200], [60, 180, 75], [230, 25, 75]]


@pytest.mark.parametrize(
    ("case", "records", "layout", "classes", "notes"),
    [
        ("antialias_few_colours", 4, {"mask": {"read": "colours", "nearest": True}, "ignore": []},
         {"raw": [[0, 0, 0], [255, 0, 0]]}, ["other colours lie between these, on edges"]),
        ("busi", 27, {"masks": "{id}_mask.png", "mask": {"read": "ids", "union": True}}, {"raw": [0, 255]},
         ["4 masks are a further one of an image"]),
        ("category_folders", 28, BY_IMAGE, {"raw": [0, 255]}, ["by: image"]),
        ("coco_json_only", 6, {"images": "images/{id}.jpg"}, {"name": ["background", "road"]}, ["are of COCO"]),
        ("cvat_seg11", 12, {**VOC_LIKE, "masks": "SegmentationClass/{id}.png"}, {"name": ["background", "road", "car"]},
         ["an export of CVAT (labelmap.txt)"]),
        ("drive_retina", 18, {"masks": "{split}/1st_manual/{id}_manual1.gif"}, {"raw": [0, 1]},
         ["18 masks are not used: {split}/mask/{id}_mask.gif. They hold one and the same shape"]),
        ("exif_serve", 20, {"image": {"exif": "apply"}}, {"raw": [0, 1]}, ["20 images have an EXIF orientation"]),
        ("labelme_voc", 12, {**VOC_LIKE, "masks": "SegmentationClassPNG/{id}.png", "ignore": [255]},
         {"name": ["_background_", "road", "car"], "raw": [0, 1, 2]}, []),
        ("loveda", 20, LOVEDA, {}, ["{group} stands for 2 folders: Rural, Urban"]),
        ("nfd_names", 12, {"masks": "masks/{id}.png"}, {"raw": [0, 1, 2]}, ["12 images have a mask"]),
        ("palette_per_image", 12, {"mask": {"read": "colours"}, "ignore": []}, {"raw": COLOURS}, ["palettes differ"]),
        ("refuge_0_128_255", 12, {"mask": {"read": "ids"}, "ignore": []}, {"raw": [0, 128, 255]}, []),
    ],
)  # fmt: skip
def test_what_is_read(case: str, records: int, layout: dict, classes: dict, notes: list, tmp_path: Path) -> None:
    guessed, labels, problems = read(case, tmp_path)
    assert {key: guessed.layout.get(key) for key in layout} == layout
    assert {key: [one[key] for one in guessed.layout["classes"]] for key in classes} == classes
    assert all(any(words in note for note in guessed.notes) for words in notes), guessed.notes
    assert not problems and len(labels) == records


def test_every_class_of_the_categories_is_in_every_split(tmp_path: Path) -> None:
    guessed, labels, _ = read("category_folders", tmp_path)
    builder = builder_of(CASES / "category_folders/data", dict(guessed.layout), tmp_path / "again")
    for split in builder.find(RawFolder(CASES / "category_folders/data")).values():
        assert any(labels[pair.id].max() == 1 for pair in split.pairs)


def test_a_stack_is_refused_and_its_pages_counted() -> None:
    with pytest.raises(DatasetError, match="TIFF of 5 pages; only one can be read"):
        guess(case_folder("tiff_stack"))


def test_the_first_recipe_of_mixed_sizes_makes_batches(tmp_path: Path) -> None:
    """Some masks are void throughout; the class of the case's own layout that no mask shows is validate's to report."""
    folder = case_folder("train_mix")
    recipe = tmp_path / "recipe.yaml"
    initialise(folder, tmp_path / "segline.yaml", recipe, force=False)
    assert "crop: [" in recipe.read_text(encoding="utf-8")
    layout = yaml.safe_load((tmp_path / "segline.yaml").read_text(encoding="utf-8"))
    assert [one["raw"] for one in layout["classes"]] == [0, 1, 2] and layout["ignore"] == [255]
    labels, problems = read_all(folder, layout, tmp_path / "out")
    assert not problems and len(labels) == 30 and len({label.shape for label in labels.values()}) > 1


def read(case: str, out: Path) -> tuple[Guess, dict[str, np.ndarray], list]:
    folder = case_folder(case)
    guessed = guess(folder)
    labels, problems = read_all(folder, yaml.safe_load(guessed.text()), out)
    return guessed, labels, problems


def case_folder(case: str) -> Path:
    if not (CASES / case).is_dir():
        pytest.skip("there are no cases (../shared/cases)")
    return CASES / case / "data"
