"""Sample data: CamVid's layout, written atomically, the same from the same seed."""

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import sample_folder
from datasets.camvid import sample
from datasets.camvid.classes import SEGNET, VOID
from datasets.errors import DatasetError

SIZE = (48, 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "new" / "camvid"
    assert sample.write(out, count=14, seed=3, size=SIZE, dry_run=True) == {"train": 8, "val": 4, "test": 2}
    assert not out.parent.exists(), "a dry run writes nothing"
    assert sample.write(out, count=14, seed=3, size=SIZE) == {"train": 8, "val": 4, "test": 2}
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_layout_is_camvids(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        *SEGNET.sources,
        "train.txt",
        "val.txt",
        "test.txt",
        "sample.json",
    }
    for split, number in {"train": 8, "val": 4, "test": 2}.items():
        images = sorted(path.name for path in (folder / split).iterdir())
        assert len(images) == number
        assert images == sorted(path.name for path in (folder / f"{split}annot").iterdir())
        listed = [line.split() for line in (folder / f"{split}.txt").read_text().splitlines()]
        assert sorted(image.rsplit("/", 1)[1] for image, _ in listed) == images
        assert all(mask == image.replace(f"/{split}/", f"/{split}annot/") for image, mask in listed)
    assert "0001TP_000030.png" in {path.name for path in (folder / "train").iterdir()}


def test_files_are_rgb_images_and_masks_of_ids(folder: Path) -> None:
    ids = set()
    for mask_file in folder.glob("*annot/*.png"):
        image = Image.open(folder / mask_file.parent.name.removesuffix("annot") / mask_file.name)
        mask = Image.open(mask_file)
        assert (image.mode, mask.mode) == ("RGB", "L")
        assert image.size == mask.size == (SIZE[1], SIZE[0])
        ids |= set(np.unique(mask).tolist())
    assert ids == {*range(SEGNET.num_classes), VOID}


def test_no_scene_is_in_two_splits(folder: Path) -> None:
    names = [path.name for split in ("train", "val", "test") for path in (folder / split).iterdir()]
    assert (
        len(names)
        == len(set(names))
        == len({content for name, content in contents(folder).items() if "annot" not in name and name.endswith("png")})
    )


def test_a_scene_depends_only_on_seed_and_index(folder: Path) -> None:
    image, mask = sample.draw_scene(3, 9, SIZE)
    assert np.array_equal(np.asarray(Image.open(folder / "val" / f"{sample.scene_id(9)}.png")), image)
    assert np.array_equal(
        np.asarray(Image.open(folder / "valannot" / f"{sample.scene_id(9)}.png")), sample.merge_classes(mask)
    )
    assert not np.array_equal(sample.draw_scene(4, 9, SIZE)[0], image)


def test_the_same_call_again_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert sample.write(folder, count=14, seed=3, size=SIZE) == {"train": 8, "val": 4, "test": 2}
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert "already" in capsys.readouterr().out


def test_other_settings_are_refused_and_named(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"(?s)holds other sample data.*'seed': 3.*'seed': 4.*remove this one"):
        sample.write(folder, count=14, seed=4, size=SIZE)


def test_a_sample_with_a_lost_file_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    next((tmp_path / "copy" / "valannot").iterdir()).unlink()
    with pytest.raises(DatasetError, match=r"but incomplete:\nvalannot/: 3 of 4 files"):
        sample.write(tmp_path / "copy", count=14, seed=3, size=SIZE)


def test_foreign_content_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(DatasetError, match=str(tmp_path)):
        sample.write(tmp_path, count=3, seed=0, size=SIZE)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_a_damaged_stamp_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sample.json").write_text("{")
    with pytest.raises(DatasetError, match=r"sample\.json is damaged"):
        sample.write(tmp_path, count=3, seed=0, size=SIZE)


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_scene = sample.draw_scene

    def interrupt(seed: int, index: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        if index == 2:
            raise KeyboardInterrupt
        return draw_scene(seed, index, size)

    monkeypatch.setattr(sample, "draw_scene", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sample.write(tmp_path / "out", count=3, seed=0, size=SIZE)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(sample, "draw_scene", draw_scene)
    assert sample.write(tmp_path / "out", count=3, seed=0, size=SIZE) == {"train": 1, "val": 1, "test": 1}
    assert json.loads((tmp_path / "out" / "sample.json").read_text())["count"] == 3


def test_folders_of_killed_writers_are_removed_and_those_of_running_ones_kept(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    dead, alive = (tmp_path / f".out.{socket.gethostname()}-{pid}.partial" for pid in (ended.pid, os.getppid()))
    foreign = tmp_path / f".out.not-{socket.gethostname()}-{ended.pid}.partial"
    for folder in (dead, alive, foreign):
        (folder / "train").mkdir(parents=True)
    sample.write(tmp_path / "out", count=1, seed=0, size=SIZE)
    assert not dead.exists() and alive.exists() and foreign.exists()


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sample, "draw_scene", full)
    with pytest.raises(DatasetError, match="cannot be written: No space left on device"):
        sample.write(tmp_path / "out", count=1, seed=0, size=SIZE)
    assert list(tmp_path.iterdir()) == []


def test_the_current_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for out in (Path(), tmp_path):
        with pytest.raises(DatasetError, match=r"is the folder that you are in\. Name one in it"):
            sample.write(out, count=2, seed=0)
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    sample.write(tmp_path / "out", count=1, seed=0, size=SIZE)
    assert len(list((tmp_path / "out" / "train").iterdir())) == 1


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (1, {"train": 1}),
        (2, {"train": 1, "val": 1}),
        (3, {"train": 1, "val": 1, "test": 1}),
        (4, {"train": 2, "val": 1, "test": 1}),
        (14, {"train": 8, "val": 4, "test": 2}),
        (100, {"train": 60, "val": 25, "test": 15}),
    ],
)
def test_split_sizes(count: int, sizes: dict[str, int]) -> None:
    assert sample_folder.split_sizes(count) == sizes


@pytest.mark.parametrize("wrong", [{"count": 0}, {"seed": -1}, {"size": (8, 64)}])
def test_settings_out_of_range_are_refused(wrong: dict, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Received: count"):
        sample.write(tmp_path / "out", **{"count": 3, "seed": 0, "size": SIZE, **wrong})
    assert not (tmp_path / "out").exists()
