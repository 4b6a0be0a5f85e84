"""A linked folder is one line of the report; the JSON lists each of its files."""

import json
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from datasets.audit import Kind, Problem
from datasets.camvid.camvid_dataset_builder import Builder
from datasets.errors import DatasetError
from datasets.links import ADVICE, fold


def test_a_linked_folder_is_named_once_with_advice(raw: Path, tmp_path: Path) -> None:
    elsewhere = (raw / "train").rename(tmp_path / "elsewhere")
    (raw / "train").symlink_to(elsewhere)
    builder = Builder(data_dir=tmp_path / "out", allow_partial=True)
    with pytest.raises(DatasetError) as caught:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=raw, try_download_gcs=False)
        )
    lines = str(caught.value).splitlines()
    assert lines[:3] == [
        "camvid: 1 bad raw file. Nothing was written.",
        "leads out of the raw folder (1):",
        f"  train/: a link to {elsewhere}; behind it 6 files",
    ]
    assert lines[3] == ADVICE and len(ADVICE) <= 80
    problems = json.loads((tmp_path / "out/camvid.audit.json").read_text())["problems"]
    assert len(problems) == 6 and all(problem["file"].startswith("train/") for problem in problems)


def test_a_survey_reports_links_without_opening_files(raw: Path, tmp_path: Path) -> None:
    (raw / "val").rename(tmp_path / "elsewhere").joinpath("more.png").touch()
    (raw / "val").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError) as caught:
        Builder(data_dir=tmp_path, allow_partial=True).survey(raw)
    message = str(caught.value)
    assert f"val/: a link to {tmp_path / 'elsewhere'}; behind it 3 files" in message and ADVICE in message
    assert "image without mask (1):\n  val/more.png: no file valannot/more.*" in message
    assert Builder(data_dir=tmp_path, allow_partial=True, on_bad_input="quarantine").survey(raw) == {
        "train": 6,
        "val": 4,
    }


def test_the_topmost_link_is_named_and_links_inside_the_folder_are_ignored(tmp_path: Path) -> None:
    root, outside = tmp_path / "raw", tmp_path / "outside"
    (root / "here").mkdir(parents=True)
    (outside / "deeper").mkdir(parents=True)
    (outside / "more").symlink_to(tmp_path)
    (root / "within").symlink_to("here")
    (root / "a").mkdir()
    (root / "a" / "link").symlink_to(outside)
    files = ["a/link/1.png", "a/link/deeper/2.png", "a/link/more/3.png", "within/4.png", "5.png"]
    problems = [Problem(Kind.OUTSIDE, "train", file, "id") for file in files]
    other = Problem(Kind.EMPTY, "train", "a/link/6.png", "id")
    kept = fold(root, [*problems, other])
    assert [problem.file for problem in kept] == ["within/4.png", "5.png", "a/link/6.png", "a/link/"]
    assert kept[-1].detail == f"a link to {outside}; behind it 3 files"
