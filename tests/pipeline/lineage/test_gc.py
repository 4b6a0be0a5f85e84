"""What gc removes, keeps and prints, and what a kill leaves; what verify reports."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.config import recipe_file
from pipeline.config.recipe import Recipe
from pipeline.errors import UserError
from pipeline.export import facts
from pipeline.lineage import gc, history, verification
from pipeline.orchestration import promotion
from pipeline.workspace import digest, lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import SEAL, read_seal
from pipeline.workspace.store import Store
from tests.pipeline.sealed import EMPTY, seal

CHAIN = ("ingest", "train", "export")


class Bench:
    """A workspace in which runs publish small artifacts by name."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.store = Store(self.workspace.store)

    def run(self, name: str, *, promote: bool = False, **shared: str) -> RunFolder:
        """Record a run whose steps made an artifact each, or used that of the run `shared[step]`."""
        run = RunFolder(self.workspace.run(name))
        run.path.mkdir(parents=True)
        (run.path / "recipe.yaml").write_text("name: x\n")
        self.store.begin_run(name, "recipe", "segline run", "git 0", "running")
        below: Path | None = None
        for step in CHAIN:
            folder = self.workspace.root / "artifacts" / step / shared.get(step, name)
            if not folder.exists():
                self.publish(run, step, folder, below)
            run.link(step, folder)
            below = folder
        self.store.end_run(name, "done")
        if promote:
            assert below
            came_from = {"export": self.uri(below), "train": self.uri(run.artifact("train")), "run": name}
            with lock.hold(self.workspace.serving / "net" / ".lock", name, wait=True, on_wait=print):
                served = promotion.publish(self.workspace, "net", below / "saved_model", came_from)
            promotion.record(self.workspace, self.store, served, name, "promote", "test", below)
        return run

    def publish(self, run: RunFolder, step: str, folder: Path, below: Path | None) -> None:
        execution = self.store.begin(run.id, step, "test", folder.name, json.dumps(EMPTY))
        if below:
            self.store.link(
                execution, "input", below.parent.name, below.parent.name, self.uri(below), read_seal(below)["digest"]
            )
        (folder / "saved_model/assets.extra").mkdir(parents=True)
        (folder / "saved_model/saved_model.pb").write_bytes(f"{step} {folder.name}".encode() * 1000)
        (folder / "saved_model" / facts.FILE).write_text("{}")
        self.store.finish(execution, step, self.uri(folder), seal(folder, run=run.id, execution=execution))

    def move(self, folder: str, to: Path) -> None:
        """Move a folder of the workspace to another disk, and leave a link in its place."""
        shutil.move(self.workspace.root / folder, to)
        (self.workspace.root / folder).symlink_to(to)

    def uri(self, path: Path) -> str:
        return self.workspace.relative(path)

    def gc(self, keep_last: int = 1, **options: bool) -> gc.Waste:
        return gc.gc(
            self.workspace,
            **{"keep_last": keep_last, "keep_promoted": False, "dry_run": False, "wait": False} | options,
        )  # type: ignore[arg-type]

    def artifacts(self) -> set[str]:
        return {self.uri(path) for path in self.workspace.root.glob("artifacts/*/*")}

    def runs(self) -> list[str]:
        return sorted(path.name for path in self.workspace.root.glob("runs/*"))

    def require_sound(self) -> None:
        verification.require_sound(list(verification.verify(self.workspace)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "work")


def test_old_runs_are_removed_without_what_a_kept_one_shares_with_them(bench: Bench) -> None:
    bench.run("a")
    bench.run("b", ingest="a")
    bench.require_sound()
    waste = bench.gc()
    assert bench.artifacts() == {"artifacts/ingest/a", "artifacts/train/b", "artifacts/export/b"}
    assert bench.runs() == ["a", "b"]  # a made the records that b trained on, and its recipe records how
    assert {path.name for path in waste.links} == {"train", "export"}
    bench.require_sound()
    listed = {run.id: run for run in history.runs(bench.workspace)}
    assert listed["a"].artifacts["train"] == "artifacts/train/a"  # the store still lists it


@pytest.mark.parametrize("keep", [False, True])
def test_what_a_served_model_needs_is_never_removed(keep: bool, bench: Bench) -> None:
    bench.run("a", ingest="0")
    bench.run("b", promote=True)
    for name in "cd":
        bench.run(name)
    bench.gc(keep_promoted=keep)
    assert bench.artifacts() == {f"artifacts/{step}/{name}" for step in CHAIN for name in "bd"}
    assert bench.runs() == ["b", "d"]
    served = bench.workspace.serving / "net/1"
    assert (served / "saved_model.pb").is_file()
    bench.run("e", promote=True)
    promotion.rollback(bench.workspace, "net", bench.store)
    bench.require_sound()


def test_a_dry_run_returns_the_same_and_removes_nothing(bench: Bench) -> None:
    bench.run("a")
    bench.run("b")
    before = bench.artifacts()
    planned = bench.gc(dry_run=True)
    assert bench.artifacts() == before and bench.runs() == ["a", "b"]
    lines = gc.lines(bench.workspace, planned, dry_run=True)
    assert "artifact   artifacts/train/a" in lines and "run        runs/a" in lines
    done = bench.gc()
    assert done == planned
    held = sum(path.stat().st_size for path in bench.workspace.root.rglob("*.pb"))
    assert planned.bytes > held * 0.9  # as much as what is left of the other run


def test_a_file_that_serving_shares_frees_nothing(bench: Bench) -> None:
    bench.run("a", promote=True)
    export = bench.workspace.root / "artifacts/export/a"
    assert gc._freed([export]) < (export / "saved_model/saved_model.pb").stat().st_size
    assert (export / "saved_model/saved_model.pb").stat().st_nlink == 2


def test_cached_shards_of_removed_records_are_removed_and_no_others(bench: Bench) -> None:
    cache = bench.workspace.cache("ingest", "code")
    cache.mkdir(parents=True)
    for name in "ab":
        bench.run(name)
        (cache / name).hardlink_to(bench.workspace.root / f"artifacts/ingest/{name}/saved_model/saved_model.pb")
    (cache / "of an interrupted ingest").write_text("may be resumed")
    planned = bench.gc(dry_run=True)
    assert planned.cached == (cache / "a",) and (cache / "a").exists()
    assert "cache      1 files that they share" in gc.lines(bench.workspace, planned, dry_run=True)
    before = _used(bench.workspace.root / "artifacts", cache)
    bench.gc()
    assert sorted(path.name for path in cache.iterdir()) == ["b", "of an interrupted ingest"]
    freed = before - _used(bench.workspace.root / "artifacts", cache)
    assert 0 <= planned.bytes - freed < 100  # the run's recipe


def _used(*folders: Path) -> int:
    files = [path.stat() for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sum({status.st_ino: status.st_size for status in files}.values())


def test_abandoned_partial_folders_are_removed_and_held_and_resumable_ones_stay(bench: Bench) -> None:
    run = bench.run("a")
    bench.store.begin(run.id, "train", "", "mine", "{}")
    parts = {name: bench.workspace.partial("train", name) for name in ("dead", "living", "mine")}
    for folder in parts.values():
        folder.mkdir()
    with lock.hold(bench.workspace.lock("train", "living"), "x", wait=False, on_wait=print):
        bench.gc()
    assert {name for name, folder in parts.items() if folder.exists()} == {"living", "mine"}


def test_gc_refuses_during_a_run(bench: Bench) -> None:
    bench.run("a")
    with lock.share(bench.workspace.in_use), pytest.raises(lock.LockHeldError, match="at work"):
        bench.gc()
    with pytest.raises(UserError, match="--keep-last must be at least 1"):
        bench.gc(0)


@pytest.mark.parametrize("command", ["run", "step ingest --run new"])
def test_a_run_holds_the_workspace_before_it_has_a_folder(
    command: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder without a row in the store is the first that gc removes."""
    bench.run("a")
    monkeypatch.setattr(RunFolder, "create", lambda *_: bench.gc())
    name, *options = command.split()
    recipe = ["demo", "--set", f"data.manual_dir={tmp_path}", "--workspace", str(bench.workspace.root)]
    assert main([name, *options[:1], *recipe, *options[1:]]) == 2
    assert "A run is at work in this workspace" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["promote artifacts/export/a --name net", "rollback net"])
def test_a_model_that_is_being_promoted_is_not_removed(
    command: str, bench: Bench, tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        run = bench.run(name, promote=name != "a")
        digest.write_atomically(run.path / "recipe.yaml", recipe_file.dump(tiny_recipe))
    monkeypatch.setattr(promotion, "record", lambda *_: bench.gc())
    assert main([*command.split(), "--workspace", str(bench.workspace.root)]) == 2
    assert "A run is at work in this workspace" in capsys.readouterr().err


def test_a_kill_during_removal_leaves_nothing_that_looks_complete(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(folder: Path) -> None:
        next(folder.rglob("*.pb")).unlink()
        raise KeyboardInterrupt

    bench.run("a")
    bench.run("b")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", die)
        bench.gc()
    assert (
        bench.workspace.complete("export", "a") is None
        or (bench.workspace.root / "artifacts/export/a/saved_model/saved_model.pb").is_file()
    )
    bench.gc()
    assert not list(bench.workspace.root.rglob(f"{gc.HIDDEN}*"))
    bench.require_sound()


@pytest.mark.parametrize("place", ["artifacts/train/a", "artifacts/train/dead.partial", "runs/a", "reproduced/a"])
def test_what_a_killed_gc_left_is_removed_before_its_name_is_used_again(place: str, bench: Bench) -> None:
    bench.run("a")
    bench.run("b")
    folder = bench.workspace.root / place
    for path in (folder, folder.with_name(gc.HIDDEN + folder.name)):
        path.mkdir(parents=True, exist_ok=True)
        (path / "file").touch()
    (folder / "file").unlink()
    bench.gc()
    assert not folder.exists() and not list(bench.workspace.root.rglob(f"{gc.HIDDEN}*"))
    bench.require_sound()


def test_a_result_that_was_made_again_after_a_killed_gc_stays_in_the_store(bench: Bench) -> None:
    bench.run("a")
    (bench.workspace.root / f"artifacts/train/{gc.HIDDEN}a").mkdir()
    bench.gc()
    bench.require_sound()


def test_damage_is_named(bench: Bench) -> None:
    bench.run("a", promote=True)
    bench.require_sound()
    root = bench.workspace.root
    flipped = root / "artifacts/train/a/saved_model/saved_model.pb"
    flipped.write_bytes(b"x" + flipped.read_bytes()[1:])
    served = root / "serving/net/1/saved_model.pb"
    served.unlink()
    (root / "serving/net/1/extra").touch()
    (root / "artifacts/export/a" / SEAL).write_text("{")
    shutil.rmtree(root / "artifacts/ingest/a")
    with pytest.raises(UserError) as error:
        bench.require_sound()
    for line in (
        "artifacts/train/a: saved_model/saved_model.pb is damaged",
        "serving/net/1: saved_model.pb is missing",
        "serving/net/1: extra was added",
        f"artifacts/export/a: {SEAL} is damaged",
        "artifacts/ingest/a: is not there",
        "runs/a/ingest: is a broken link",
    ):
        assert line in str(error.value)


@pytest.mark.parametrize("folder", ["artifacts", "artifacts/train", "serving"])
def test_a_folder_on_another_disk_counts_as_the_workspaces(bench: Bench, tmp_path: Path, folder: str) -> None:
    bench.run("a", promote=True)
    bench.move(folder, tmp_path / "big")
    bench.run("b")
    bench.run("c")
    bench.gc()
    kept = {f"artifacts/{step}/{run}" for step in CHAIN for run in ("a", "c")}
    assert {
        path.relative_to(bench.workspace.root).as_posix() for path in bench.workspace.root.glob("artifacts/*/*")
    } == kept
    assert bench.artifacts() == kept and not any(finding.problems for finding in verification.verify(bench.workspace))
