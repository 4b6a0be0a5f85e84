"""A finished workspace in a second: two runs of all six steps, by steps that write small files of the true names."""

import gc
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.camvid.classes import SPECS
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import EVALUATE, EXPORT, GATE, INGEST, TRAIN, VALIDATE
from pipeline.evaluation.confusion_metrics import summarise
from pipeline.evaluation.image_counts import FILE, ImageCounts
from pipeline.export import facts
from pipeline.lineage import reproduction
from pipeline.orchestration import follow_up, forecast, graph, run_command, runner
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.schedule import scheduled_run
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store
from tests.pipeline.orchestration.fake_step import FakeStep

SPEC = next(iter(SPECS.values()))
RECIPE = """
data: {{name: camvid, manual_dir: {raw}}}
model: {{name: fast}}
train: {{epochs: 1, batch_size: 1, learning_rate: 1e-3}}
schedule: {{cron: "30 2 * * *"}}
"""


def ingest(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    (out / "records").mkdir()
    (out / "records/train.tfrecord").write_bytes(bytes(range(256)) * 4)
    SPEC.write(out / "spec.json")
    (out / "audit.json").write_text('{"problems": []}')


def validate(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    (out / "statistics.json").write_text(json.dumps({"splits": {"train": {"images": 8}, "val": {"images": 8}}}))
    (out / "weights.json").write_text("{}")
    (out / "anomalies.json").write_text("[]")


def train(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    (out / "weights.h5").write_bytes(b"weights" * 100)
    (out / "history.json").write_text('[{"epoch": 1, "loss": 2.0, "miou": 0.25}]')
    (out / "scalars.jsonl").write_text("{}\n")
    (out / "events").mkdir(exist_ok=True)


def evaluate(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    confusion = np.eye(len(SPEC.classes), dtype=np.int64) * 50 + config.evaluate.overlays
    named = {"split": "val", "images": 8, "dataset": "camvid", "classes": list(SPEC.classes)}
    named |= {"intervals": {"confidence": 0.95, "figures": {"miou": [0.25, 0.75]}}}
    (out / "metrics.json").write_text(json.dumps({**named, **summarise(confusion, SPEC.classes)}))
    counts, hits = np.tile(confusion.sum(axis=1), (8, 1)), np.tile(np.diag(confusion), (8, 1))
    names = tuple(f"image{number}" for number in range(8))
    ImageCounts(names, ("one",) * 8, hits, counts, counts).write(out / FILE)
    (out / "speed.json").write_text("{}")
    for folder in ("pictures", "overlays"):
        (out / folder).mkdir()


def gate(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    (out / "verdict.json").write_text('{"passed": true, "checks": []}')


def export(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    (out / "saved_model").mkdir()
    (out / "saved_model/saved_model.pb").write_bytes(b"graph" * 50)
    facts.write(out / "saved_model", spec=SPEC, model=config.model, fit=None, metrics={"miou": 0.5}, signatures={})
    shutil.copyfile(inputs[EVALUATE] / FILE, out / "saved_model" / facts.FILE.with_name(FILE))
    for name in ("parity.json", "formats.json"):
        (out / name).write_text("[]")


WORK = {INGEST: ingest, VALIDATE: validate, TRAIN: train, EVALUATE: evaluate, GATE: gate, EXPORT: export}
STEPS = tuple(
    FakeStep(step.name, step.sections, step.reads, step.writes, step.resumes, work=WORK[step.name])
    for step in graph.STEPS
)


@dataclass(frozen=True)
class Finished:
    """A workspace, and the recipe that it was made by.

    Attributes:
        workspace: Runs `one` and `two`, whose evaluations differ; net/1 and net/2 are served.
        recipe: A YAML file; without other settings every result of run `one` is reused.
    """

    workspace: Workspace
    recipe: Path

    def copy(self, folder: Path) -> Workspace:
        """Copy the workspace, with the times of its files."""
        shutil.copytree(self.workspace.root, folder, symlinks=True)
        return Workspace(folder)

    def run(self, workspace: Workspace, run_id: str | None = None, **options: Any) -> int:
        """Run the recipe there, as `segline run` does."""
        settings = options.pop("settings", [])
        return run_command.bring_up_to_date(
            workspace, load_recipe(str(self.recipe), settings), run_id=run_id, **options
        )


def use_small_steps(patch: pytest.MonkeyPatch) -> None:
    """Have every command take the small steps, each in this process, without reports and checks of data."""
    for module in (runner, forecast, run_command, scheduled_run, reproduction):
        patch.setattr(module, "STEPS", STEPS)
    kept = follow_up.Around((), (follow_up.require_verdict,), (follow_up.promote,), follow_up.is_promoted)
    patch.setattr(follow_up, "AROUND", {EXPORT: kept})

    def run_child(
        run: RunFolder, workspace: Workspace, name: str, *, again: bool, verify: bool = False, **_: Any
    ) -> None:
        step = next(step for step in STEPS if step.name == name)
        store = Store(workspace.store)
        try:
            within = runner.Runner(workspace, run.recipe(), run, store, wait=True, verify=verify)
            within.execute(step, again=again)
        finally:
            store.close()

    patch.setattr(runner, "run_child", run_child)


def make(root: Path) -> Finished:
    """Make the workspace; the small steps must be in use."""
    (root / "raw/train").mkdir(parents=True)
    (root / "raw/train/a.png").write_bytes(b"a")
    (root / "net.yaml").write_text(RECIPE.format(raw=root / "raw"))
    made = Finished(Workspace(root / "work"), root / "net.yaml")
    made.workspace.root.mkdir()
    assert made.run(made.workspace, "one") == 0
    assert made.run(made.workspace, "two", settings=["evaluate.overlays=5"]) == 0
    gc.collect()  # closes the stores, so that SQLite leaves no files beside them
    return made
