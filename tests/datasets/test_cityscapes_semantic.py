"""Cityscapes: the conversion of every layout, on disk and in the official zip files; ids, cities, missing parts."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from datasets import catalog
from datasets.audit import BadFileError
from datasets.cityscapes_semantic import pair_files, sample
from datasets.cityscapes_semantic.cityscapes_semantic_dataset_builder import TABLE, Builder
from datasets.cityscapes_semantic.classes import CITIES, SPECS
from datasets.cityscapes_semantic.label_table import LABELS, TRAINED
from datasets.errors import DatasetError
from datasets.labels import INVALID
from datasets.raw import RawFolder
from datasets.spec import IGNORE

SIZE = (64, 128)
COUNTS = {"fine": {"train": 5, "val": 2, "test": 1}, "coarse": {"train": 6, "val": 2}}
"""Split sizes of a sample of 8 scenes."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("cityscapes")
    for config in ("fine", "coarse", "image_pairs"):
        sample.write(out / config, count=8, seed=2, size=SIZE, config=config)
    return {config: out / config.removesuffix("_13") for config in SPECS}


def build(raw: Path, data_dir: Path, config: str) -> Builder:
    builder = Builder(data_dir=data_dir, config=config, allow_partial=True)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=raw, try_download_gcs=False))
    return builder


def examples(builder: Builder, split: str) -> dict[str, dict]:
    return {example["id"].decode(): example for example in tfds.as_numpy(builder.as_dataset(split=split))}


def zipped(raw: Path, to: Path) -> Path:
    """Put the folders of an extracted sample into zip files of the official names."""
    to.mkdir()
    for path in sorted(raw.rglob("*.png")):
        kind, folder = path.relative_to(raw).parts[:2]
        name = "gtCoarse" if kind == "gtCoarse" else f"{kind}_{'trainextra' if 'extra' in folder else 'trainvaltest'}"
        with zipfile.ZipFile(to / f"{name}.zip", "a") as archive:
            archive.write(path, path.relative_to(raw))
    return to


