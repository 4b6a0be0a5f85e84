"""Published data sets as they lie on disk: recognised by names and values, with the published classes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.image_folder.guess import guess
from datasets.image_folder.published_sets import ADE20K
from tests.datasets.annotations.exports import init_and_read, photos

BLOCKS = np.kron(np.arange(24).reshape(4, 6), np.ones((6, 6), int))
"""24 areas of a mask of 24 x 36 pixels."""

SIZE = BLOCKS.shape
ISPRS = [[255, 255, 255], [0, 0, 255], [0, 255, 255], [0, 255, 0], [255, 255, 0], [255, 0, 0]]


def mask(path: Path, values: list, at: int = 0, mode: str | None = None) -> None:
    """Write areas of these values, numbers or colours, others in each file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(values, np.uint8)[(BLOCKS + at + BLOCKS // 7) % len(values)])
    (image.convert(mode) if mode else image).save(path)


def region(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.pad(np.full((SIZE[0] - 8, SIZE[1] - 8), 255, np.uint8), 4)).save(path)


def drive(root: Path) -> None:
    for part, numbers in (("training", range(21, 26)), ("test", range(1, 6))):
        for at in numbers:
            photos(root / part / "images", f"{at:02d}_{part}.tif", size=SIZE)
            mask(root / part / f"1st_manual/{at:02d}_manual1.gif", [0, 255], at)
            region(root / part / f"mask/{at:02d}_{part}_mask.gif")


def hrf(root: Path) -> None:
    for name in (f"{at:02d}_{kind}" for at in range(1, 4) for kind in ("dr", "g", "h")):
        photos(root / "images", f"{name}.{'jpg' if name.endswith('h') else 'JPG'}", size=SIZE)
        mask(root / f"manual1/{name}.tif", [0, 255], len(name))
        region(root / f"mask/{name}_mask.tif")


def stare(root: Path) -> None:
    for at in range(1, 7):
        photos(root / "stare-images", f"im{at:04d}.ppm", size=SIZE)
        mask(root / f"labels-ah/im{at:04d}.ah.ppm", [0, 255], at, "RGB")
        mask(root / f"labels-vk/im{at:04d}.vk.ppm", [0, 0, 255], at, "RGB")


def pets(root: Path) -> None:
    for at, name in enumerate(f"{breed}_{at}" for breed in ("Abyssinian", "great_pyrenees") for at in range(1, 5)):
        photos(root / "images", f"{name}.jpg", size=SIZE)
        mask(root / f"annotations/trimaps/{name}.png", [2, 2, 1, 3], at)
        (root / f"annotations/trimaps/._{name}.png").write_bytes(b"Mac OS X")  # as in the archive
        (root / "annotations/xmls").mkdir(exist_ok=True)
        (root / f"annotations/xmls/{name}.xml").write_text("<annotation><filename>a.jpg</filename></annotation>")
    (root / "annotations/trainval.txt").write_text("Abyssinian_1 1 1 1\nAbyssinian_2 1 1 1\n")


def ade20k(root: Path) -> None:
    for part, word in (("training", "train"), ("validation", "val")):
        for at in range(1, 5):
            photos(root / "images" / part, f"ADE_{word}_{at:08d}.jpg", size=SIZE)
            mask(root / f"annotations/{part}/ADE_{word}_{at:08d}.png", [0, 1, 2, 150], at)


def ade20k_with_list(root: Path) -> None:
    ade20k(root)
    lines = [f"{at}\t0.1\t11664\t1172\t{name}, another name" for at, name in enumerate(ADE20K, 1)]
    (root / "objectInfo150.txt").write_text("\n".join(["Idx\tRatio\tTrain\tVal\tName", *lines]) + "\n")
    (root / "sceneCategories.txt").write_text("ADE_train_00000001 airport_terminal\n")


def loveda(root: Path, *, values: int = 8) -> None:
    for at, (part, area) in enumerate((part, area) for part in ("Train", "Val") for area in ("Rural", "Urban")):
        for number in range(at * 10, at * 10 + 3):
            photos(root / part / area / "images_png", f"{number}.png", size=SIZE)
            mask(root / part / area / f"masks_png/{number}.png", list(range(values)), number)


def potsdam(root: Path) -> None:
    for at in range(10, 16):
        photos(root / "2_Ortho_RGB", f"top_potsdam_2_{at}_RGB.tif", size=SIZE)
        mask(root / f"5_Labels_all/top_potsdam_2_{at}_label.tif", ISPRS, at)


def vaihingen(root: Path) -> None:
    """The labels without borders: they are black."""
    for at in range(1, 7):
        photos(root / "top", f"top_mosaic_09cm_area{at}.tif", size=SIZE)
        mask(root / f"gts_eroded_for_participants/top_mosaic_09cm_area{at}_noBoundary.tif", [[0] * 3, *ISPRS[:5]], at)


def isaid(root: Path) -> None:
    for part, start in (("train", 0), ("val", 1000)):
        for at in range(start, start + 4):
            photos(root / part / "images", f"P{at:04d}.png", size=SIZE)
            masks = root / part / "Semantic_masks/images"
            mask(masks / f"P{at:04d}_instance_color_RGB.png", [[0, 0, 0], [0, 0, 63], [0, 127, 127]], at)
            objects = root / part / "Instance_masks/images"
            mask(objects / f"P{at:04d}_instance_id_RGB.png", [[at % 256, number, 7] for number in range(24)])


def busi(root: Path) -> None:
    for kind in ("benign", "malignant", "normal"):
        for at in range(1, 5):
            photos(root / kind, f"{kind} ({at}).png", size=SIZE)
            mask(root / kind / f"{kind} ({at})_mask.png", [0] if kind == "normal" else [0, 0, 255], at)
    mask(root / "benign/benign (2)_mask_1.png", [0, 255])


VESSELS = ({"background": 0, "vessel": 255}, [])
SETS: dict[str, tuple[Callable[[Path], None], dict, list]] = {
    "DRIVE": (drive, {"background": 0, "vessel": 1}, []),  # Pillow writes grey levels as the indices of a palette
    "HRF": (hrf, *VESSELS),
    "STARE": (stare, *VESSELS),
    "Oxford Pets": (pets, {"background": 2, "pet": 1}, [3]),
    "ADE20K": (ade20k, dict(zip(ADE20K, range(1, 151), strict=True)), [0]),
    "ADE20K with objectInfo150.txt": (ade20k_with_list, dict(zip(ADE20K, range(1, 151), strict=True)), [0]),
    "LoveDA": (
        loveda,
        {"background": 1, "building": 2, "road": 3, "water": 4, "barren": 5, "forest": 6, "agriculture": 7},
        [0],
    ),
    "BUSI": (busi, {"background": 0, "lesion": 255}, []),
}
NAMES = ("impervious surfaces", "building", "low vegetation", "tree", "car", "clutter")


@pytest.mark.parametrize("name", SETS)
def test_classes_of_a_published_set_are_the_published(name: str, tmp_path: Path) -> None:
    write, classes, ignore = SETS[name]
    write(tmp_path)
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert {class_["name"]: class_["raw"] for class_ in guessed.layout["classes"]} == classes
    assert guessed.layout["ignore"] == ignore
    assert any("the masks are those of" in note for note in guessed.notes)
    assert all(f"{value} is ignored: " in " ".join(guessed.notes) for value in ignore)
    seen = set().union(*(np.unique(label).tolist() for label in labels.values()))
    assert (255 in seen) == bool(ignore) and len(seen - {255}) >= 2


@pytest.mark.parametrize(("write", "shown"), [(potsdam, [0, 1, 2, 3, 4, 5]), (vaihingen, [0, 1, 2, 3, 4, 255])])
def test_the_six_colours_of_isprs(write: Callable[[Path], None], shown: list[int], tmp_path: Path) -> None:
    write(tmp_path)
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert [(one["name"], one["raw"]) for one in guessed.layout["classes"]] == list(zip(NAMES, ISPRS, strict=True))
    assert guessed.layout["ignore"] == [[0, 0, 0]]
    assert sorted(set().union(*(np.unique(label).tolist() for label in labels.values()))) == shown


def test_the_classes_of_isaid_are_read_not_its_instances(tmp_path: Path) -> None:
    isaid(tmp_path)
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.layout["masks"] == "{split}/Semantic_masks/images/{id}_instance_color_RGB.png"
    assert [one["name"] for one in guessed.layout["classes"]][:2] == ["background", "ship"]
    assert len(guessed.layout["classes"]) == 16 and len(labels) == 8
    assert any("8 masks are not used: {split}/Instance_masks" in note for note in guessed.notes)


def test_names_alone_do_not_make_a_published_set(tmp_path: Path) -> None:
    """Other values, as in a copy with classes of one's own, are guessed as ever."""
    loveda(tmp_path, values=10)
    guessed = guess(tmp_path)
    assert [one["raw"] for one in guessed.layout["classes"]] == list(range(10))
    assert not any("the masks are those of" in note for note in guessed.notes)


def test_a_list_of_other_classes_does_not_name_those_of_ade20k(tmp_path: Path) -> None:
    ade20k(tmp_path)
    (tmp_path / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n1\t0.1\t1\t1\twall\n")
    assert [one["name"] for one in guess(tmp_path).layout["classes"]] == list(ADE20K)
