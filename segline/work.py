"""Run recipes and sweeps as the command line does, and return what they made."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.commands import require_workspace
from segline.errors import Error, sentences
from segline.runs import Run, Sweep, folder_of
from segline.tables import Table

if TYPE_CHECKING:
    from pipeline.workspace.run_folder import RunFolder

Location = str | os.PathLike[str]


def run(
    recipe: Location,
    settings: Mapping[str, Any],
    workspace: Location | None,
    *,
    until: str | None,
    rerun: Sequence[str],
    wait: bool,
    verify: bool,
) -> Run:
    """Run a recipe; see `segline.run`."""
    _require_steps(until, rerun)
    root, overrides = folder_of(workspace), overrides_of(settings)
    with sentences(root):
        from pipeline.errors import Interrupted
        from pipeline.orchestration.recipe_loader import load_recipe
        from pipeline.orchestration.run_command import bring_up_to_date, open_workspace
        from pipeline.workspace.run_folder import RunFolder

        loaded = load_recipe(os.fspath(recipe), overrides)
        place = open_workspace(root)
        name = place.new_run_id(loaded.name)
        code = bring_up_to_date(
            place,
            loaded,
            until=until,
            rerun=frozenset(rerun),
            wait=wait,
            verify=verify,
            run_id=name,
            command=_command(recipe, overrides, root, until, rerun),
        )
        if code == Interrupted.exit_code:
            raise KeyboardInterrupt
        if code:
            raise Error(_reason(RunFolder.open(place, name), code), code, Run(name, workspace=workspace))
    return Run(name, workspace=workspace)


def _reason(folder: "RunFolder", code: int) -> str:
    """Return why a run ended with this exit code; after a verdict the log also holds the metrics."""
    from pipeline.config.step_names import GATE
    from pipeline.errors import GateError
    from pipeline.evaluation import gate
    from pipeline.workspace import json_file

    try:
        if code == GateError.exit_code:
            gate.require_passed(json_file.read(folder.artifact(GATE) / "verdict.json"))
    except GateError as error:
        return str(error)
    return folder.last_error()


def runs(workspace: Location | None) -> Table:
    """List runs; see `segline.runs`."""
    from pipeline.console.terminal import when

    root = folder_of(workspace)
    with sentences(root):
        require_workspace(root)
        from pipeline.lineage import history
        from pipeline.workspace.layout import Workspace

        rows = []
        for one in history.runs(Workspace(root)):
            facts = {"run": one.id, "recipe": one.recipe, "state": one.state, "started": when(one.started)}
            rows.append({**facts, "miou": one.figures.get("miou"), "served": ", ".join(one.served)})
    return Table(rows, "Runs, newest first")


def sweep(
    recipe: Location,
    values: Mapping[str, Sequence[Any]],
    settings: Mapping[str, Any],
    by: str,
    workspace: Location | None,
    *,
    sample: int | None,
    seed: int,
    halving: int | None,
) -> Sweep:
    """Run a sweep; see `segline.sweep`."""
    _require_at_least({"sample": (sample, 1), "halving": (halving, 2)})
    root = folder_of(workspace)
    axes = [f"{key}={_axis(given)}" for key, given in values.items()]
    with sentences(root):
        from pipeline.analysis import grid, sweep_table
        from pipeline.orchestration.run_command import open_workspace
        from pipeline.workspace import json_file

        members = grid.members(os.fspath(recipe), overrides_of(settings), axes, sample=sample, seed=seed)
        place = open_workspace(root)
        grid.run(place, members, by=by, factor=halving)
        results = sweep_table.ordered(json_file.read(grid.folder_of(place, members) / "results.json"), by)
    rows = [
        {**one["settings"], by: one["figures"].get(by), "state": one["state"], "run": one["run"], "error": one["error"]}
        for one in results
    ]
    return Sweep(rows, by, root)


def overrides_of(settings: Mapping[str, Any]) -> list[str]:
    """Return settings in the form of --set.

    >>> overrides_of({"train.epochs": 5, "evaluate.min_miou": None, "input.augment.crop": (64, 64)})
    ['train.epochs=5', 'evaluate.min_miou=null', 'input.augment.crop=[64, 64]']
    """
    return [f"{key}={_text(value)}" for key, value in settings.items()]


def _axis(given: Any) -> str:
    """Return the values of a setting in the form of --grid; a text is a range."""
    return given if isinstance(given, str) else ",".join(_text(value, inside=True) for value in given)


def _text(value: Any, *, inside: bool = False) -> str:
    """Return a value as YAML in one line; text stays as it is where it reads as itself, `inside` a list as well."""
    from datasets import plain_yaml

    if not isinstance(value, str | os.PathLike):
        return json.dumps(value, default=os.fspath)
    text = os.fspath(value)
    divided = inside and any(sign in text for sign in ",[]{}'\"")
    return str(text) if plain_yaml.value(str(text)) == text and not divided else json.dumps(text, ensure_ascii=False)


def _require_at_least(given: Mapping[str, tuple[int | None, int]]) -> None:
    problems = [
        f"{name} must be at least {least}. Received: {value}."
        for name, (value, least) in given.items()
        if value is not None and value < least
    ]
    if problems:
        raise Error("\n".join(problems))


def _require_steps(until: str | None, rerun: Sequence[str]) -> None:
    from pipeline.config.step_names import STEP_NAMES

    given = {"until": [until] if until else [], "rerun": [rerun] if isinstance(rerun, str) else list(rerun)}
    unknown = [(key, step) for key, steps in given.items() for step in steps if step not in STEP_NAMES]
    problems = [f"{key}: there is no step {step!r}." for key, step in unknown]
    if isinstance(rerun, str):
        problems.append(f"rerun must be a list of steps, such as [{rerun!r}]. Received: {rerun!r}.")
    if problems:
        raise Error("\n".join([*problems, f"Steps: {', '.join(STEP_NAMES)}."]))


def _command(
    recipe: Location, overrides: Sequence[str], root: Path, until: str | None, rerun: Sequence[str]
) -> list[str]:
    """Return the command that would do the same, for the record of the run."""
    words = ["segline", "run", os.fspath(recipe), *(word for one in overrides for word in ("--set", one))]
    words += ["--until", until] if until else []
    return [*words, *(word for step in rerun for word in ("--rerun", step)), "--workspace", str(root)]
