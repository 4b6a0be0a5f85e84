"""`segline sweep`: run a recipe with every combination of some settings, one run a combination.

Runs share the steps that their settings do not change: data is ingested and validated once. A sweep ends with evaluate
and promotes nothing; after an interruption the same command resumes it.
"""

import hashlib
import itertools
import os
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from datasets.errors import ConversionError, DatasetError
from models.errors import ModelError
from pipeline.analysis import sweep_table
from pipeline.cluster.members import is_helper
from pipeline.config import recipe_file
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import EVALUATE
from pipeline.errors import Interrupted, UserError, WorkerLost
from pipeline.evaluation import evaluation_check, metric_names
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.orchestration.run_command import bring_up_to_date
from pipeline.workspace import json_file
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder

LAST_STEP = EVALUATE


@dataclass(frozen=True)
class Member:
    """One combination: its settings as written, {"train.learning_rate": "1e-3"}, and the recipe with them."""

    settings: dict[str, str]
    recipe: Recipe

    @property
    def name(self) -> str:
        """The settings in one line."""
        return " ".join(f"{key}={value}" for key, value in self.settings.items())


@dataclass(frozen=True)
class Result:
    """The result of a member: its run, state (done, failed or waiting), metrics of its evaluation, or error."""

    settings: dict[str, str]
    run: str | None
    state: str
    figures: dict[str, float | None]
    error: str | None = None


def members(recipe: str, overrides: Sequence[str], grids: Sequence[str]) -> list[Member]:
    """Return every combination of the grids, the last one varying fastest.

    >>> [member.name for member in members("demo", [], ["train.epochs=8,16"])]
    ['train.epochs=8', 'train.epochs=16']

    Args:
        recipe: Name or path.
        overrides: Settings in the form of --set.
        grids: "key=a,b,..." each; a comma inside brackets or quotes belongs to the value.

    Raises:
        UserError: A grid is not of that form, or some combinations are invalid; all of them are listed.
    """
    axes = [_axis(grid) for grid in grids]
    keys = [key for key, _ in axes]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise UserError(f"--grid: {', '.join(repeated)} is given more than once. Write all its values in one --grid.")
    combinations, problems = [], []
    for values in itertools.product(*(values for _, values in axes)):
        settings = dict(zip(keys, values, strict=True))
        try:
            loaded = load_recipe(recipe, [*overrides, *(f"{key}={value}" for key, value in settings.items())])
            combinations.append(Member(settings, loaded))
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))
    return combinations


def require_metric(chosen: Sequence[Member], by: str) -> None:
    """Check before any training that every member's evaluation can have the metric `by`. Raises UserError."""
    for member in chosen:
        try:
            spec = member.recipe.data.spec()
        except DatasetError:
            continue  # its ingest reports what is wrong with the layout
        if problems := evaluation_check.metric_problems([by], member.recipe.evaluate, spec, key="--by"):
            raise UserError("\n".join(problems))


def run(workspace: Workspace, chosen: Sequence[Member], *, by: str) -> int:
    """Run the members one after the other; one that fails does not stop the others.

    Writes results.json and results.csv to sweeps/<id>/ after each member, and prints them at the end, the best first.
    Of several workers, only the chief writes and prints; the others take part in each member's training.

    Args:
        workspace: Where results go.
        chosen: Return value of `members`.
        by: Metric that orders the members, named as for the gate (pipeline/evaluation/metric_names.py).

    Returns:
        0, or 1 if a member failed.

    Raises:
        UserError: `by` is no metric of an evaluation; or all members have run, and none has it.
    """
    require_metric(chosen, by)
    if any(is_helper(member.recipe.train.strategy, os.environ) for member in chosen):
        return max(_help(workspace, member) for member in chosen)
    folder = workspace.root / "sweeps" / _identity(chosen)
    folder.mkdir(parents=True, exist_ok=True)
    results = [Result(member.settings, None, "waiting", {}) for member in chosen]
    for number, member in enumerate(chosen):
        print(f"\nsweep     {number + 1} of {len(chosen)}: {member.name}", flush=True)
        results[number] = _run_one(workspace, member)
        _write(folder, results, by)
    print("\n" + "\n".join(sweep_table.lines([asdict(result) for result in results], by)))
    print(f"\nresults   {folder / 'results.csv'}\ncompare   segline tensorboard --workspace {workspace.root}")
    _require_reported(results, by)
    return 1 if any(result.state == "failed" for result in results) else 0


def _help(workspace: Workspace, member: Member) -> int:
    """Take part in a member's run as a worker that is not the chief. Return 0, or 1 if it failed."""
    try:
        code = bring_up_to_date(workspace, member.recipe, until=LAST_STEP)
    except WorkerLost as error:
        print(f"segline: {error}", flush=True)
        return 1
    if code == Interrupted.exit_code:
        raise KeyboardInterrupt
    return 1 if code else 0


def _run_one(workspace: Workspace, member: Member) -> Result:
    name = workspace.new_run_id(member.recipe.name)
    try:
        code = bring_up_to_date(workspace, member.recipe, until=LAST_STEP, run_id=name)
    except (UserError, DatasetError, ModelError, ConversionError) as error:
        if isinstance(error, Interrupted):
            raise
        print(f"segline: {error}", flush=True)
        return Result(member.settings, name, "failed", {}, str(error))
    except Exception as error:  # of any kind: the other members still run
        traceback.print_exc()
        return Result(member.settings, name, "failed", {}, f"{type(error).__name__}: {error}")
    if code == Interrupted.exit_code:
        raise KeyboardInterrupt
    if code:
        return Result(member.settings, name, "failed", {}, f"a step ended with exit code {code}; see its run's log.txt")
    metrics = json_file.read(RunFolder.open(workspace, name).artifact(LAST_STEP) / "metrics.json")
    return Result(member.settings, name, "done", metric_names.flat(metrics))


def _require_reported(results: Sequence[Result], by: str) -> None:
    """Raise UserError if members are done and none of them has the metric `by`, such as that of a group."""
    done = [result for result in results if result.state == "done"]
    if done and all(result.figures.get(by) is None for result in done):
        names = dict.fromkeys(name for result in done for name, value in result.figures.items() if value is not None)
        raise UserError(f"--by: no member has the metric {by!r}. Allowed: {', '.join(names)}.")


def _write(folder: Path, results: Sequence[Result], by: str) -> None:
    rows = sweep_table.ordered([asdict(result) for result in results], by)
    json_file.write(folder / "results.json", rows)
    (folder / "results.csv").write_text(sweep_table.to_csv(rows), encoding="utf-8")


def _identity(chosen: Sequence[Member]) -> str:
    """Return the name of a sweep, the same for the same members."""
    text = "\n".join(recipe_file.dump(member.recipe) for member in chosen)
    return f"{chosen[0].recipe.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _axis(grid: str) -> tuple[str, list[str]]:
    key, equals, text = grid.partition("=")
    values = [value.strip() for value in _split(text)]
    if not equals or not key.strip() or not all(values):
        raise UserError(f"--grid must be KEY=A,B,..., such as train.learning_rate=1e-3,3e-3. Received: {grid!r}.")
    return key.strip(), values


def _split(text: str) -> list[str]:
    """Split at the commas outside of brackets and quotation marks."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
