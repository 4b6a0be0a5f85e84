"""`segline sweep`: a recipe with every combination of some settings, each one a run of its own.

Members share what their settings leave the same, as all runs do: data is ingested and validated once. A sweep ends
with evaluate and promotes nothing; the same command goes on where it was stopped.
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
from pipeline.cluster.members import helps
from pipeline.config import recipe_file as recipes
from pipeline.config.recipe import Recipe
from pipeline.errors import Interrupted, UserError, WorkerLost
from pipeline.evaluation import evaluation_check, metric_names
from pipeline.orchestration.run_command import bring_up_to_date
from pipeline.workspace import json_file
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder

LAST_STEP = "evaluate"


@dataclass(frozen=True)
class Member:
    """One combination: its settings as written, {"train.learning_rate": "1e-3"}, and the recipe they make."""

    settings: dict[str, str]
    recipe: Recipe

    @property
    def name(self) -> str:
        """The settings in one line."""
        return " ".join(f"{key}={value}" for key, value in self.settings.items())


@dataclass(frozen=True)
class Result:
    """What became of a member: its run, `done`, `failed` or `waiting`, the figures of its evaluation, or its error."""

    settings: dict[str, str]
    run: str | None
    state: str
    figures: dict[str, float | None]
    error: str | None = None


def members(recipe: str, overrides: Sequence[str], grids: Sequence[str]) -> list[Member]:
    """Make every combination of the grids, the last one varying fastest.

    Args:
        recipe: Name or path.
        overrides: As of --set.
        grids: "key=a,b,..." each; a comma inside brackets or quotes belongs to the value.

    Raises:
        UserError: A grid is not of that form, or combinations are not allowed; all of them are listed.
    """
    axes = [_axis(grid) for grid in grids]
    keys = [key for key, _ in axes]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise UserError(f"--grid: {', '.join(twice)} is given more than once. Write all its values in one --grid.")
    found, problems = [], []
    for values in itertools.product(*(values for _, values in axes)):
        chosen = dict(zip(keys, values, strict=True))
        try:
            loaded = recipes.load(recipe, [*overrides, *(f"{key}={value}" for key, value in chosen.items())])
            found.append(Member(chosen, loaded))
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))
    return found


def require_figure(chosen: Sequence[Member], by: str) -> None:
    """Raise UserError where a member's evaluation can never have the figure `by`: to train first would be late."""
    for member in chosen:
        try:
            spec = member.recipe.data.spec()
        except DatasetError:
            continue  # its ingest says what is wrong with the layout
        if problems := evaluation_check.figure_problems([by], member.recipe.evaluate, spec, key="--by"):
            raise UserError("\n".join(problems))


def run(workspace: Workspace, chosen: Sequence[Member], *, by: str) -> int:
    """Run the members one after the other; one that fails does not stop the others.

    Of several workers the chief writes and prints, and the others help it with each member.

    Writes results.json and results.csv to sweeps/<id>/ after each member, and prints them, the best first.

    Args:
        workspace: Where.
        chosen: See `members`.
        by: The figure that orders them, as the gate names it; see figure_names.

    Returns:
        0, or 1 if a member failed.

    Raises:
        UserError: `by` is no figure of an evaluation, or, once all have run, of none of these.
    """
    require_figure(chosen, by)
    if any(helps(member.recipe.train.strategy, os.environ) for member in chosen):
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
    _require_told(results, by)
    return 1 if any(result.state == "failed" for result in results) else 0


def _help(workspace: Workspace, member: Member) -> int:
    """Do this worker's part of a member; give 0, or 1 if it failed."""
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
    except Exception as error:  # whatever it is, the other members have a right to run
        traceback.print_exc()
        return Result(member.settings, name, "failed", {}, f"{type(error).__name__}: {error}")
    if code == Interrupted.exit_code:
        raise KeyboardInterrupt
    if code:
        return Result(member.settings, name, "failed", {}, f"a step ended with exit code {code}; see its run's log.txt")
    metrics = json_file.read(RunFolder.open(workspace, name).artifact(LAST_STEP) / "metrics.json")
    return Result(member.settings, name, "done", metric_names.flat(metrics))


def _require_told(results: Sequence[Result], by: str) -> None:
    """Raise UserError where members are done and none of them has the figure `by`, such as that of a group."""
    done = [result for result in results if result.state == "done"]
    if done and all(result.figures.get(by) is None for result in done):
        there = dict.fromkeys(name for result in done for name, value in result.figures.items() if value is not None)
        raise UserError(f"--by: no member has the figure {by!r}. Figures that there are: {', '.join(there)}.")


def _write(folder: Path, results: Sequence[Result], by: str) -> None:
    told = sweep_table.ordered([asdict(result) for result in results], by)
    json_file.write(folder / "results.json", told)
    (folder / "results.csv").write_text(sweep_table.csv(told), encoding="utf-8")


def _identity(chosen: Sequence[Member]) -> str:
    """Name of a sweep: the same members, the same name."""
    text = "\n".join(recipes.dump(member.recipe) for member in chosen)
    return f"{chosen[0].recipe.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _axis(grid: str) -> tuple[str, list[str]]:
    key, equals, text = grid.partition("=")
    values = [value.strip() for value in _split(text)]
    if not equals or not key.strip() or not all(values):
        raise UserError(f"--grid must be KEY=A,B,..., such as train.learning_rate=1e-3,3e-3. Received: {grid!r}.")
    return key.strip(), values


def _split(text: str) -> list[str]:
    """Cut at the commas that no bracket or quotation mark surrounds."""
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
