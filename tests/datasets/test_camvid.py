"""CamVid: layouts, ids, groups, classes and their grouping, the published splits; and the real data."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from datasets import catalog
from datasets.audit import BadFileError, Kind
from datasets.camvid import sample
from datasets.camvid.camvid_dataset_builder import Builder
from datasets.camvid.classes import FULL_COLOURS, GROUPS, VOID
from datasets.camvid.splits import IDS
from datasets.errors import DatasetError
from datasets.raw import RawFolder
from datasets.spec import IGNORE

CONFIGS = ("segnet", "dataset1", "full", "full_11")
COUNTS = {"segnet": {"train": 5, "val": 2, "test": 1}, "dataset1": {"train": 6, "val": 2}}
"""Split sizes of a sample of 8 scenes."""


@pytest.fixture(scope="module", params=CONFIGS)
def config(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def layout(config: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / config
    sample.write(out, count=8, seed=1, size=(48, 64), config=config)
    return out


def built(raw: Path, data_dir: Path, config: str | None = None, **options: object) -> Builder:
    builder = Builder(data_dir=data_dir, config=config, **options)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=raw, try_download_gcs=False))
    return builder


def encoded(mask: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return file.getvalue()


def read(config: str, mask: np.ndarray, tmp_path: Path) -> np.ndarray:
    return Builder(data_dir=tmp_path, config=config).reader().mask(encoded(mask))


def test_a_sample_of_every_layout_is_converted_without_loss(layout: Path, config: str, tmp_path: Path) -> None:
    builder = built(layout, tmp_path, config, allow_partial=True)
    counts = COUNTS.get(config, COUNTS["segnet"])
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == counts
    assert builder.info.features["label"].names == list(catalog.spec("camvid", config).classes)
    first = 0
    for split, number in counts.items():
        examples = {example["id"].decode(): example for example in tfds.as_numpy(builder.as_dataset(split=split))}
        names = sorted(examples)
        if config not in ("full", "full_11"):
            names = [sample.scene_id(first + place) for place in range(number)]
        else:
            names = [IDS[split][place * len(IDS[split]) // number] for place in range(number)]
        for place, id_ in enumerate(names):
            image, mask = sample.draw_scene(1, first + place, (48, 64))
            expected = mask if config == "full" else sample.merge_classes(mask)
            if config in ("segnet", "full_11"):
                expected = np.where(expected == VOID, IGNORE, expected)
            assert np.array_equal(examples[id_]["image"], image)
            assert np.array_equal(examples[id_]["label"][..., 0], expected)
            assert examples[id_]["group"].decode() == id_.split("_")[0]
        first += number


def test_the_message_for_a_short_split_names_the_missing(layout: Path, config: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"(?s)Split train: .*published are 367. Missing: .*Split val: .* are 101"):
        Builder(data_dir=tmp_path, config=config).survey(layout)


def test_the_published_lists_are_those_of_the_tutorial() -> None:
    assert {split: len(ids) for split, ids in IDS.items()} == {"train": 367, "val": 101, "test": 233}
    assert len(set().union(*IDS.values())) == 701


def test_the_published_lists_agree_with_the_real_ones(real_data: Path) -> None:
    for split in ("train", "val"):
        lines = (real_data / "CamVid" / f"{split}.txt").read_text().split("\n")
        assert {Path(line.split()[0]).stem for line in lines if line.strip()} == set(IDS[split])


def test_every_class_but_void_belongs_to_one_of_eleven() -> None:
    merged = [name for _, names in GROUPS.values() for name in names]
    assert sorted([*merged, "Void"]) == sorted(FULL_COLOURS)
    assert len(set(FULL_COLOURS.values())) == 32


def test_segnet_ignores_void_and_dataset1_keeps_it(tmp_path: Path) -> None:
    ids = np.arange(12, dtype=np.uint8)[None]
    assert read("segnet", ids, tmp_path).tolist() == [[*range(11), IGNORE]]
    assert read("dataset1", ids, tmp_path).tolist() == [[*range(12)]]
    with pytest.raises(BadFileError, match=r"received 12 \(1 px\); allowed 0..11"):
        read("segnet", ids + 1, tmp_path)


def test_dataset1_reads_grey_masks_and_those_with_the_id_in_every_channel(tmp_path: Path) -> None:
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4)
    coloured = np.repeat(ids[..., None], 3, axis=2)
    assert np.array_equal(read("dataset1", ids, tmp_path), read("dataset1", coloured, tmp_path))
    coloured[0, :2, 1] += 1
    with pytest.raises(BadFileError, match="the channels differ in 2 px") as caught:
        read("dataset1", coloured, tmp_path)
    assert caught.value.kind is Kind.MASK_CHANNELS


def test_an_unknown_colour_is_named(tmp_path: Path) -> None:
    mask = np.zeros((2, 2, 3), np.uint8)
    mask[0, 0] = (1, 2, 3)
    for config in ("full", "full_11"):
        with pytest.raises(BadFileError, match=r"received \(1, 2, 3\) \(1 px\)"):
            read(config, mask, tmp_path)
    with pytest.raises(BadFileError, match="mode L, 2x2"):
        read("full", mask[..., 0], tmp_path)


def test_frames_outside_the_published_splits_are_refused(tmp_path: Path) -> None:
    sample.write(tmp_path / "raw", count=3, seed=1, size=(16, 16), config="full")
    (tmp_path / "raw" / "701_StillsRaw_full" / "mine.png").touch()
    with pytest.raises(DatasetError, match="1 frames are in none of the published splits: mine"):
        Builder(data_dir=tmp_path, config="full").find(RawFolder(tmp_path / "raw"))


def test_the_originals_zip_files_are_read_as_downloaded(tmp_path: Path) -> None:
    sample.write(tmp_path / "raw", count=3, seed=1, size=(16, 16), config="full")
    with zipfile.ZipFile(tmp_path / "701_StillsRaw_full.zip", "w") as archive:
        for path in (tmp_path / "raw" / "701_StillsRaw_full").iterdir():
            archive.write(path, f"701_StillsRaw_full/{path.name}")
    with zipfile.ZipFile(tmp_path / "LabeledApproved_full.zip", "w") as archive:
        for path in (tmp_path / "raw" / "LabeledApproved_full").iterdir():
            archive.write(path, path.name)  # without a folder, like the real one
    zips = tmp_path / "zips"
    zips.mkdir()
    for path in tmp_path.glob("*.zip"):
        path.rename(zips / path.name)
    builder = built(zips, tmp_path / "out", "full_11", allow_partial=True)
    assert sum(split.num_examples for split in builder.info.splits.values()) == 3


def test_the_message_for_a_missing_original_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"(?s)0 images in 701_StillsRaw_full/, 0 masks .*LabeledApproved_full.zip"):
        Builder(data_dir=tmp_path, config="full").find(RawFolder(tmp_path))


def test_the_group_is_the_drive(raw: Path, tmp_path: Path) -> None:
    splits = Builder(data_dir=tmp_path).find(RawFolder(raw))
    assert {name: len(split.pairs) for name, split in splits.items()} == {"train": 6, "val": 3}
    assert {pair.group for pair in splits["train"].pairs} == {"A", "B"}


def test_a_full_sample_has_no_more_scenes_than_published_ids(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no more scenes than the real set has frames: train 367, val 101"):
        sample.write(tmp_path / "out", count=500, seed=0, config="full")


def test_the_real_data_is_complete(real_data: Path, tmp_path: Path) -> None:
    builder = built(real_data / "CamVid", tmp_path)
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {"train": 367, "val": 101}
    facts = json.loads((Path(builder.data_dir) / "audit.json").read_text(encoding="utf-8"))
    assert facts["problems"] == []
    values: set[int] = set()
    for example in tfds.as_numpy(builder.as_dataset(split="val")):
        assert example["image"].shape == (360, 480, 3) and example["label"].shape == (360, 480, 1)
        values |= set(np.unique(example["label"]).tolist())
    assert values == {*range(11), IGNORE}
