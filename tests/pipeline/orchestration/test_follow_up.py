"""The checks before a step and the actions after it."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.recipe import Recipe
from pipeline.config.step_names import EXPORT, GATE, STEP_NAMES
from pipeline.errors import GateError
from pipeline.orchestration import follow_up, forecast, runner
from pipeline.orchestration.graph import RAW, Step
from pipeline.orchestration.runner import Runner
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store

CHECKS = [
    {"check": "mIoU", "required": 0.9, "received": 0.5, "passed": False, "note": "", "bound": "at least"},
    {"check": "other", "required": 0.1, "received": 0.5, "passed": True, "note": "", "bound": "at least"},
]


@dataclass(frozen=True)
class FakeStep(Step):
    """A step that writes `files`; it is fingerprinted as an empty module."""

    files: dict[str, Any] = field(default_factory=dict)

    @property
    def module(self) -> str:
        return "pipeline.steps"

    @property
    def run(self) -> Any:
        def work(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
            for name, value in self.files.items():
                (out / name).write_text(json.dumps(value))

        return work


class Bench:
    """A workspace in which `run` executes fake gate and export steps as a new run."""

    def __init__(self, root: Path) -> None:
        self.raw = root / "raw"
        (self.raw / "train").mkdir(parents=True)
        self.workspace, self.runs = Workspace(root / "work"), 0
        self.store = Store(self.workspace.store)

    def recipe(self, **evaluate: Any) -> Recipe:
        return Recipe.model_validate(
            {
                "name": "fake",
                "data": {"name": "camvid", "manual_dir": self.raw},
                "evaluate": evaluate,
                "model": {"name": "fast"},
                "train": {"epochs": 1, "batch_size": 1, "learning_rate": 1},
            }
        )

    def run(self, *steps: Step, **evaluate: Any) -> None:
        self.runs += 1
        folder = RunFolder.create(self.workspace, self.recipe(**evaluate), ["test"], f"run{self.runs}")
        self.store.begin_run(folder.id, "fake", "test", "no git", "running")
        runner = Runner(self.workspace, folder.recipe(), folder, self.store, wait=True)
        for step in steps:
            runner.execute(step, again=False)

    def states(self) -> list[tuple[str, str]]:
        return [(row["step"], row["state"]) for row in self.store.executions(f"run{self.runs}")]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    quiet = {name: replace(entry, after=()) for name, entry in follow_up.AROUND.items()}
    monkeypatch.setattr(follow_up, "AROUND", quiet)
    return Bench(tmp_path)


def gate(*, passed: bool) -> Step:
    verdict = {"passed": passed, "checks": CHECKS if not passed else []}
    return FakeStep(GATE, ("evaluate",), (RAW,), ("verdict.json",), files={"verdict.json": verdict})


MODEL = FakeStep(EXPORT, ("export",), (RAW,), ("model",), files={"model": "weights"})


def test_a_failed_gate_stops_the_export_and_names_every_check(bench: Bench) -> None:
    with pytest.raises(GateError, match=r"mIoU: required at least 0\.9000, received 0\.5000") as error:
        bench.run(gate(passed=False), MODEL)
    assert "other" not in str(error.value)
    assert bench.states() == [(GATE, "done"), (EXPORT, "refused")]
    assert not (bench.workspace.root / "artifacts/export").exists()


def test_an_existing_export_is_not_reused_after_a_failed_gate(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run(gate(passed=True), MODEL)
    strict = {"min_miou": 0.9}
    with pytest.raises(GateError):
        bench.run(gate(passed=False), MODEL, **strict)
    assert bench.states() == [(GATE, "done"), (EXPORT, "refused")]
    steps = (gate(passed=False), MODEL)
    monkeypatch.setattr(forecast, "STEPS", steps)
    outlooks = forecast.forecast(bench.workspace, bench.recipe(**strict))
    assert [(outlook.step, outlook.action) for outlook in outlooks] == [(GATE, "reuse"), (EXPORT, "refuse")]
    assert "did not pass" in outlooks[-1].reason
    bench.run(gate(passed=True), MODEL)
    assert bench.states() == [(GATE, "reused"), (EXPORT, "reused")]


def test_early_checks_run_only_for_steps_that_will_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    first, second = (FakeStep(name, ("export",), (RAW,), ("file",), files={"file": 1}) for name in STEP_NAMES[:2])
    entry = follow_up.Around(foresee=((second.name, lambda context: seen.append(context.run.id)),))
    monkeypatch.setattr(follow_up, "AROUND", {first.name: entry})
    monkeypatch.setattr(runner, "STEPS", (first, second))
    steps = {step.name: step for step in (first, second)}

    def run_child(run: RunFolder, workspace: Workspace, step: str, **_: Any) -> None:
        Runner(workspace, run.recipe(), run, bench.store, wait=True).execute(steps[step], again=False)

    monkeypatch.setattr(runner, "run_child", run_child)
    for name, until in (("early", first.name), ("whole", None), ("again", None)):
        folder = RunFolder.create(bench.workspace, bench.recipe(), ["test"], name)
        bench.store.begin_run(name, "fake", "test", "no git", "running")
        rerun = frozenset({first.name} if name == "whole" else ())
        Runner(bench.workspace, folder.recipe(), folder, bench.store, wait=True).run_all(until, rerun)
    assert seen == ["whole"]  # "early" ends before the step, and "again" reuses it


def test_the_table_names_only_steps() -> None:
    assert set(follow_up.AROUND) <= set(STEP_NAMES)