def test_the_table_is_the_official_one() -> None:
    assert len(LABELS) == 35 and [label.train_id for label in TRAINED] == list(range(19))
    assert [label.id for label in TRAINED] == [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    assert [label.id for label in LABELS if label.has_instances] == list(range(24, 34))
    assert list(dict.fromkeys(label.category for label in LABELS)) == [
        "void", "flat", "construction", "object", "nature", "sky", "human", "vehicle",
    ]  # fmt: skip
    assert (TABLE[:34] != INVALID).all() and (TABLE[34:] == INVALID).all()


def test_the_cities_make_up_the_published_splits() -> None:
    assert SPECS["fine"].split_sizes == {"train": 2975, "val": 500, "test": 1525}
    assert SPECS["coarse"].split_sizes == {"train": 22973, "val": 500}
    assert [len(cities) for cities in CITIES.values()] == [18, 3, 6]


@pytest.mark.parametrize("place", ["disk", "zip"])
def test_fine_labels_are_converted_without_loss(folders: dict[str, Path], place: str, tmp_path: Path) -> None:
    raw = folders["fine"] if place == "disk" else zipped(folders["fine"], tmp_path / "zips")
    builder = build(raw, tmp_path / "out", "fine")
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == COUNTS["fine"]
    train, val, test = (examples(builder, split) for split in ("train", "val", "test"))
    image, mask, things = sample.draw_scene(2, 5, SIZE)
    example = val["frankfurt_000000_000019"]
    assert example["group"] == b"frankfurt" and np.array_equal(example["image"], image)
    assert np.array_equal(example["label"][..., 0], TABLE[mask])
    assert {id_.split("_")[0] for id_ in train} == {"aachen", "bochum", "bremen", "cologne"}
    assert all((example["label"] == IGNORE).all() for example in test.values())
    written = Path(builder.data_path) / "instances" / "val"
    assert sorted(path.stem for path in written.iterdir()) == sorted(val)
    assert np.array_equal(np.asarray(Image.open(written / "frankfurt_000000_000019.png")), things)


@pytest.mark.parametrize("place", ["disk", "zip"])
def test_coarse_joins_train_extra_and_keeps_the_fine_val(folders: dict[str, Path], place: str, tmp_path: Path) -> None:
    raw = folders["coarse"] if place == "disk" else zipped(folders["coarse"], tmp_path / "zips")
    builder = build(raw, tmp_path / "out", "coarse")
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == COUNTS["coarse"]
    train, val = (examples(builder, split) for split in ("train", "val"))
    assert {id_.split("_")[0] for id_ in train} == {"aachen", "bochum", "bremen", "bamberg", "dresden"}
    _, mask, _ = sample.draw_scene(2, 0, SIZE)
    label = train["aachen_000000_000019"]["label"][..., 0]
    assert np.array_equal(label, TABLE[sample.coarsen(mask)])
    assert 0.1 < (label == IGNORE).mean() < 0.95
    _, mask, _ = sample.draw_scene(2, 3, SIZE)
    assert np.array_equal(val["frankfurt_000000_000019"]["label"][..., 0], TABLE[mask])
    assert not (Path(builder.data_path) / "instances").exists()


def test_image_pairs_yield_the_painted_classes(folders: dict[str, Path], tmp_path: Path) -> None:
    builder = build(folders["image_pairs"], tmp_path, "image_pairs")
    train = examples(builder, "train")
    assert sorted(train) == ["1", "2", "3", "4", "5", "6"] and train["1"]["group"] == b""
    _, mask, _ = sample.draw_scene(2, 0, SIZE)
    painted = np.asarray(Image.fromarray(TABLE[mask]).resize((256, 256), Image.Resampling.NEAREST))
    label = train["1"]["label"][..., 0]
    pair = np.asarray(Image.open(folders["image_pairs"] / "train" / "1.jpg"))
    assert np.array_equal(train["1"]["image"], pair[:, :256])
    assert (label == painted).mean() > 0.9  # JPEG changes only the borders


def test_bins_of_image_pairs_equal_numpy_digitize(folders: dict[str, Path], tmp_path: Path) -> None:
    builder = build(folders["image_pairs_13"], tmp_path, "image_pairs_13")
    assert builder.info.features["label"].num_classes == 13
    pair = np.asarray(Image.open(folders["image_pairs"] / "val" / "1.jpg"))
    label = examples(builder, "val")["1"]["label"][..., 0]
    assert np.array_equal(label, np.digitize(pair[:, 256:, 0], np.arange(20, 241, 20)))


def test_the_colour_of_a_bin_lies_in_it() -> None:
    reds = [colour[0] for colour in catalog.spec("cityscapes_semantic", "image_pairs_13").colours]
    assert pair_files.BIN_OF_RED[reds].tolist() == list(range(13))


def test_every_colour_of_the_table_is_its_own_nearest() -> None:
    colours = np.array([[label.colour for label in LABELS]], np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.concatenate([np.zeros_like(colours), colours], axis=1)).save(file, "PNG")
    train_ids = pair_files.read_nearest_classes(file.getvalue())[0].tolist()
    shared = {"polegroup": 5, "license plate": 13}
    assert train_ids == [shared.get(label.name, label.train_id) for label in LABELS]


def test_a_truncated_pair_or_one_of_odd_width_is_refused(folders: dict[str, Path]) -> None:
    content = (folders["image_pairs"] / "train" / "1.jpg").read_bytes()
    file = io.BytesIO()
    Image.open(io.BytesIO(content)).crop((0, 0, 511, 256)).save(file, "JPEG")
    for function in (pair_files.read_photo, pair_files.read_nearest_classes, pair_files.read_red_bins):
        with pytest.raises(BadFileError, match="256x511"):
            function(file.getvalue())
        with pytest.raises(BadFileError, match="truncated"):
            function(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("config", "removed", "message"),
    [
        ("fine", "gtFine/val", "gtFine/val/ (of gtFine_trainvaltest.zip)"),
        ("fine", "leftImg8bit", "leftImg8bit/train/ (of leftImg8bit_trainvaltest.zip)"),
        ("coarse", "gtFine", "gtFine/val/ (of gtFine_trainvaltest.zip)"),
        ("coarse", "gtCoarse", "gtCoarse/train_extra/ (of gtCoarse.zip)"),
    ],
)
def test_a_missing_folder_is_named_with_its_zip(
    folders: dict[str, Path], config: str, removed: str, message: str, tmp_path: Path
) -> None:
    for path in folders[config].rglob("*.png"):
        name = path.relative_to(folders[config])
        if not name.as_posix().startswith(removed + "/"):
            (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "raw" / name).symlink_to(path)
    with pytest.raises(DatasetError) as caught:
        Builder(data_dir=tmp_path / "out", config=config).find(RawFolder(tmp_path / "raw"))
    assert message in str(caught.value)


def test_the_message_for_missing_pairs_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"(?s)no train/\*\.jpg.*train/2975\.jpg"):
        Builder(data_dir=tmp_path, config="image_pairs").find(RawFolder(tmp_path))


