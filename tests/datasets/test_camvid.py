"""CamVid's own facts: folders, ids, groups, the lists of the published splits; and the real data, where it is."""

import json
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from datasets import catalog
from datasets.camvid.camvid_dataset_builder import TABLE, Builder
from datasets.labels import INVALID
from datasets.spec import IGNORE


def test_the_catalog_builds_it(tmp_path: Path) -> None:
    builder = catalog.builder("camvid", data_dir=tmp_path)
    assert builder.name == "camvid"
    assert builder.info.features["label"].names == list(catalog.spec("camvid").classes)


def test_the_table_keeps_classes_and_ignores_void() -> None:
    assert TABLE[:12].tolist() == [*range(11), IGNORE]
    assert (TABLE[12:] == INVALID).all()


def test_the_group_is_the_drive(raw: Path, tmp_path: Path) -> None:
    splits = Builder(data_dir=tmp_path).find(raw)
    assert {name: len(split.pairs) for name, split in splits.items()} == {"train": 6, "val": 3}
    assert {pair.group for pair in splits["train"].pairs} == {"A", "B"}


def test_the_tutorials_lists_are_read(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("/SegNet/CamVid/train/a_1.png /SegNet/CamVid/trainannot/a_1.png\n\n")
    builder = Builder(data_dir=tmp_path)
    assert builder.published_ids(tmp_path, "train") == {"a_1"}
    assert builder.published_ids(tmp_path, "val") == set()


def test_the_real_data_is_whole(real_data: Path, tmp_path: Path) -> None:
    builder = Builder(data_dir=tmp_path)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=real_data / "CamVid", try_download_gcs=False)
    )
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {"train": 367, "val": 101}
    facts = json.loads((Path(builder.data_dir) / "audit.json").read_text(encoding="utf-8"))
    assert facts["problems"] == []
    found = set()
    for example in tfds.as_numpy(builder.as_dataset(split="val")):
        assert example["image"].shape == (360, 480, 3) and example["label"].shape == (360, 480, 1)
        found |= set(np.unique(example["label"]).tolist())
    assert found == {*range(11), IGNORE}
