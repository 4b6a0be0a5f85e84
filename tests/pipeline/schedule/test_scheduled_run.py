"""A slot's run: skipped if nothing has changed, recorded with its outcome."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config.recipe import Recipe
from pipeline.orchestration import follow_up, run_command, served_origin
from pipeline.orchestration.graph import RAW, Step
from pipeline.orchestration.runner import Runner
from pipeline.schedule import scheduled_run
from pipeline.storage import remote
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store


@dataclass(frozen=True)
class Copy(Step):
    """In place of all steps: copies the raw files."""

    error: Exception | None = field(default=None)

    @property
    def module(self) -> str:
        return "pipeline.steps"

    @property
    def run(self) -> Callable[[Recipe, dict[str, Path], Path], None]:
        def copy(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
            if self.error:
                raise self.error
            shutil.copytree(inputs["raw"], out / "records")

        return copy


@pytest.fixture
def nightly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., scheduled_run.ScheduledRun]:
    (tmp_path / "raw/train").mkdir(parents=True)
    (tmp_path / "raw/train/a").write_text("alpha")
    tree = {
        "data": {"name": "camvid", "manual_dir": str(tmp_path / "raw")},
        "model": {"name": "fast"},
        "train": {"epochs": 1, "batch_size": 1, "learning_rate": 1e-3},
        "schedule": {"cron": "30 2 * * *"},
    }
    (tmp_path / "nightly.yaml").write_text(yaml.safe_dump(tree))

    def make(*overrides: str, error: Exception | None = None) -> scheduled_run.ScheduledRun:
        step = Copy("ingest", ("data",), (RAW,), ("records",), error=error)

        def run(workspace: Workspace, recipe: Recipe, *, until: str | None, run_id: str) -> int:
            folder, store = RunFolder.create(workspace, recipe, ["test"], run_id), Store(workspace.store)
            store.begin_run(run_id, recipe.name, "test", "no git", "stepwise")
            Runner(workspace, recipe, folder, store, wait=True).execute(step, again=False)
            return 0

        monkeypatch.setattr(scheduled_run, "STEPS", (step,))
        monkeypatch.setattr(run_command, "bring_up_to_date", run)
        return scheduled_run.ScheduledRun(Workspace(tmp_path / "work"), str(tmp_path / "nightly.yaml"), overrides)

    return make


def test_a_slot_with_nothing_changed_makes_no_run(
    nightly: Callable[..., scheduled_run.ScheduledRun], tmp_path: Path
) -> None:
    runs = tmp_path / "work/runs"
    names: list[str] = []
    first = nightly()(0, names.append)
    assert first.state == "done" and names == [first.run] and len(list(runs.iterdir())) == 1
    assert nightly()(0, names.append).state == "unchanged" and len(list(runs.iterdir())) == 1
    assert (
        nightly("schedule.skip_if_unchanged=false")(0, names.append).state == "done" and len(list(runs.iterdir())) == 2
    )
    (tmp_path / "raw/train/b").write_text("new")
    outcome = nightly()(0, names.append)
    assert outcome.state == "done" and outcome.run and (runs / outcome.run).is_dir()


def test_a_slot_whose_upload_failed_is_not_unchanged(
    nightly: Callable[..., scheduled_run.ScheduledRun], storage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = storage.at("models")
    slot, names = nightly(f"export.url={url}"), list[str]()
    assert slot(0, names.append).state == "done"
    monkeypatch.setattr(follow_up, "AROUND", {"ingest": follow_up.Around(is_settled=follow_up.is_promoted)})
    artifact = RunFolder.open(slot.workspace, names[0]).artifact("ingest")
    origin = slot.workspace.serving / "nightly/1" / served_origin.ORIGIN
    origin.parent.mkdir(parents=True)
    origin.write_text(json.dumps({"export": slot.workspace.relative(artifact)}))
    (origin.parents[1] / remote.MARK).write_text("graph")
    assert slot(1, names.append).state == "done", "nothing is uploaded"
    storage.stop()
    assert slot(2, names.append).state == "done", "unreachable"
    storage.start()
    remote.publish(origin.parents[1], url)
    assert slot(3, names.append).state == "unchanged"


@pytest.mark.parametrize(("error", "code"), [(ValueError("a fault"), 1), (KeyboardInterrupt(), 130)])
def test_an_exception_becomes_an_outcome_and_an_interruption_is_raised(
    nightly: Callable[..., scheduled_run.ScheduledRun], error: Exception, code: int
) -> None:
    slot = nightly(error=error)
    if code == 130:
        with pytest.raises(KeyboardInterrupt):
            slot(0, print)
    else:
        outcome = slot(0, print)
        assert (outcome.state, outcome.code, outcome.reason) == ("failed", code, "ValueError: a fault")
