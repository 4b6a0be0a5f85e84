"""Digests depend on contents only, and no unchanged file is read twice."""

import errno
import json
import os
from pathlib import Path

import pytest

from pipeline.workspace import digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "raw/train").mkdir(parents=True)
    (tmp_path / "raw/train/a.png").write_bytes(b"a")
    (tmp_path / "raw/train/b.png").write_bytes(b"b")
    (tmp_path / "raw/notes.txt").write_text("not a source")
    return tmp_path / "raw"


def test_a_digest_depends_on_contents_and_not_on_place_or_time(folder: Path, tmp_path: Path) -> None:
    before = digest.digest(digest.manifest(folder, ["train", "test"]))
    folder.rename(tmp_path / "moved")
    os.utime(tmp_path / "moved/train/a.png", ns=(1, 1))
    (tmp_path / "moved/notes.txt").write_text("changed")
    assert digest.digest(digest.manifest(tmp_path / "moved", ["train", "test"])) == before


@pytest.mark.parametrize("change", ["write", "rename", "remove", "add"])
def test_every_change_of_a_source_changes_the_digest(folder: Path, tmp_path: Path, change: str) -> None:
    memory = tmp_path / "memory.json"
    before = digest.remembered(folder, ["train"], memory)
    file = folder / "train/a.png"
    if change == "write":
        file.write_bytes(b"c")
        os.utime(file, ns=(5, 5))
    elif change == "rename":
        file.rename(folder / "train/c.png")
    elif change == "remove":
        file.unlink()
    else:
        (folder / "train/c.png").write_bytes(b"c")
    assert digest.remembered(folder, ["train"], memory) != before


def test_an_unchanged_file_is_not_read_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "memory.json"
    before = digest.remembered(folder, ["train"], memory)
    (folder / "train/b.png").write_bytes(b"longer")
    read: list[str] = []
    real = digest.file_digest
    monkeypatch.setattr(digest, "file_digest", lambda path: read.append(path.name) or real(path))
    assert digest.remembered(folder, ["train"], memory) != before
    assert read == ["b.png"]


def test_an_unreadable_raw_file_is_recorded_and_read_again_later(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    sources, memory = (".",), tmp_path / "memory.json"
    with monkeypatch.context() as patch:
        patch.setattr(digest, "file_digest", refuse)
        recorded_digest = digest.remembered(folder, sources, memory)
        with pytest.raises(PermissionError):
            digest.manifest(folder, sources)
    assert {entry[2] for entry in json.loads(memory.read_text()).values()} == {digest.UNREADABLE}
    assert (
        digest.remembered(folder, sources, memory) == digest.digest(digest.manifest(folder, sources)) != recorded_digest
    )


@pytest.mark.parametrize("sources", [(".",), ("*",), ("train", "*/*", "*/*/*")])
def test_a_workspace_inside_a_folder_is_not_part_of_its_contents(folder: Path, sources: tuple[str, ...]) -> None:
    before = digest.manifest(folder, sources)
    (folder / "work/artifacts/train/1").mkdir(parents=True)
    for name in ("store.sqlite", "store.sqlite-wal", "artifacts/train/1/best.weights.h5"):
        (folder / "work" / name).write_text("")
    assert digest.manifest(folder, sources) == before
    assert digest.size(folder, sources) == sum(size for size, _, _ in before.values())
    assert len(digest.manifest(folder / "work")) == 3


def test_file_names_that_are_not_utf8_have_a_digest(tmp_path: Path) -> None:
    os.close(os.open(os.fsencode(tmp_path) + b"/caf\xe9.png", os.O_CREAT))
    memory = tmp_path.parent / "memory.json"
    assert digest.remembered(tmp_path, (".",), memory) == digest.remembered(tmp_path, (".",), memory)
