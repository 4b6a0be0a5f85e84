"""What `segline run` and `segline step` do."""

import argparse
import os
import re
import sys
import traceback
from pathlib import Path

from datasets.errors import ConversionError, DatasetError
from models.errors import ModelError
from pipeline.cluster import members
from pipeline.config import recipe_file as recipes
from pipeline.config.recipe import NAME, Recipe
from pipeline.errors import GateError, Interrupted, UserError
from pipeline.orchestration import forecast, leftovers, promotion, recovery, rendezvous, shared_results
from pipeline.orchestration.attendance import assist, attend
from pipeline.orchestration.child_process import ChildError
from pipeline.orchestration.graph import STEPS
from pipeline.orchestration.runner import Runner, serving_name
from pipeline.orchestration.summary import summary
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store


def run(options: argparse.Namespace) -> int:
    """`segline run`: bring every step up to date. Returns the exit code of the step that ended badly, or 0."""
    recipe = recipes.load(options.recipe, options.set)
    if options.dry_run:
        found = forecast.forecast(
            Workspace.of(options.workspace.resolve(), os.environ),
            recipe,
            until=options.until,
            rerun=frozenset(options.rerun),
        )
        print("\n".join(forecast.lines(found)))
        return 0
    return bring_up_to_date(
        open_workspace(options.workspace),
        recipe,
        until=options.until,
        rerun=frozenset(options.rerun),
        wait=not options.no_wait,
    )


def bring_up_to_date(
    workspace: Workspace,
    recipe: Recipe,
    *,
    until: str | None = None,
    rerun: frozenset[str] = frozenset(),
    wait: bool = True,
    run_id: str | None = None,
) -> int:
    """Reuse or run every step of a recipe, as `segline run` does, and print what it comes to.

    Args:
        workspace: Where.
        recipe: What.
        until: Last step, or None for all.
        rerun: Steps that run even where their result could be reused.
        wait: Wait where another run makes the same thing; otherwise end with LockHeldError.
        run_id: Name of the new run; None: one that says when and what.

    Returns:
        Exit code of the step that ended badly, or 0. Where the environment names several workers (see
        pipeline.cluster), each of them comes here: the chief does this, the others help it and give its exit code.
    """
    workers = members.joined(recipe.train.strategy, os.environ)
    if workers is None:
        return _bring_up_to_date(workspace, recipe, until, rerun, wait=wait, run_id=run_id)
    if not workers.is_chief:
        with lock.share(workspace.in_use):
            return attend(workspace, workers, recipe.train.timeout_s)
    with rendezvous.lead(workspace, workers, recipe.train.timeout_s) as (crew, end):
        code = _bring_up_to_date(workspace, recipe, until, rerun, wait=wait, run_id=run_id, crew=crew)
        end(code)
    return code


def _bring_up_to_date(
    workspace: Workspace,
    recipe: Recipe,
    until: str | None,
    rerun: frozenset[str],
    *,
    wait: bool,
    run_id: str | None,
    crew: rendezvous.Crew | None = None,
) -> int:
    """Do it in this process; `crew` are the other workers."""
    with lock.share(workspace.in_use):  # first of all: `segline gc` removes a run's folder that no store knows yet
        store = Store(workspace.store)
        recovery.mark_killed(workspace, store)
        leftovers.remove(workspace)
        folder = RunFolder.create(workspace, recipe, ["segline", *sys.argv[1:]], run_id)
        run_lock = lock.hold(workspace.run_lock(folder.id), folder.id, wait=True, on_wait=print)
        with folder.logging(), run_lock:
            _begin(store, folder, recipe.name, "running")
            print(f"run       {folder.id}")
            code = _drive(Runner(workspace, recipe, folder, store, wait=wait, crew=crew), until, rerun)
            exported = code == 0 and until in (None, STEPS[-1].name)
            if exported or code == GateError.exit_code:
                served = promotion.newest(workspace, serving_name(recipe)) if exported else None
                print("\n" + "\n".join(summary(folder, served)))
    return code


def step(options: argparse.Namespace) -> int:
    """`segline step`: reuse or run one step. With a recipe, a run of a new name begins."""
    if options.dry_run:
        return _foresee_step(options)
    workspace = open_workspace(options.workspace)
    with lock.share(workspace.in_use):  # first of all, as for `segline run`
        return _step(workspace, options)


