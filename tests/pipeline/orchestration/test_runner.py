"""The runner, with steps that only write a file: reuse, reasons, atomic publishing, and recovery from a crash."""

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config.evaluate import EvaluateConfig
from pipeline.config.recipe import Recipe
from pipeline.errors import UserError
from pipeline.evaluation import evaluation_check
from pipeline.lineage import ancestry, status
from pipeline.orchestration import recovery
from pipeline.orchestration.error_advice import as_user_error
from pipeline.orchestration.graph import RAW, Step
from pipeline.orchestration.runner import Runner
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import SEAL, read_seal
from pipeline.workspace.store import Store
from tests.pipeline.orchestration.fake_step import FakeStep

PROJECT = Path(__file__).parents[3]


def copy_raw(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    (out / "records").write_text("".join(path.read_text() for path in sorted(inputs["raw"].glob("train/*"))))


def count(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    (out / "size").write_text(str(len((inputs["ingest"] / "records").read_text())))


INGEST = FakeStep("ingest", ("data",), (RAW,), ("records",), work=copy_raw)
VALIDATE = FakeStep("validate", ("validate",), ("ingest",), ("size",), work=count)


class Bench:
    """A workspace and a raw folder; `run` executes steps as a new run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.raw = root / "raw"
        (self.raw / "train").mkdir(parents=True)
        (self.raw / "train/a").write_text("alpha")
        self.workspace = Workspace(root / "work")
        self.store = Store(self.workspace.store)
        self.runs = 0

    def run(self, *steps: Step, again: bool = False, **overrides: str) -> RunFolder:
        recipe = Recipe.model_validate(
            {
                "name": "fake",
                "data": {"name": "camvid", "manual_dir": self.raw},
                "validate": overrides,
                "model": {"name": "fast"},
                "train": {"epochs": 1, "batch_size": 1, "learning_rate": 1},
            }
        )
        self.runs += 1
        folder = RunFolder.create(self.workspace, recipe, ["test"], f"run{self.runs}")
        self.store.begin_run(folder.id, "fake", "test", "no git", "stepwise")
        runner = Runner(self.workspace, recipe, folder, self.store, wait=True)
        for step in steps:
            runner.execute(step, again=again)
        return folder

    def states(self) -> list[tuple[str, str]]:
        rows = self.store.executions(f"run{self.runs}")
        return [(row["step"], row["state"]) for row in rows]

    def reason(self) -> str:
        return self.store.executions(f"run{self.runs}")[-1]["reason"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_unchanged_results_are_reused(bench: Bench) -> None:
    first = bench.run(INGEST, VALIDATE)
    second = bench.run(INGEST, VALIDATE)
    assert bench.states() == [("ingest", "reused"), ("validate", "reused")]
    assert first.artifact("validate") == second.artifact("validate")


def test_a_changed_raw_file_runs_the_steps_that_depend_on_it(bench: Bench) -> None:
    bench.run(INGEST, VALIDATE)
    (bench.raw / "train/a").write_text("alpha beta")
    folder = bench.run(INGEST, VALIDATE)
    assert bench.states() == [("ingest", "done"), ("validate", "done")]
    assert bench.reason() == "ingest has other contents"
    assert (folder.artifact("validate") / "size").read_text() == "10"


def test_a_changed_setting_runs_only_its_own_step(bench: Bench) -> None:
    bench.run(INGEST, VALIDATE)
    bench.run(INGEST, VALIDATE, all_void_mask="error")
    assert bench.states() == [("ingest", "reused"), ("validate", "done")]
    assert bench.reason() == 'validate.all_void_mask "warning" -> "error"'


def test_a_step_whose_inputs_are_rebuilt_with_equal_contents_is_reused(bench: Bench) -> None:
    bench.run(INGEST, VALIDATE)
    bench.run(INGEST, again=True)
    bench.run(INGEST, VALIDATE)
    assert bench.states() == [("ingest", "reused"), ("validate", "reused")]


def test_a_moved_workspace_and_moved_raw_files_are_reused(bench: Bench) -> None:
    bench.run(INGEST, VALIDATE)
    bench.store.close()
    bench.workspace.root.rename(bench.root / "moved")
    bench.raw = bench.raw.rename(bench.root / "raw2")
    bench.workspace = Workspace(bench.root / "moved")
    bench.store = Store(bench.workspace.store)
    bench.run(INGEST, VALIDATE)
    assert bench.states() == [("ingest", "reused"), ("validate", "reused")]


def test_rerun_keeps_the_older_artifact(bench: Bench) -> None:
    first = bench.run(INGEST).artifact("ingest")
    second = bench.run(INGEST, again=True).artifact("ingest")
    assert second.name == f"{first.name}-2"
    assert (first / SEAL).is_file()
    assert bench.run(INGEST).artifact("ingest") == second


def test_rerun_neither_reads_nor_clears_a_shared_cache(bench: Bench) -> None:
    received = []

    def work(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
        received.append(inputs)
        copy_raw(config, inputs, out)

    ingest = replace(INGEST, cached=True, work=work)
    first = bench.run(ingest)
    kept = received[0]["cache"] / "of-another.tfrecord"
    kept.parent.mkdir(parents=True)
    kept.touch()
    second = bench.run(ingest, again=True)
    assert received[1]["fresh_cache"] == received[0]["cache"] and "cache" not in received[1] and kept.exists()
    assert [inputs["refusal"] for inputs in received] == [first.path / "audit.json", second.path / "audit.json"]


def test_a_failed_step_publishes_nothing_and_says_why(bench: Bench) -> None:
    def half(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
        (out / "records").write_text("half")
        raise UserError("train/a: is no image")

    failing = FakeStep("ingest", ("data",), (RAW,), ("records",), work=half)
    with pytest.raises(UserError, match="is no image"):
        bench.run(failing)
    assert bench.states() == [("ingest", "failed")]
    assert list((bench.workspace.root / "artifacts/ingest").iterdir()) == []
    assert any("is no image" in line for line in status.lines(bench.workspace, 1))
    bench.run(INGEST)
    assert bench.states() == [("ingest", "done")]


def test_partial_results_of_a_killed_step_are_removed_and_those_of_a_running_one_kept(bench: Bench) -> None:
    dead, living = (bench.workspace.partial("validate", key) for key in ("dead", "living"))
    resumable = bench.workspace.partial("train", "dead")
    for folder in (dead, living, resumable):
        folder.mkdir(parents=True)
    with lock.hold(bench.workspace.lock("validate", "living"), "run", wait=False, on_wait=print):
        recovery.remove_partial(bench.workspace)
    assert (dead.exists(), living.exists(), resumable.exists()) == (False, True, True)


def test_a_step_that_does_not_write_every_output_is_not_published(bench: Bench) -> None:
    with pytest.raises(RuntimeError, match="without writing records"):
        bench.run(FakeStep("ingest", ("data",), (RAW,), ("records",)))
    assert bench.states() == [("ingest", "failed")]


def test_the_train_step_checks_the_evaluation_settings_first(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(ingest: Path, settings: EvaluateConfig) -> None:
        assert (ingest / "records").read_text() == "alpha" and settings.split == "val"
        raise UserError("evaluate.gate: there is no such metric")

    monkeypatch.setattr(evaluation_check, "require", refuse)
    with pytest.raises(UserError, match="no such metric"):
        bench.run(INGEST, VALIDATE, FakeStep("train", ("train",), ("ingest",), ("size",), work=count))
    assert bench.states() == [("ingest", "done"), ("validate", "done")]


def test_a_full_disk_is_a_user_error(bench: Bench) -> None:
    def full(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError) as caught:
        bench.run(FakeStep("ingest", ("data",), (RAW,), ("records",), work=full))
    error = as_user_error(caught.value, bench.root)
    assert isinstance(error, UserError) and "is full" in str(error) and "MB free" in str(error)
    assert any("is full" in line for line in status.lines(bench.workspace, 1))
    assert as_user_error(ValueError("other"), bench.root).args == ("other",)


def test_a_resumed_step_starts_from_its_partial_folder(bench: Bench) -> None:
    def count_up(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
        seen = len(list(out.iterdir()))
        (out / f"try{seen}").touch()
        if seen < 2:
            raise UserError("not yet")

    step = FakeStep("ingest", ("data",), (RAW,), ("try2",), resumes=True, work=count_up)
    for _ in range(2):
        with pytest.raises(UserError):
            bench.run(step)
    assert (bench.run(step).artifact("ingest") / "try2").is_file()


def test_a_kill_between_seal_and_rename_does_not_list_the_seal_as_a_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    step = FakeStep("ingest", ("data",), (RAW,), ("records",), resumes=True, work=copy_raw)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", die)
        bench.run(step)
    (partial,) = bench.workspace.root.glob("artifacts/ingest/*.partial")
    assert (partial / SEAL).is_file()
    (partial / f".{SEAL}.1").touch()  # of a kill while it was written
    artifact = bench.run(step).artifact("ingest")
    assert list(read_seal(artifact)["files"]) == ["records"] and not list(artifact.glob(".*"))


def test_a_kill_between_rename_and_record_is_repaired_by_the_next_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Store, "finish", die)
        bench.run(INGEST)
    folder = bench.run(INGEST)
    assert bench.states() == [("ingest", "reused")]
    lines = ancestry.lines(bench.workspace, folder.artifact("ingest"))
    assert any("made by   run run1" in line for line in lines)


def test_a_deleted_store_does_not_invalidate_results(bench: Bench) -> None:
    bench.run(INGEST, VALIDATE)
    bench.store.close()
    for path in bench.workspace.root.glob("store.sqlite*"):
        path.unlink()
    bench.store = Store(bench.workspace.store)
    folder = bench.run(INGEST, VALIDATE)
    assert [state for _, state in bench.states()] == ["done", "reused", "done", "reused"]
    lines = ancestry.lines(bench.workspace, folder.artifact("validate"))
    assert any(line.strip().startswith("raw") for line in lines)


def test_an_interrupted_rerun_resumes(bench: Bench) -> None:
    def count_up(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
        seen = len(list(out.iterdir()))
        (out / f"try{seen}").touch()
        if seen < 1:
            raise UserError("not yet")

    step = FakeStep("ingest", ("data",), (RAW,), ("try1",), resumes=True, work=count_up)
    for _ in range(2):
        with pytest.raises(UserError):
            bench.run(step, again=True)
        bench.run(step, again=True)


KILLED = """
import sys, time
from pathlib import Path
sys.path[:0] = [{project!r}, {tests!r}]
from test_runner import Bench, FakeStep, RAW
bench = Bench.__new__(Bench)
bench.__dict__.update({{}})
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store
root = Path({root!r})
bench.root, bench.raw, bench.runs = root, root / "raw", 7
bench.workspace = Workspace(root / "work")
bench.store = Store(bench.workspace.store)
def slow(config, inputs, out):
    (out / "records").write_text("half")
    print("half", flush=True)
    time.sleep(60)
bench.run(FakeStep("ingest", ("data",), (RAW,), ("records",), work=slow))
"""


def test_after_kill_9_the_same_command_completes_the_run(bench: Bench) -> None:
    code = KILLED.format(project=str(PROJECT), tests=str(Path(__file__).parent), root=str(bench.root))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "half\n"
    assert any("running" in line for line in status.lines(bench.workspace, 1))
    process.send_signal(signal.SIGKILL)
    process.wait()
    recovery.mark_killed(bench.workspace, bench.store)
    assert [row["state"] for row in bench.store.executions("run8")] == ["killed"]
    folder = bench.run(INGEST)
    assert (folder.artifact("ingest") / "records").read_text() == "alpha"
    assert [path.name for path in (bench.workspace.root / "artifacts/ingest").iterdir()] == [
        folder.artifact("ingest").name
    ]


def test_lineage_reaches_the_raw_files(bench: Bench) -> None:
    folder = bench.run(INGEST, VALIDATE)
    text = "\n".join(ancestry.lines(bench.workspace, folder.artifact("validate") / "size"))
    seal = json.loads((folder.artifact("ingest") / SEAL).read_text())
    assert text.startswith("validate  artifacts/validate/")
    assert f"raw  {bench.raw}" in text
    assert seal["digest"] in text and seal["fingerprint"]["inputs"]["raw"] in text
    with pytest.raises(UserError, match="does not list"):
        ancestry.lines(bench.workspace, bench.root / "nowhere")
