"""`segline recover`: the store from the seals. And a workspace that may not be written."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.lineage import ancestry, history, rebuild, verification
from pipeline.orchestration import promotion
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store
from pipeline.workspace.store_file import StoreError
from tests.pipeline.finished import Finished

NOBODY = 65534
SHOWING = ("status", "runs", "lineage serving/net/2", "diff one two", "gc --dry-run", "recover --dry-run")


@pytest.fixture
def work(finished: Finished, tmp_path: Path) -> Workspace:
    return finished.copy(tmp_path / "work")


def truncate(store: Path) -> None:
    os.truncate(store, store.stat().st_size // 3)


def overwrite(store: Path) -> None:
    store.write_bytes(b"no database" * 1000)


def malform(store: Path) -> None:
    content = bytearray(store.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    store.write_bytes(content)


def empty(store: Path) -> None:
    store.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, overwrite, malform, empty])
def test_a_damaged_store_is_named_and_recovered(
    damage: Callable[[Path], None],
    work: Workspace,
    finished: Finished,
    small_steps: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {run.id: (run.artifacts, run.figures, run.served) for run in history.runs(work)}
    lines = [line for line in ancestry.lines(work, work.serving / "net/2") if "command" not in line]
    damage(work.store)
    for command in ("status", "runs", f"lineage {work.serving}/net/2", "gc --dry-run", f"run {finished.recipe}"):
        assert main([*command.split(), "--workspace", str(work.root)]) == 2, command
        shown = " ".join(capsys.readouterr().err.split())
        assert "store.sqlite is damaged" in shown and "segline recover" in shown
    assert main(["verify", str(work.root)]) == 2
    listing = sorted(path.name for path in work.root.iterdir())
    assert main(["recover", "--dry-run", "--workspace", str(work.root)]) == 0
    assert listing == sorted(path.name for path in work.root.iterdir())
    assert main(["recover", "--workspace", str(work.root)]) == 0
    number = len(list(work.root.glob("artifacts/*/*")))
    assert f"2 runs, {number} artifacts, 2 served models" in capsys.readouterr().out
    assert (work.root / "damaged-store-1/damaged.sqlite").is_file()
    assert {run.id: (run.artifacts, run.figures, run.served) for run in history.runs(work)} == before
    after = [line for line in ancestry.lines(work, work.serving / "net/2") if "command" not in line]
    assert after == lines
    verification.require_sound(list(verification.verify(work)))
    assert finished.run(work) == 0 and sorted(promotion.versions(work.serving / "net")) == [1, 2, 3]


def test_recover_completes_a_sound_store_and_changes_nothing_twice(
    work: Workspace, finished: Finished, small_steps: None
) -> None:
    for path in work.root.glob("store.sqlite*"):
        path.unlink()
    assert finished.run(work, "three") == 0  # writes a new store, which knows nothing of run `two`
    first = rebuild.recover(work, dry_run=False, wait=False)
    assert first.runs == ["one", "two"] and not first.aside and not first.damage
    assert "serving/net/2" in first.served
    again = rebuild.recover(work, dry_run=False, wait=False)
    assert not (again.runs or again.artifacts or again.served or again.skipped)
    verification.require_sound(list(verification.verify(work)))


def test_a_killed_recover_leaves_nothing_half_in_the_store(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    overwrite(work.store)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(rebuild._Rebuild, "_served", die)
        rebuild.recover(work, dry_run=False, wait=False)
    assert history.runs(work) == []
    assert rebuild.recover(work, dry_run=False, wait=False).runs == ["one", "two"]
    verification.require_sound(list(verification.verify(work)))


def test_recover_names_what_it_cannot_read(work: Workspace) -> None:
    seal = next(work.root.glob("artifacts/gate/*/artifact.json"))
    seal.write_text("{")
    shutil.rmtree(next(work.root.glob("artifacts/export/*")))
    overwrite(work.store)
    recovered = rebuild.recover(work, dry_run=False, wait=False)
    assert [str(seal.parent) in text for text in recovered.skipped] == [True]
    assert recovered.served == ["serving/net/1", "serving/net/2"]


@pytest.fixture
def locked(finished: Finished, tmp_path: Path) -> Iterator[Workspace]:
    """The workspace as one that may be read and not written, with changes that are still beside the store."""
    place = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users
    place.chmod(0o755)
    work = finished.copy(place / "work")
    store = Store(work.store)
    store.begin_run("late", "net", "", "", "running")
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{work.store}{suffix}", f"{tmp_path}/kept{suffix}")
    store.close()  # moves the changes into the file
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{tmp_path}/kept{suffix}", f"{work.store}{suffix}")
    for path in [work.root, *work.root.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
    yield work
    for path in [work.root, *work.root.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(place)


def test_a_workspace_of_another_user_that_may_not_be_written_is_shown(
    locked: Workspace, work: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _listing(locked.root)
    was_root = os.getuid() == 0
    monkeypatch.chdir(work.root)
    for command in SHOWING:  # imports what another user may not read
        assert main([*command.split(), "--workspace", "."]) == 0
    assert main(["verify", "."]) == 0
    capsys.readouterr()
    monkeypatch.chdir(locked.root)
    if was_root:
        os.setresuid(NOBODY, NOBODY, 0)
    try:
        for command in SHOWING:
            assert main([*command.split(), "--workspace", "."]) == 0, command
        shown = capsys.readouterr().out
        assert main(["verify", "."]) == 0
    finally:
        if was_root:
            os.setresuid(0, 0, 0)
    assert "late  killed" in shown and "mIoU" in shown and "made by   run one" in shown
    assert _listing(locked.root) == before


def test_a_damaged_store_that_may_not_be_written_is_named(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    overwrite(work.store)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    with pytest.raises(StoreError, match="not a database"):
        history.runs(work)


def _listing(root: Path) -> list[tuple[str, int]]:
    return sorted((path.as_posix(), path.lstat().st_mtime_ns) for path in root.rglob("*"))