def _step(workspace: Workspace, options: argparse.Namespace) -> int:
    chosen = next(found for found in STEPS if found.name == options.step)
    store = Store(workspace.store)
    if chosen.distributed and (workers := members.of(os.environ)) and not workers.is_chief:
        folder = RunFolder.open(workspace, options.run)
        if chosen.shared_out(folder.recipe()):
            assist(Runner(workspace, folder.recipe(), folder, store, wait=True), chosen, again=options.rerun)
        return 0
    folder = _open_run(workspace, options)
    recipe = folder.recipe()
    _begin(store, folder, recipe.name, "stepwise")
    runner = Runner(workspace, recipe, folder, store, wait=not options.no_wait)
    with folder.logging():
        try:
            runner.execute(chosen, again=options.rerun)
            if workspace.shared:
                shared_results.give(workspace.shared, folder.artifact(chosen.name))
        except (UserError, DatasetError, ModelError) as error:
            folder.log(f"segline: {error}")
            raise
        except ConversionError as error:
            folder.log(traceback.format_exc())
            raise ConversionError(f"{error}\nThe traceback: {folder.log_file}") from None
        except Exception:
            folder.log(traceback.format_exc())
            raise
    return 0


def _foresee_step(options: argparse.Namespace) -> int:
    workspace = Workspace.of(options.workspace.resolve(), os.environ)
    if options.recipe:
        recipe = recipes.load(options.recipe, options.set)
    else:
        recipe = RunFolder.open(workspace, options.run).recipe()
    rerun = frozenset({options.step}) if options.rerun else frozenset()
    print("\n".join(forecast.lines(forecast.forecast(workspace, recipe, until=options.step, rerun=rerun)[-1:])))
    return 0


def open_workspace(folder: Path) -> Workspace:
    """Make the workspace where it is missing.

    Raises:
        UserError: It cannot be made or written, or the environment names a shared storage that is no URL.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--workspace: cannot make the folder {str(folder)!r}: {error.strerror}.") from None
    if not os.access(folder, os.W_OK):
        raise UserError(f"--workspace: the folder {str(folder)!r} cannot be written. Name another one.")
    return Workspace.of(folder.resolve(), os.environ)


def _open_run(workspace: Workspace, options: argparse.Namespace) -> RunFolder:
    """Open the run `--run`, or begin it where RECIPE is given; a known run keeps the recipe it began with."""
    if not re.fullmatch(NAME, options.run):
        raise UserError(f"--run must be a name of letters, digits, '.', '_' and '-'. Received: {options.run!r}.")
    if options.set and not options.recipe:
        raise UserError("--set changes a setting of RECIPE, and none is given. A known run keeps its recipe.")
    folder = RunFolder(workspace.run(options.run))
    if not options.recipe:
        return RunFolder.open(workspace, options.run)
    recipe = recipes.load(options.recipe, options.set)
    if not folder.exists:
        return RunFolder.create(workspace, recipe, ["segline", *sys.argv[1:]], options.run)
    if folder.recipe() != recipe:
        raise UserError(f"Run {options.run} began with another recipe or settings. Choose another name for --run.")
    return folder


def _drive(runner: Runner, until: str | None, rerun: frozenset[str]) -> int:
    """Run all steps and record how it ended; give the exit code of the step that ended badly, or 0."""
    run, store = runner.run.id, runner.store
    try:
        runner.run_all(until, rerun)
    except ChildError as error:
        recovery.mark_killed(runner.workspace, store, but=run)
        store.end_run(run, _STATES.get(error.exit_code, "failed"))
        if error.reason:
            print(f"segline: {error.reason}. The same command goes on from here.")
        if error.exit_code > Interrupted.exit_code:
            signal = error.exit_code - 128
            print(f"segline: a step was killed (signal {signal}). The same command goes on from here.")
        return error.exit_code
    except BaseException as error:
        store.end_run(run, "interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        raise
    store.end_run(run, "done")
    return 0


def _begin(store: Store, folder: RunFolder, recipe: str, state: str) -> None:
    command = (folder.path / "command.txt").read_text(encoding="utf-8").strip()
    code = (folder.path / "code.txt").read_text(encoding="utf-8").strip()
    store.begin_run(folder.id, recipe, command, code, state)


_STATES = {GateError.exit_code: "refused", Interrupted.exit_code: "interrupted", 137: "killed", 143: "killed"}
"""How a run ended whose step ended with this exit code; any other: failed."""