def test_short_splits_are_described_by_city(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"received 5 images, published are 2975. By city: aachen 2 of 174, bochum"):
        Builder(data_dir=tmp_path, config="fine").survey(folders["fine"])
    with pytest.raises(DatasetError, match=r"(?s)published are 22973. .*train_extra 3 of 19998"):
        Builder(data_dir=tmp_path, config="coarse").survey(folders["coarse"])
    with pytest.raises(DatasetError, match=r"received 6 images, published are 2975. Missing: 7, 8, 9, 10, 11"):
        Builder(data_dir=tmp_path, config="image_pairs").survey(folders["image_pairs"])


def test_an_image_without_labels_and_a_damaged_instance_mask_are_named(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    sample.write(tmp_path / "raw", count=4, seed=1, size=(32, 64))
    fine = tmp_path / "raw" / "gtFine"
    lost = next((fine / "train").rglob("*_labelIds.png"))
    lost.unlink()
    with pytest.raises(DatasetError, match=r"(?s)image without mask \(1\):.*aachen_000000_000019_leftImg8bit\.png"):
        build(tmp_path / "raw", tmp_path / "out", "fine")
    sample.write(tmp_path / "other", count=4, seed=1, size=(32, 64))
    broken = next((tmp_path / "other" / "gtFine" / "val").rglob("*_instanceIds.png"))
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(DatasetError, match=r"frankfurt_000000_000019_gtFine_instanceIds\.png"):
        build(tmp_path / "other", tmp_path / "out2", "fine")


def test_instance_masks_exist_for_all_of_val_or_for_none(folders: dict[str, Path], tmp_path: Path) -> None:
    raw = Path(shutil.copytree(folders["fine"], tmp_path / "raw"))
    first, *others = sorted((raw / "gtFine" / "val").rglob("*_instanceIds.png"))
    first.unlink()
    message = rf"1 of 2 files that evaluation reads is missing: gtFine/val/frankfurt/{first.name}\.\nPut it there"
    builder = Builder(data_dir=tmp_path, config="fine", allow_partial=True)
    with pytest.raises(DatasetError, match=message):
        builder.survey(raw)
    for path in others:
        path.unlink()
    assert builder.survey(raw) == COUNTS["fine"]


def test_the_sample_has_instances_and_is_reused(folders: dict[str, Path]) -> None:
    _, mask, things = sample.draw_scene(2, 1, SIZE)
    counted = np.isin(mask, [label.id for label in LABELS if label.has_instances])
    assert np.array_equal(things[~counted], mask[~counted])
    assert np.array_equal(things[counted] // 1000, mask[counted])
    assert json.loads((folders["fine"] / "sample.json").read_text())["config"] == "fine"
    before = {path: path.stat().st_mtime_ns for path in folders["fine"].rglob("*")}
    assert sample.write(folders["fine"], count=8, seed=2, size=SIZE) == COUNTS["fine"]
    assert {path: path.stat().st_mtime_ns for path in folders["fine"].rglob("*")} == before


def test_nearly_every_class_occurs_in_a_sample() -> None:
    values = set(np.unique([TABLE[sample.draw_scene(0, index, SIZE)[1]] for index in range(16)]).tolist())
    assert values >= set(range(19)) - {16} and IGNORE in values  # trams (16) are rare
