"""`segline explain RECIPE` and `segline run --dry-run`: for each step, reuse or run, and why. Nothing is run."""

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pipeline.config.recipe import Recipe
from pipeline.orchestration import shared_results
from pipeline.orchestration.graph import RAW, SERVED, STEPS, Step
from pipeline.orchestration.runner import Runner
from pipeline.workspace.layout import SEAL, Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store


@dataclass(frozen=True)
class Forecast:
    """What `segline run` would do with one step.

    Attributes:
        step: Its name.
        action: "reuse"; "fetch" from the shared storage; "run"; or "depends": run only if what runs before it gives
            something new.
        reason: Why, in one line.
    """

    step: str
    action: Literal["reuse", "fetch", "run", "depends"]
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
        UserError: The raw folder is not there, or the shared storage cannot be asked.
    """
    with TemporaryDirectory() as scratch:
        # Without a store finished results count all the same: their seals say what they are. Nothing is made here.
        place = workspace if workspace.holds_results else replace(workspace, root=Path(scratch, "workspace"))
        store = Store(place.store if place.store.is_file() else Path(scratch, "store.sqlite"))
        runner = Runner(place, _here(recipe), RunFolder(Path(scratch)), store, wait=False)
        said: list[Forecast] = []
        anew: set[str] = set()
        for step in STEPS:
            found = _not_fetched(step, recipe) or _step(runner, step, anew, again=step.name in rerun)
            said.append(_with_trial(found, recipe))
            if said[-1].action not in ("reuse", "fetch"):
                anew.add(step.name)
            if step.name == until:
                break
        store.close()
        return said


def lines(found: Sequence[Forecast]) -> list[str]:
    """Say it: a line for each step, and where a reason is long, more below it."""
    return [
        line
        for one in found
        for line in textwrap.wrap(
            one.reason,
            width=80,
            initial_indent=f"{one.step:<9} {one.action:<8} ",
            subsequent_indent=" " * 19,
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _here(recipe: Recipe) -> Recipe:
    """The recipe whose raw files are its local copy, as it is."""
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"url": None})})


def _not_fetched(step: Step, recipe: Recipe) -> Forecast | None:
    """What is said of a step that reads a local copy which is not there yet."""
    if RAW not in step.reads or not recipe.data.url or recipe.data.manual_dir.expanduser().is_dir():
        return None
    return Forecast(step.name, "run", f"{recipe.data.url}: not fetched yet")


def _with_trial(found: Forecast, recipe: Recipe) -> Forecast:
    """Say that a training which would run begins with trial steps, where it does."""
    if found.step != "train" or found.action in ("reuse", "fetch") or recipe.train.batch_size != "auto":
        return found
    return replace(found, reason=f"{found.reason}; trial steps find the batch size first (train.batch_size auto)")


def _step(runner: Runner, step: Step, anew: set[str], *, again: bool) -> Forecast:
    before = [name for name in step.reads if name in anew]
    url = runner.workspace.shared
    if not before:
        plan = runner.plan(step, again=again)
        if plan.found:
            runner.run.link(step.name, plan.found)
        elif url and not again and (offer := shared_results.find(url, step.name, plan.fingerprint.key)):
            stand_in = runner.run.path / "fetched" / step.name
            stand_in.mkdir(parents=True)
            (stand_in / SEAL).write_text(json.dumps(offer.seal), encoding="utf-8")
            runner.run.link(step.name, stand_in)
            return Forecast(step.name, "fetch", f"run {offer.seal['run']} of another workspace made it")
        return Forecast(step.name, "reuse" if plan.found else "run", plan.reason)
    if again:
        return Forecast(step.name, "run", "--rerun asks for it")
    old = runner.store.last_fingerprint(step.name, runner.recipe.name)
    fingerprint = runner.fingerprint(step, runner.inputs(step, without={*before, SERVED}))
    if old:  # what is not known yet is taken to be as it was
        fingerprint = replace(fingerprint, inputs={**old["inputs"], **fingerprint.inputs})
    if old is None or fingerprint.changes(old):
        return Forecast(step.name, "run", runner.why(step, fingerprint))
    return Forecast(step.name, "depends", f"only if {' or '.join(before)} gives something new")
