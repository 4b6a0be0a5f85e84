"""`segline explain RECIPE` and `segline run --dry-run`: for each step, reuse or run, and why. Nothing is run."""

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pipeline.config.recipe import Recipe
from pipeline.config.step_names import TRAIN
from pipeline.errors import GateError, UserError
from pipeline.orchestration import shared_results
from pipeline.orchestration.follow_up import around
from pipeline.orchestration.graph import RAW, SERVED, STEPS, Step
from pipeline.orchestration.runner import Runner
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import SEAL
from pipeline.workspace.store import Store


@dataclass(frozen=True)
class Forecast:
    """What `segline run` would do with one step.

    Attributes:
        step: Its name.
        action: "reuse"; "fetch" from the shared storage; "run"; "depends": run only if an earlier step gives a new
            result; or "refuse": a check before it does not pass.
        reason: Why, in one line.
    """

    step: str
    action: Literal["reuse", "fetch", "run", "depends", "refuse"]
    reason: str


def forecast(
    workspace: Workspace, recipe: Recipe, *, until: str | None = None, rerun: frozenset[str] = frozenset()
) -> list[Forecast]:
    """Work out what `segline run` would do. Writes nothing but the remembered digests of the raw files.

    Nothing is fetched: raw files of a URL count as they were fetched last.

    Args:
        workspace: Where; it need not exist, and is not made.
        recipe: What.
        until: Last step, or None for all.
        rerun: Steps that run in any case.

    Raises:
        UserError: The raw folder is not there, or the shared storage cannot be reached.
    """
    with TemporaryDirectory() as scratch:
        # Without a store finished results count all the same: their seals say what they are. Nothing is made here.
        place = workspace if workspace.holds_results else replace(workspace, root=Path(scratch, "workspace"))
        store = Store.reading(place.store) if place.store.exists() else Store(Path(scratch, "store.sqlite"))
        runner = Runner(place, _local(recipe), RunFolder(Path(scratch)), store, wait=False)
        forecasts: list[Forecast] = []
        renewed: set[str] = set()
        for step in STEPS:
            outlook = _not_fetched(step, recipe) or _step(runner, step, renewed, again=step.name in rerun)
            forecasts.append(_with_trial(outlook, recipe))
            if outlook.action == "refuse" or step.name == until:
                break
            if outlook.action not in ("reuse", "fetch"):
                renewed.add(step.name)
        store.close()
        return forecasts


def lines(forecasts: Sequence[Forecast]) -> list[str]:
    """Format a line for each step; a long reason continues on further lines."""
    return [
        line
        for outlook in forecasts
        for line in textwrap.wrap(
            outlook.reason,
            width=80,
            initial_indent=f"{outlook.step:<9} {outlook.action:<8} ",
            subsequent_indent=" " * 19,
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _local(recipe: Recipe) -> Recipe:
    """Return the recipe with its local copy as the raw files, as they are."""
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"url": None})})


def _not_fetched(step: Step, recipe: Recipe) -> Forecast | None:
    """Return the forecast of a step that reads a local copy which is not there yet."""
    if RAW not in step.reads or not recipe.data.url or recipe.data.manual_dir.expanduser().is_dir():
        return None
    return Forecast(step.name, "run", f"{recipe.data.url}: not fetched yet")


def _with_trial(outlook: Forecast, recipe: Recipe) -> Forecast:
    """Mention the trial steps before a training whose batch size is chosen automatically."""
    if outlook.step != TRAIN or outlook.action in ("reuse", "fetch") or recipe.train.batch_size != "auto":
        return outlook
    return replace(outlook, reason=f"{outlook.reason}; trial steps find the batch size first (train.batch_size auto)")


def _step(runner: Runner, step: Step, renewed: set[str], *, again: bool) -> Forecast:
    before = [name for name in step.reads if name in renewed]
    if not before:
        return _refused(runner, step) or _known(runner, step, again=again)
    if again:
        return Forecast(step.name, "run", "--rerun asks for it")
    old = runner.store.last_fingerprint(step.name, runner.recipe.name)
    fingerprint = runner.fingerprint(step, runner.inputs(step, without={*before, SERVED}))
    if old:  # unknown inputs count as unchanged
        fingerprint = replace(fingerprint, inputs={**old["inputs"], **fingerprint.inputs})
    if old is None or fingerprint.changes(old):
        return Forecast(step.name, "run", runner.why(step, fingerprint))
    return Forecast(step.name, "depends", f"only if {' or '.join(before)} gives something new")


def _known(runner: Runner, step: Step, *, again: bool) -> Forecast:
    """Forecast a step all of whose inputs are known."""
    plan, url = runner.plan(step, again=again), runner.workspace.shared
    if plan.complete:
        runner.run.link(step.name, plan.complete)
        return Forecast(step.name, "reuse", plan.reason)
    if url and not again and (offer := shared_results.find(url, step.name, plan.fingerprint.key)):
        stand_in = runner.run.path / "fetched" / step.name
        stand_in.mkdir(parents=True)
        (stand_in / SEAL).write_text(json.dumps(offer.seal), encoding="utf-8")
        runner.run.link(step.name, stand_in)
        return Forecast(step.name, "fetch", f"run {offer.seal['run']} of another workspace made it")
    return Forecast(step.name, "run", plan.reason)


def _refused(runner: Runner, step: Step) -> Forecast | None:
    """Return the forecast of a step that the gate stops, as far as the verdict is known."""
    for check in around(step.name).before:
        try:
            check(runner.context)
        except GateError as error:
            return Forecast(step.name, "refuse", str(error).split("\n")[0].rstrip(":"))
        except (UserError, OSError):
            continue  # its input is not here yet; the run says so
    return None
