"""`segline reproduce RUN`: repeat a finished run in a workspace of its own, and compare the two.

On a CPU the same recipe, data, code and libraries give the same weights, bit by bit. A GPU adds in no fixed order, so
its metrics differ in the third decimal place.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config.recipe import Recipe
from pipeline.config.step_names import EVALUATE, EXPORT, GATE, INGEST, TRAIN
from pipeline.errors import UserError
from pipeline.lineage.diff import TOTALS, Change, locked_versions, metric_changes
from pipeline.lineage.history import Run, find_run, open_store, runs
from pipeline.orchestration import run_command
from pipeline.orchestration.graph import RAW, STEPS
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.workspace import digest, properties, run_folder
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store_file import read_json

LAST = EVALUATE
"""Last step that is repeated: export would promote."""

MEASURED_TIMES = ("history.json", "scalars.jsonl", "events", "speed.json", "audit.json")
"""Files that hold durations or dates, and so differ each time; they are not compared."""


@dataclass(frozen=True)
class Attempt:
    """A reproduction that is ready to run.

    Attributes:
        run: The original run, as recorded.
        recipe: Its recipe, with the original place of the raw files and the numbers that the training chose.
        until: Last step.
        workspace: Where it is repeated.
        changed: Code and libraries that have changed since, a line each.
    """

    run: Run
    recipe: Recipe
    until: str
    workspace: Workspace
    changed: list[str]


def prepare(workspace: Workspace, name: str, overrides: Sequence[str] = (), into: Path | None = None) -> Attempt:
    """Prepare the reproduction of a run; run nothing.

    Args:
        workspace: The workspace of the run.
        name: Name of the run, or an unambiguous beginning of it.
        overrides: Settings to change, in the form of --set: where the data lies, or the devices to train on.
        into: Workspace to repeat it in; None: one for this run, below `workspace`.

    Raises:
        UserError: There is no such run, it has no result, or its folder was removed.
    """
    run = find_run(workspace, name)
    folder = RunFolder.open(workspace, run.id)
    done = [step.name for step in STEPS if step.name in run.artifacts]
    if not done:
        raise UserError(f"Run {run.id} has no result to compare. Its state: {run.state}.")
    until = LAST if done[-1] in (GATE, EXPORT) else done[-1]
    recorded = [*_raw(workspace, run, folder.recipe()), *_chosen(workspace, run)]
    recipe = load_recipe(str(folder.path / "recipe.yaml"), [*recorded, *overrides])
    return Attempt(run, recipe, until, Workspace(into or _free(workspace, run.id)), _changed(run, folder.path))


def make(attempt: Attempt) -> RunFolder:
    """Run the steps and return the new run; after a kill, the same call resumes it.

    Raises:
        UserError: A step failed; its own message is printed.
    """
    # Without shared storage, which would return the original's results.
    target = replace(run_command.open_workspace(attempt.workspace.root), shared=None)
    code = run_command.bring_up_to_date(target, attempt.recipe, until=attempt.until, run_id=attempt.run.id)
    if code:
        raise UserError(f"The run could not be repeated: a step ended with exit code {code}. See {target.root}.")
    return RunFolder(target.run(attempt.run.id))


def compare(workspace: Workspace, attempt: Attempt, made: RunFolder) -> tuple[dict[str, bool | None], list[Change]]:
    """Compare the original run with its reproduction.

    Returns:
        {"train/weights.h5": True if the files are equal bit by bit, None if the original was removed}, and the metrics
        of both evaluations.
    """
    same: dict[str, bool | None] = {}
    for step in STEPS:
        if step.name in attempt.run.artifacts and (made.path / step.name).is_dir():
            before, now = workspace.root / attempt.run.artifacts[step.name], made.artifact(step.name)
            for file in step.writes:
                if file not in MEASURED_TIMES:
                    same[f"{step.name}/{file}"] = _equal(before / file, now / file) if before.is_dir() else None
    evaluated = (made.path / EVALUATE).is_dir()
    return same, metric_changes(attempt.run.figures, properties.of(made.artifact(EVALUATE))) if evaluated else []


def require_close(changes: Sequence[Change], tolerance: float) -> None:
    """Raise UserError if a total (TOTALS) differs by more than `tolerance`."""
    far = [
        f"  {name}: {one} then, {two} now"
        for name, one, two in changes
        if name in TOTALS and (one is None or two is None or abs(one - two) > tolerance) and one != two
    ]
    if far:
        raise UserError(f"Not reproduced: more than --tolerance {tolerance:g} apart:\n" + "\n".join(far))


def _raw(workspace: Workspace, run: Run, recipe: Recipe) -> list[str]:
    """Return the override for the recorded place of the raw files, if a relative path does not lead there from here."""
    if recipe.data.manual_dir.expanduser().is_dir():
        return []
    store = open_store(workspace)
    artifact = store.artifact(run.artifacts.get(INGEST, ""))
    producer = store.producer(artifact["id"]) if artifact else None
    uris = [row["uri"] for row in store.inputs(producer["id"]) if row["name"] == RAW] if producer else []
    store.close()
    return [f"data.manual_dir={workspace.root / uri}" for uri in uris if (workspace.root / uri).is_dir()]


def _chosen(workspace: Workspace, run: Run) -> list[str]:
    """Return overrides for what `train.batch_size: auto`, `train.precision: auto` and `train.budget` chose."""
    store = open_store(workspace)
    artifact = store.artifact(run.artifacts.get(TRAIN, ""))
    store.close()
    recorded = read_json(artifact["properties"]) if artifact else {}
    chosen = [f"train.{key}={recorded[key]}" for key in ("batch_size", "precision") if key in recorded]
    steps = [f"train.epochs={recorded['epochs']}", "train.budget=null"] if "epochs" in recorded else []
    return chosen + steps


def _free(workspace: Workspace, run_id: str) -> Path:
    """Return the first folder without a finished reproduction; an unfinished one is resumed."""
    names = itertools.chain([run_id], (f"{run_id}+{number}" for number in itertools.count(2)))
    workspaces = (Workspace(workspace.reproduction(name)) for name in names)
    return next(
        each.root for each in workspaces if not each.store.is_file() or all(run.state != "done" for run in runs(each))
    )


def _changed(run: Run, folder: Path) -> list[str]:
    code = run_folder.code_version()
    changed = [f"code {run.code} -> {code}"] if code != run.code else []
    if run.code.endswith(run_folder.CHANGED):
        changed.append("the run's code had uncommitted changes; code.diff in its folder holds them")
    then = locked_versions(folder)
    now = dict(line.split("==", 1) for line in run_folder.installed().splitlines())
    names = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return changed + [f"{name} {then.get(name, 'absent')} -> {now.get(name, 'absent')}" for name in names]


def _equal(one: Path, two: Path) -> bool:
    if one.is_file() and two.is_file():
        return digest.file_digest(one) == digest.file_digest(two)
    return digest.digest(digest.manifest(one)) == digest.digest(digest.manifest(two))
