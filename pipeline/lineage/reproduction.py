"""`segline reproduce RUN`: make a finished run anew, in a workspace of its own, and compare the two.

On a CPU the same recipe, data, code and libraries give the same weights, bit by bit. A GPU adds in no fixed order, so
that figures differ in the third decimal place.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config import recipe_file as recipes
from pipeline.config.recipe import Recipe
from pipeline.errors import UserError
from pipeline.lineage.diff import TOTALS, Change, figures, lock
from pipeline.lineage.history import Run, find, open_store, runs
from pipeline.orchestration import run_command
from pipeline.orchestration.graph import RAW, STEPS
from pipeline.workspace import digest, properties, run_folder
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder

LAST = "evaluate"
"""Last step that is made anew: export would promote."""

MEASURED_TIMES = ("history.json", "scalars.jsonl", "events", "speed.json", "audit.json")
"""What says how long something took, or when it was, differs each time."""


@dataclass(frozen=True)
class Attempt:
    """A run that is to be made anew.

    Attributes:
        run: The run as it is recorded.
        recipe: Its recipe, with the raw files looked for where they were, and the batch size that was found.
        until: Last step.
        workspace: Where it is made anew.
        changed: Code and libraries that are not what they were.
    """

    run: Run
    recipe: Recipe
    until: str
    workspace: Workspace
    changed: list[str]


def prepare(workspace: Workspace, name: str, overrides: Sequence[str] = (), into: Path | None = None) -> Attempt:
    """Read what a run was made of.

    Args:
        workspace: Where the run is.
        name: Of the run, or the beginning of it.
        overrides: Settings that must be others here, as for --set: where the data lies, or on what to train.
        into: Workspace to make it in; None: one for this run, below `workspace`.

    Raises:
        UserError: The run is not known, has made nothing, or its folder was removed.
    """
    run = find(workspace, name)
    folder = RunFolder.open(workspace, run.id)
    done = [step.name for step in STEPS if step.name in run.artifacts]
    if not done:
        raise UserError(f"Run {run.id} has made nothing that could be compared. Its state: {run.state}.")
    until = LAST if done[-1] == "export" else done[-1]
    known = [*_raw(workspace, run, folder.recipe()), *_batch_size(workspace, run)]
    recipe = recipes.load(str(folder.path / "recipe.yaml"), [*known, *overrides])
    return Attempt(run, recipe, until, Workspace(into or _free(workspace, run.id)), _changed(run, folder.path))


def make(attempt: Attempt) -> RunFolder:
    """Run it. Killed, the same call goes on from there.

    Raises:
        UserError: A step ended badly; it has said why.
    """
    # Without shared storage, which would hand out the run's own results.
    target = replace(run_command.open_workspace(attempt.workspace.root), shared=None)
    code = run_command.bring_up_to_date(target, attempt.recipe, until=attempt.until, run_id=attempt.run.id)
    if code:
        raise UserError(
            f"The run could not be made anew: a step ended with exit code {code}. It lies in {target.root}."
        )
    return RunFolder(target.run(attempt.run.id))


def compare(workspace: Workspace, attempt: Attempt, made: RunFolder) -> tuple[dict[str, bool | None], list[Change]]:
    """Hold the two runs against each other.

    Returns:
        {"train/weights.h5": whether it is bit by bit the same; None where the original is no longer there}, and the
        figures of both evaluations.
    """
    same: dict[str, bool | None] = {}
    for step in STEPS:
        if step.name in attempt.run.artifacts and (made.path / step.name).is_dir():
            before, now = workspace.root / attempt.run.artifacts[step.name], made.artifact(step.name)
            for file in step.writes:
                if file not in MEASURED_TIMES:
                    same[f"{step.name}/{file}"] = _equal(before / file, now / file) if before.is_dir() else None
    evaluated = (made.path / "evaluate").is_dir()
    return same, figures(attempt.run.figures, properties.of(made.artifact("evaluate"))) if evaluated else []


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
    """Where the raw files were: a relative path meant the folder in which the command was given."""
    if recipe.data.manual_dir.expanduser().is_dir():
        return []
    store = open_store(workspace)
    artifact = store.artifact(run.artifacts.get("ingest", ""))
    producer = store.producer(artifact["id"]) if artifact else None
    found = [row["uri"] for row in store.inputs(producer["id"]) if row["name"] == RAW] if producer else []
    store.close()
    return [f"data.manual_dir={workspace.root / uri}" for uri in found if (workspace.root / uri).is_dir()]


def _batch_size(workspace: Workspace, run: Run) -> list[str]:
    """Give the number that `train.batch_size: auto` came to, where the recipe says so."""
    store = open_store(workspace)
    artifact = store.artifact(run.artifacts.get("train", ""))
    store.close()
    found = json.loads(artifact["properties"]) if artifact else {}
    return [f"train.batch_size={found['batch_size']}"] if "batch_size" in found else []


def _free(workspace: Workspace, run_id: str) -> Path:
    """A place that holds no finished reproduction; an unfinished one is gone on with."""
    number = 1
    while True:
        place = workspace.reproduction(run_id if number == 1 else f"{run_id}+{number}")
        store = place / "store.sqlite"
        if not store.is_file() or all(run.state != "done" for run in runs(Workspace(place))):
            return place
        number += 1


def _changed(run: Run, folder: Path) -> list[str]:
    code = run_folder.code_version()
    said = [f"code {run.code} -> {code}"] if code != run.code else []
    if run.code.endswith(run_folder.CHANGED):
        said.append("the code was not what its commit says; code.diff in the run's folder has the rest")
    then = lock(folder)
    now = dict(line.split("==", 1) for line in run_folder.installed().splitlines())
    names = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return said + [f"{name} {then.get(name, 'absent')} -> {now.get(name, 'absent')}" for name in names]


def _equal(one: Path, two: Path) -> bool:
    if one.is_file() and two.is_file():
        return digest.file_digest(one) == digest.file_digest(two)
    return digest.digest(digest.manifest(one)) == digest.digest(digest.manifest(two))
