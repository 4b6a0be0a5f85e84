"""The whole conversion: what is refused, what is left out, what is written."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from datasets import labels, tfrecord
from datasets.audit import Kind
from datasets.camvid.camvid_dataset_builder import Builder
from datasets.camvid.classes import SPECS
from datasets.errors import DatasetError

COUNTS = {"train": 6, "val": 3}
PROJECT = Path(__file__).parents[2]


def convert(raw: Path, data_dir: Path, *, num_shards: int | None = None, **options: object) -> Builder:
    builder = Builder(data_dir=data_dir, **{"allow_partial": True, **options})
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=raw, num_shards=num_shards, try_download_gcs=False)
    )
    return builder


def refusal(raw: Path, data_dir: Path, **options: object) -> str:
    """Return the message with which a conversion is refused; it must leave no records."""
    with pytest.raises(DatasetError) as caught:
        convert(raw, data_dir, **options)
    assert not list(data_dir.rglob("*tfrecord*")) and not list(data_dir.rglob("dataset_info.json"))
    return str(caught.value)


def damage(raw: Path) -> dict[str, Kind]:
    """Make one bad file of each kind, and return them; one good pair of train and two of val remain."""
    images, masks, val = (sorted((raw / name).iterdir()) for name in ("train", "trainannot", "val"))
    images[0].write_bytes(images[0].read_bytes()[:-100])
    Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(masks[1])
    Image.fromarray(np.zeros((24, 31), np.uint8)).save(masks[2])
    Image.fromarray(np.full((24, 32), 12, np.uint8)).save(masks[3])
    images[4].write_text("<html>404</html>")
    masks[4].write_bytes(b"")
    val[0].unlink()
    shutil.copy(val[1], raw / "val" / "extra.png")
    shutil.copy(val[1], val[1].with_suffix(".jpg"))
    outside = shutil.copy(images[5], raw.parent / "secret.png")
    (raw / "train" / "link.png").symlink_to("nowhere")
    (raw / "train" / "outside.png").symlink_to(outside)
    Image.new("L", (1000, 1000)).save(raw / "train" / "vast.png")
    os.mkfifo(raw / "train" / "pipe.png")
    for name in ("link", "outside", "vast", "pipe", "flipped"):
        shutil.copy(masks[5], raw / "trainannot" / f"{name}.png")
    shutil.copy(images[5], raw / "train" / "flipped.png")
    flip_a_bit(raw / "trainannot" / "flipped.png")
    shutil.copy(images[5], os.fsencode(raw / "train") + b"/caf\xe9.png")
    for name in ("notes.txt", "Thumbs.db", ".DS_Store"):
        (raw / "train" / name).write_text("not an image")
    return {
        f"train/{images[0].name}": Kind.DAMAGED,
        f"trainannot/{masks[1].name}": Kind.MASK_CHANNELS,
        f"trainannot/{masks[2].name}": Kind.MASK_SIZE,
        f"trainannot/{masks[3].name}": Kind.LABEL_RANGE,
        f"train/{images[4].name}": Kind.NOT_AN_IMAGE,
        f"trainannot/{masks[4].name}": Kind.EMPTY,
        f"valannot/{val[0].name}": Kind.WITHOUT_IMAGE,
        "val/extra.png": Kind.WITHOUT_MASK,
        f"val/{val[1].name}": Kind.DUPLICATE,
        "train/link.png": Kind.UNREADABLE,
        "train/pipe.png": Kind.UNREADABLE,
        "trainannot/flipped.png": Kind.DAMAGED,
        "train/caf\\xe9.png": Kind.NAME,
        "train/outside.png": Kind.OUTSIDE,
        "train/vast.png": Kind.TOO_LARGE,
    }


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_every_bad_file_is_in_one_message(raw: Path, tmp_path: Path) -> None:
    bad = damage(raw)
    of_other_datasets = {Kind.DEPTH, Kind.MASK_DIMENSIONS, Kind.MASK_KEY, Kind.PAGES, Kind.BANDS, Kind.ORIENTATION}
    of_other_datasets |= {Kind.PALETTE, Kind.ANNOTATION, Kind.CROSSING}
    assert set(bad.values()) == set(Kind) - of_other_datasets - {Kind.STRAY}
    message = refusal(raw, tmp_path / "out", num_shards=2, max_pixels=999_999)
    assert message.startswith("camvid: 15 bad raw files. Nothing was written.")
    first = {}
    for file, kind in sorted(bad.items()):
        assert f"\n{kind} ({list(bad.values()).count(kind)}): {first.setdefault(kind, file)}" in message, file
    assert len(message.splitlines()) <= 20
    assert "ingest.on_bad_input=quarantine" in message
    report = tmp_path / "out" / "camvid.audit.json"
    assert message.endswith(f"Every one of them: {report}")
    facts = json.loads(report.read_text(encoding="utf-8"))
    assert {problem["file"]: problem["kind"] for problem in facts["problems"]} == bad
    details = {problem["kind"]: problem["detail"] for problem in facts["problems"]}
    assert details[Kind.MASK_SIZE] == "mask 24x31, image 24x32"
    assert details[Kind.LABEL_RANGE] == "received 12 (768 px); allowed 0..11"
    assert facts["passed_over"] == ["train/notes.txt"]


def test_a_mask_of_three_dimensions_is_named(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "from_ids", lambda content, table: np.zeros((24, 32, 3), np.uint8))
    assert "mask is not two-dimensional (9):\n  trainannot/A_train0.png: shape 24x32x3" in refusal(
        raw, tmp_path / "out"
    )


def test_quarantine_leaves_bad_files_out_and_lists_them(raw: Path, tmp_path: Path) -> None:
    bad = damage(raw)
    builder = convert(raw, tmp_path / "out", on_bad_input="quarantine", num_shards=6, max_pixels=999_999)
    facts = json.loads((Path(builder.data_dir) / "audit.json").read_text(encoding="utf-8"))
    assert {problem["file"]: problem["kind"] for problem in facts["problems"]} == bad
    assert facts["splits"] == {"train": {"found": 11, "written": 1}, "val": {"found": 4, "written": 1}}
    ids = [example["id"] for example in tfds.as_numpy(builder.as_dataset(split="train"))]
    assert ids == [b"B_train5"]


def test_quarantine_refuses_to_leave_a_split_empty(raw: Path, tmp_path: Path) -> None:
    for path in (raw / "val").iterdir():
        path.write_bytes(b"")
    message = refusal(raw, tmp_path / "out", on_bad_input="quarantine")
    assert "No good example is left of: val." in message and "val/A_val0.png" in message


def test_a_data_set_without_any_pair_is_refused(raw: Path, tmp_path: Path) -> None:
    for folder in ("train", "val"):
        for path in (raw / folder).iterdir():
            path.unlink()
    assert "mask without image (9):" in refusal(raw, tmp_path / "out")


def test_a_short_split_names_what_is_missing(raw: Path, tmp_path: Path) -> None:
    message = refusal(raw, tmp_path / "out", allow_partial=False)
    assert "Split train: received 6 images, published are 367. Missing: 0001TP_006690, 0001TP_006720, " in message
    assert " and 347 more." in message
    assert "Split val: received 3 images, published are 101." in message
    assert "data.allow_partial=true" in message


def test_a_split_of_the_right_size_with_another_image_is_refused(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Builder, "SPECS", {"segnet": replace(SPECS["segnet"], split_sizes=COUNTS)})
    ids = {split: frozenset(path.stem for path in (raw / split).iterdir()) for split in COUNTS}
    ids["train"] = ids["train"] - {"A_train0"} | {"12", "9"}
    monkeypatch.setattr(Builder, "published_ids", lambda self, split: ids[split])
    message = refusal(raw, tmp_path / "out", allow_partial=False)
    assert "Split train: received 6 images, published are 6. Missing: 9, 12. Not published: A_train0." in message
    assert "Split val" not in message


def test_the_message_for_a_missing_raw_folder_says_what_it_should_hold(tmp_path: Path) -> None:
    message = refusal(tmp_path / "none", tmp_path / "out")
    assert str(tmp_path / "none") in message and "trainannot/" in message


def test_records_hold_what_the_files_hold(raw: Path, tmp_path: Path) -> None:
    builder = convert(raw, tmp_path / "out", num_shards=2)
    version = Path(builder.data_dir)
    version = version.rename(tmp_path / "records")
    reader = tfds.builder_from_directory(version)
    assert {name: split.shard_lengths for name, split in reader.info.splits.items()} == {"train": [4, 2], "val": [0, 3]}
    decoders = {"image": tfds.decode.SkipDecoding()}
    examples = list(tfds.as_numpy(reader.as_dataset(split="val", decoders=decoders)))
    assert {example["id"] for example in examples} == {b"A_val0", b"B_val1", b"A_val2"}
    for example in examples:
        name = example["id"].decode()
        assert example["image"] == (raw / "val" / f"{name}.png").read_bytes()
        mask = np.asarray(Image.open(raw / "valannot" / f"{name}.png"))
        np.testing.assert_array_equal(example["label"][..., 0], np.where(mask == 11, 255, mask))
        assert (example["group"].decode(), example["height"], example["width"]) == (name[0], 24, 32)


def test_no_temporary_folder_is_left(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    convert(raw, tmp_path / "out")
    assert not list((tmp_path / "temporary").iterdir())


def test_no_written_file_contains_the_path(raw: Path, tmp_path: Path) -> None:
    builder = convert(raw, tmp_path / "out")
    for path in Path(builder.data_dir).iterdir():
        assert str(tmp_path).encode() not in path.read_bytes(), path.name


def test_a_full_disk_is_one_clear_message(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(path: Path, records: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(tfrecord, "write", write)
    message = refusal(raw, tmp_path / "out")
    assert message.startswith(f"No space left for the records of camvid in {tmp_path / 'out'}: ")


def test_a_disk_without_space_is_refused_before_anything_is_written(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    monkeypatch.setattr(tfrecord, "write", lambda path, records: pytest.fail("began to write"))
    assert "No space left for the records of camvid" in refusal(raw, tmp_path / "out")


def test_an_unknown_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"camvid has no configuration 'segnit' .* Allowed: segnet"):
        Builder(data_dir=tmp_path, config="segnit")


def test_another_file_format_is_refused(raw: Path, tmp_path: Path) -> None:
    assert "must be tfrecord" in refusal(raw, tmp_path / "out", file_format="riegeli")


@pytest.mark.slow
def test_the_tfds_command_line_builds_it(real_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlcroissant", reason="the tfds command line needs mlcroissant: pip install -e '.[tfds]'")
    command = [sys.executable, "-m", "tensorflow_datasets.scripts.cli.main", "build", "camvid/segnet"]
    command += ["--imports=datasets.camvid.camvid_dataset_builder", f"--manual_dir={real_data / 'CamVid'}"]
    subprocess.run([*command, f"--data_dir={tmp_path}"], cwd=PROJECT, check=True, capture_output=True)
    info = tfds.builder_from_directory(tmp_path / "camvid/segnet/1.0.0").info
    assert {name: split.num_examples for name, split in info.splits.items()} == {"train": 367, "val": 101}
