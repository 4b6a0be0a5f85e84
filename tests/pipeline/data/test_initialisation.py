"""`segline init` with folders as people have them."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import yaml
from PIL import Image

from datasets.errors import DatasetError
from datasets.image_folder import folder, layout
from datasets.image_folder.image_folder_dataset_builder import reader_of
from datasets.image_folder.sections import Splits
from datasets.raw import RawFolder
from pipeline import __main__ as cli
from pipeline.data.initialisation import initialise
from pipeline.errors import UserError
from pipeline.orchestration.recipe_loader import load_recipe

BLOCKS = np.arange(24).reshape(4, 6).repeat(8, 0).repeat(8, 1)


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((BLOCKS * 10).astype(np.uint8)).convert("RGB").save(path)


def mask(path: Path, values, dtype=np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.array(values, dtype)[BLOCKS % len(values)]
    if path.suffix == ".mat":
        scipy.io.savemat(path, {"GT": pixels})
        return
    Image.fromarray(pixels).save(path)


def read_back(root: Path, tmp_path: Path) -> tuple[layout.Layout, list[str]]:
    """Run `init`, read its layout, pair the files, read every mask; return the layout and the printed lines."""
    printed = initialise(root, tmp_path / "layout.yaml", tmp_path / "recipe.yaml", force=False)
    parsed = layout.read(tmp_path / "layout.yaml")
    raw, reader = RawFolder(root), reader_of(parsed)
    for split in folder.find(raw, parsed.model_copy(update={"splits": everything(parsed)})).values():
        assert split.pairs and not split.problems
        for pair in split.pairs:
            assert pair.mask is not None
            assert reader.mask(raw.read(pair.mask)).shape == (32, 48)
    return parsed, printed


def everything(parsed: layout.Layout) -> Splits:
    """With few images a random split may be empty: put all in train."""
    return Splits(ratios={"train": 1.0}) if parsed.splits.ratios else parsed.splits


@pytest.mark.parametrize(
    ("names", "patterns"),
    [
        (("{i}.jpg", "{i}_mask.png"), ("{id}.jpg", "{id}_mask.png")),
        (("images/a b/東{i}.JPG", "masks/a b/東{i}.png"), ("images/{id}.JPG", "masks/{id}.png")),
        (("train/{i}.jpg", "train_masks/{i}_mask.gif"), ("train/{id}.jpg", "train_masks/{id}_mask.gif")),
        (("JPEGImages/{i}.jpg", "SegmentationClass/{i}.png"), ("JPEGImages/{id}.jpg", "SegmentationClass/{id}.png")),
    ],
)
def test_names_are_paired(names: tuple[str, str], patterns: tuple[str, str], tmp_path: Path) -> None:
    for i in range(5):
        image(tmp_path / "data" / names[0].format(i=i))
        mask(tmp_path / "data" / names[1].format(i=i), [0, 1])
    parsed, printed = read_back(tmp_path / "data", tmp_path)
    assert (parsed.images[0], parsed.masks[0]) == patterns
    assert parsed.splits.ratios and any(line.startswith("  - 5 images have a mask") for line in printed)


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (("{split}/{i}.png", "{split}annot/{i}.png"), {"train": "train", "val": "val"}),
        (("images/{split}/{i}.jpg", "labels/{split}/{i}.png"), {"train": "training", "val": "validation"}),
        (
            ("leftImg8bit/{split}/aachen/{i}_leftImg8bit.png", "gtFine/{split}/aachen/{i}_gtFine_labelIds.png"),
            {"train": "train", "val": "val"},
        ),
    ],
)
def test_folders_of_splits_are_seen(names: tuple[str, str], folders: dict, tmp_path: Path) -> None:
    for part in folders.values():
        for i in range(3):
            image(tmp_path / "data" / names[0].format(i=i, split=part))
            mask(tmp_path / "data" / names[1].format(i=i, split=part), [0, 1, 2])
    parsed, _ = read_back(tmp_path / "data", tmp_path)
    assert parsed.splits.folders == folders and len(parsed.classes) == 3


@pytest.mark.parametrize(
    ("values", "dtype", "raws", "ignore"),
    [
        ([0, 255], np.uint8, [0, 255], []),
        ([0, 65535], np.uint16, [0, 65535], []),
        ([0, 1, 2, 255], np.uint8, [0, 1, 2], [255]),
        ([*range(21), 255], np.uint8, [*range(21)], [255]),
        ([0, 1, 2, 5], np.uint8, [0, 1, 2, 3, 4, 5], []),
    ],
)
def test_ids_and_ignored_values_are_recognised(
    values: list, dtype: type, raws: list, ignore: list, tmp_path: Path
) -> None:
    image(tmp_path / "data/images/a.png")
    mask(tmp_path / "data/masks/a.png", values, dtype)
    parsed, _ = read_back(tmp_path / "data", tmp_path)
    assert (parsed.mask.read, [one.raw for one in parsed.classes], list(parsed.ignore)) == ("ids", raws, ignore)


def test_colours_mat_files_and_blurred_masks_are_recognised(tmp_path: Path) -> None:
    kinds = {}
    for kind, suffix in (("colours", "png"), ("mat", "mat"), ("threshold", "jpg")):
        root = tmp_path / kind
        image(root / "photos/a.jpg")
        if kind == "colours":
            mask(root / f"gt/a.{suffix}", [[0, 0, 0], [255, 0, 0], [0, 0, 255]])
        else:
            mask(root / f"gt/a.{suffix}", [0, 255] if suffix == "jpg" else [0, 1, 2])
        (tmp_path / f"{kind}-out").mkdir()
        kinds[kind] = read_back(root, tmp_path / f"{kind}-out")[0].mask
    assert {kind: parsed.read for kind, parsed in kinds.items()} == {kind: kind for kind in kinds}
    assert kinds["mat"].key == "GT"


def test_colours_come_from_a_palette_and_names_from_a_list(tmp_path: Path) -> None:
    image(tmp_path / "data/images/a.png")
    painted = Image.fromarray((BLOCKS % 2).astype(np.uint8)).convert("P")
    painted.putpalette([0, 0, 0, 10, 200, 30])
    (tmp_path / "data/masks").mkdir()
    painted.save(tmp_path / "data/masks/a.png")
    (tmp_path / "data/classes.txt").write_text("ground\ngrass\n")
    parsed, printed = read_back(tmp_path / "data", tmp_path)
    assert [(one.name, one.colour) for one in parsed.classes][1:] == [("grass", (10, 200, 30))]
    assert any("those of classes.txt" in line for line in printed)


def test_lists_of_splits_are_seen(tmp_path: Path) -> None:
    for name in "ab":
        image(tmp_path / f"data/images/{name}.png")
        mask(tmp_path / f"data/masks/{name}.png", [0, 1])
    for split, name in (("train", "a"), ("val", "b")):
        (tmp_path / f"data/{split}.txt").write_text(f"{name}\n")
    assert read_back(tmp_path / "data", tmp_path)[0].splits.lists == {"train": "train.txt", "val": "val.txt"}


def test_the_written_recipe_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    image(tmp_path / 'my "set"/images/a.png')
    mask(tmp_path / 'my "set"/masks/a.png', [0, 1])
    assert cli.main(["init", 'my "set"']) == 0
    printed = capsys.readouterr().out
    assert "segline run my_set.yaml" in printed and all(len(line) < 81 for line in printed.splitlines())
    recipe = load_recipe("my_set.yaml")
    assert recipe.data.spec().classes == ("background", "object")
    before = (tmp_path / "my_set.yaml").read_text()
    assert cli.main(["init", 'my "set"']) == 2
    assert "exists already. --force overwrites it" in " ".join(capsys.readouterr().err.split())
    assert cli.main(["init", 'my "set"', "--force"]) == 0
    assert (tmp_path / "my_set.yaml").read_text() == before


def test_a_folder_that_is_not_enough_to_guess_from_is_refused(tmp_path: Path) -> None:
    image(tmp_path / "lone/photos/a.jpg")
    with pytest.raises(DatasetError, match=r"(?s)no images with masks .*Received: 1 \.jpg; images in photos \(1\)"):
        initialise(tmp_path / "lone", None, tmp_path / "r.yaml", force=False)
    with pytest.raises(DatasetError, match="There is no folder"):
        initialise(tmp_path / "none", None, tmp_path / "r.yaml", force=False)
    image(tmp_path / "photo/images/a.png")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    (tmp_path / "photo/masks").mkdir()
    Image.fromarray(noise).save(tmp_path / "photo/masks/a.png")
    with pytest.raises(DatasetError, match=r"masks/a\.png .* hold 256 different values, too many for classes"):
        initialise(tmp_path / "photo", None, tmp_path / "r.yaml", force=False)
    assert not (tmp_path / "r.yaml").exists()


def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    image(tmp_path / "data/images/a.png")
    mask(tmp_path / "data/masks/a.png", [0, 1])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        initialise(tmp_path / "data", tmp_path / "file" / "a.yaml", tmp_path / "r.yaml", force=False)


def test_the_layout_is_yaml_with_comments_on_every_guess(tmp_path: Path) -> None:
    image(tmp_path / "data/images/a.png")
    mask(tmp_path / "data/masks/a.png", [0, 1])
    initialise(tmp_path / "data", None, tmp_path / "r.yaml", force=False)
    text = (tmp_path / "data/segline.yaml").read_text(encoding="utf-8")
    assert (
        text.startswith("# How Segline reads this folder.") and "#   masks are PNG L (1) with the values 0, 1" in text
    )
    assert set(yaml.safe_load(text)) == {"images", "masks", "splits", "mask", "classes", "ignore"}


def test_dry_run_prints_the_files_and_writes_none(tmp_path: Path) -> None:
    from datasets.image_folder import sample

    sample.write(tmp_path / "mine", count=4, seed=0, size=(24, 32), config=None)
    (tmp_path / "mine/segline.yaml").unlink()
    printed = initialise(tmp_path / "mine", None, tmp_path / "r.yaml", force=False, dry_run=True)
    assert printed[0].startswith(f"# {tmp_path / 'mine/segline.yaml'}\n") and "manual_dir:" in printed[1]
    assert not (tmp_path / "r.yaml").exists() and not (tmp_path / "mine/segline.yaml").exists()
    assert not (tmp_path / "mine/segline.png").exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"one\ntwo\nthree\n"])
def test_a_list_of_names_that_does_not_fit_is_ignored(tmp_path: Path, content: bytes) -> None:
    image(tmp_path / "raw/images/a.png")
    mask(tmp_path / "raw/masks/a.png", [0, 1])
    (tmp_path / "raw/labels.txt").write_bytes(content)
    parsed, printed = read_back(tmp_path / "raw", tmp_path)
    assert [one.name for one in parsed.classes] == ["background", "object"]
    assert any(line.startswith("  - 1 image has a mask") for line in printed)


def test_guessing_skips_damaged_mat_files(tmp_path: Path) -> None:
    for name in "abc":
        image(tmp_path / f"raw/images/{name}.png")
        mask(tmp_path / f"raw/masks/{name}.mat", [0, 2])
    damaged = tmp_path / "raw/masks/b.mat"
    content = bytearray(damaged.read_bytes())
    content[content.index(b"GT") + 5] ^= 1  # an element of type 258, on which SciPy crashes
    damaged.write_bytes(content)
    (tmp_path / "raw/masks/c.mat").write_bytes(b"not a MAT file")
    initialise(tmp_path / "raw", tmp_path / "layout.yaml", tmp_path / "recipe.yaml", force=False)
    assert [one.raw for one in layout.read(tmp_path / "layout.yaml").classes] == [0, 2]


def test_guessing_skips_unreadable_masks(tmp_path: Path) -> None:
    for name in "abc":
        image(tmp_path / f"raw/images/{name}.png")
    mask(tmp_path / "raw/masks/a.tif", [0, 2], np.float32)
    mask(tmp_path / "raw/masks/b.tif", [0, 0.5], np.float32)
    mask(tmp_path / "raw/masks/c.tif", [0, 1])
    (tmp_path / "raw/masks/c.tif").write_bytes((tmp_path / "raw/masks/c.tif").read_bytes()[:-40])
    initialise(tmp_path / "raw", tmp_path / "layout.yaml", tmp_path / "recipe.yaml", force=False)
    assert [one.raw for one in layout.read(tmp_path / "layout.yaml").classes] == [0, 2]
    (tmp_path / "raw/masks/a.tif").unlink()
    with pytest.raises(DatasetError, match=r"none of 2 sampled masks can be read\. masks/b\.tif: .* such as 0\.5\."):
        initialise(tmp_path / "raw", tmp_path / "layout.yaml", tmp_path / "r.yaml", force=True)


@pytest.mark.parametrize("val", ["validation", None])
def test_images_without_masks_are_in_no_split_and_reported(val: str | None, tmp_path: Path) -> None:
    for part in filter(None, ("train", val, "test")):
        for i in range(3):
            image(tmp_path / f"data/{part}/images/{i}.jpg")
            if part != "test":
                mask(tmp_path / f"data/{part}/masks/{i}.png", [0, 1])
    parsed, printed = read_back(tmp_path / "data", tmp_path)
    assert parsed.splits.folders == ({"train": "train", "val": val} if val else None)
    wanted = "3 of test/images/{id}.jpg have no mask: they are in no split; `segline predict` takes their folder"
    assert wanted in " ".join(line.strip() for line in printed)
