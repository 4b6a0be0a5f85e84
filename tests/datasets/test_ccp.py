"""CCP: .mat masks, the split, photographs without masks; sample data and the real data."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import tensorflow_datasets as tfds

from datasets import catalog
from datasets.audit import Kind
from datasets.ccp import sample
from datasets.ccp.ccp_dataset_builder import Builder
from datasets.ccp.classes import CLASSES, LABELLED, split_of
from datasets.errors import DatasetError
from datasets.raw import RawFolder

COUNT, SIZE = 8, (96, 64)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "ccp"
    assert sample.write(folder, count=COUNT, seed=1, size=SIZE) == {"train": 5, "val": 2, "test": 1}
    return folder


@pytest.fixture
def raw(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "clothing-co-parsing"))


def build(raw: Path, data_dir: Path, **options) -> Builder:
    builder = Builder(data_dir=data_dir, **options)
    config = tfds.download.DownloadConfig(manual_dir=raw, try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    return builder


def test_the_spec_has_the_sizes_of_the_readme() -> None:
    spec = catalog.spec("ccp")
    assert spec.split_sizes == {"train": 804, "val": 100, "test": 100}
    assert spec.num_classes == 59 and spec.classes[0] == "null" and spec.classes[41] == "skin"
    assert spec.colours[0] == (0, 0, 0) and spec.colours[1] == (128, 0, 0)
    assert [split_of(number) for number in (1, 8, 9, 10, 1000, 1004)] == [
        "train",
        "train",
        "val",
        "test",
        "test",
        "train",
    ]
    assert len(LABELLED) == 1004


def test_records_of_sample_data_equal_the_files(drawn: Path, tmp_path: Path) -> None:
    builder = build(drawn, tmp_path, allow_partial=True)
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        "train": 5,
        "val": 2,
        "test": 1,
    }
    decoders = {"image": tfds.decode.SkipDecoding()}
    for example in tfds.as_numpy(builder.as_dataset(split="val", decoders=decoders)):
        id_ = example["id"].decode()
        assert example["image"] == (drawn / "photos" / f"{id_}.jpg").read_bytes()
        mask = scipy.io.loadmat(drawn / "annotations/pixel-level" / f"{id_}.mat")["groundtruth"]
        np.testing.assert_array_equal(example["label"][..., 0], mask)


def test_a_drawn_person_wears_clothes() -> None:
    image, mask = sample.draw_photograph(0, 3, (206, 138))
    assert image.shape == (206, 138, 3) and mask.dtype == np.uint8
    names = {CLASSES[index] for index in np.unique(mask)}
    assert {"null", "skin", "hair"} < names and len(names) >= 6
    again = sample.draw_photograph(0, 3, (206, 138))
    np.testing.assert_array_equal(image, again[0])
    np.testing.assert_array_equal(mask, again[1])


def test_photographs_outside_the_labelled_range_need_no_mask(raw: Path, tmp_path: Path) -> None:
    shutil.copy(raw / "photos" / "0001.jpg", raw / "photos" / "2098.jpg")
    train = Builder(data_dir=tmp_path, allow_partial=True).find(RawFolder(raw))["train"]
    assert "2098" not in train.ids and not train.problems


def test_files_without_a_partner_are_problems(raw: Path, tmp_path: Path) -> None:
    (raw / "photos" / "0001.jpg").unlink()
    (raw / "annotations/pixel-level/0002.mat").unlink()
    problems = Builder(data_dir=tmp_path).find(RawFolder(raw))["train"].problems
    assert {(p.kind, p.file) for p in problems} == {
        (Kind.WITHOUT_IMAGE, "annotations/pixel-level/0001.mat"),
        (Kind.WITHOUT_MASK, "photos/0002.jpg"),
    }


def test_bad_masks_are_named(raw: Path, tmp_path: Path) -> None:
    masks = sorted((raw / "annotations/pixel-level").iterdir())
    good = scipy.io.loadmat(masks[0])["groundtruth"]
    scipy.io.savemat(masks[0], {"labels": good})
    scipy.io.savemat(masks[1], {"groundtruth": np.full_like(good, 59)})
    scipy.io.savemat(masks[2], {"groundtruth": np.stack([good] * 3, -1)})
    scipy.io.savemat(masks[3], {"groundtruth": good + 0.5})
    masks[4].write_bytes(masks[4].read_bytes()[:200])
    with pytest.raises(DatasetError) as caught:
        build(raw, tmp_path / "out", allow_partial=True)
    lines = str(caught.value).splitlines()
    for mask, words in zip(
        masks,
        ("no 'groundtruth'; it holds labels", "received 59 (", "96x64x3", "not whole, such as", "as a .mat file"),
        strict=False,
    ):
        line = next(line for line in lines if mask.name in line)
        assert words in line


def test_doubles_that_are_whole_are_ids(raw: Path, tmp_path: Path) -> None:
    mask = raw / "annotations/pixel-level/0001.mat"
    scipy.io.savemat(mask, {"groundtruth": scipy.io.loadmat(mask)["groundtruth"].astype(float)})
    builder = build(raw, tmp_path / "out", allow_partial=True)
    assert builder.info.splits["train"].num_examples == 5


def test_the_message_for_a_short_split_names_the_missing(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"Split val: received 2 images, published are 100\. Missing: 0029, 0039"):
        build(drawn, tmp_path)


def test_another_list_of_classes_is_refused(raw: Path, tmp_path: Path) -> None:
    names = np.empty((1, 59), object)
    names[0] = [np.array(["bag" if name == "null" else name]) for name in CLASSES]
    scipy.io.savemat(raw / "label_list.mat", {"label_list": names})
    with pytest.raises(DatasetError, match=r"label_list\.mat .* Different: 0: 'bag' for 'null'"):
        Builder(data_dir=tmp_path).find(RawFolder(raw))


def test_two_photographs_with_the_same_number_are_problems(raw: Path) -> None:
    (raw / "photos/README.md").write_text("no photograph")
    first = min((raw / "photos").glob("*.jpg"))
    shutil.copy(first, raw / "photos" / f"{int(first.stem)}.jpg")
    shutil.copy(first, first.with_suffix(".png"))
    split = Builder(data_dir=raw, allow_partial=True).find(RawFolder(raw))[split_of(int(first.stem))]
    duplicates = [problem for problem in split.problems if problem.kind is Kind.DUPLICATE]
    assert {problem.file for problem in duplicates} == {f"photos/{first.stem}.png", f"photos/{int(first.stem)}.jpg"}
    assert first.stem not in {pair.id for pair in split.pairs} and first.stem in split.ids


def test_names_that_are_no_numbers_are_refused(raw: Path, tmp_path: Path) -> None:
    shutil.copy(raw / "photos" / "0001.jpg", raw / "photos" / "mine.jpg")
    with pytest.raises(DatasetError, match=r"such as 0001\. Received: photos/mine\.jpg"):
        Builder(data_dir=tmp_path).find(RawFolder(raw))


def test_the_downloaded_zip_file_is_read_in_place(raw: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "zips" / "clothing-co-parsing-master"), "zip", raw.parent, raw.name)
    builder = build(tmp_path / "zips", tmp_path / "out", allow_partial=True)
    assert builder.info.splits["train"].num_examples == 5


@pytest.mark.slow
def test_the_real_data(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "clothing-co-parsing").is_dir():
        pytest.skip("CCP is not among the real data")
    builder = build(real_data / "clothing-co-parsing", tmp_path, allow_partial=True)
    pairs = len(list((real_data / "clothing-co-parsing/annotations/pixel-level").glob("*.mat")))
    counts = {name: split.num_examples for name, split in builder.info.splits.items()}
    assert pairs >= 300 and counts == {"train": pairs * 8 // 10, "val": pairs // 10, "test": pairs // 10}
    assert json.loads((Path(builder.data_dir) / "audit.json").read_text(encoding="utf-8"))["problems"] == []
    example = next(iter(tfds.as_numpy(builder.as_dataset(split="val"))))
    assert example["image"].shape[:2] == example["label"].shape[:2] and example["label"].max() < 59
