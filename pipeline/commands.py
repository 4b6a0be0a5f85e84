"""What `segline run` and `segline step` do."""

import argparse
import os
import re
import sys
import traceback
from pathlib import Path

from datasets.errors import DatasetError
from models.errors import ModelError
from pipeline import lock, serving, sweep
from pipeline import recipe as recipes
from pipeline.child import ChildError
from pipeline.config import NAME
from pipeline.errors import GateError, Interrupted, UserError
from pipeline.graph import STEPS
from pipeline.run_folder import RunFolder
from pipeline.runner import Runner, remove_leftovers, serving_name
from pipeline.store import Store
from pipeline.summary import summary
from pipeline.workspace import Workspace


def run(options: argparse.Namespace) -> int:
    """`segline run`: bring every step up to date. Returns the exit code of the step that ended badly, or 0."""
    recipe = recipes.load(options.recipe, options.set)
    workspace = open_workspace(options)
    store = Store(workspace.store)
    sweep.mark_killed(workspace, store)
    remove_leftovers(workspace)
    folder = RunFolder.create(workspace, recipe, ["segline", *sys.argv[1:]])
    with folder.logging(), lock.hold(workspace.run_lock(folder.id), folder.id, wait=True, on_wait=print):
        _begin(store, folder, recipe.name, "running")
        print(f"run       {folder.id}")
        code = _drive(Runner(workspace, recipe, folder, store, wait=not options.no_wait), options)
        exported = code == 0 and options.until in (None, STEPS[-1].name)
        if exported or code == GateError.exit_code:
            served = serving.newest(workspace, serving_name(recipe)) if exported else None
            print("\n" + "\n".join(summary(folder, served)))
    return code


def step(options: argparse.Namespace) -> int:
    """`segline step`: reuse or run one step. With a recipe, a run of a new name begins."""
    workspace = open_workspace(options)
    store = Store(workspace.store)
    folder = _open_run(workspace, options)
    recipe = folder.recipe()
    _begin(store, folder, recipe.name, "stepwise")
    runner = Runner(workspace, recipe, folder, store, wait=not options.no_wait)
    chosen = next(found for found in STEPS if found.name == options.step)
    with folder.logging():
        try:
            runner.execute(chosen, again=options.rerun)
        except (UserError, DatasetError, ModelError) as error:
            folder.log(f"segline: {error}")
            raise
        except Exception:
            folder.log(traceback.format_exc())
            raise
    return 0


def open_workspace(options: argparse.Namespace) -> Workspace:
    """Make the workspace where it is missing.

    Raises:
        UserError: It cannot be made or written.
    """
    folder: Path = options.workspace
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--workspace: cannot make the folder {str(folder)!r}: {error.strerror}.") from None
    if not os.access(folder, os.W_OK):
        raise UserError(f"--workspace: the folder {str(folder)!r} cannot be written. Name another one.")
    return Workspace(folder.resolve())


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


def _drive(runner: Runner, options: argparse.Namespace) -> int:
    """Run all steps and record how it ended; give the exit code of the step that ended badly, or 0."""
    run, store = runner.run.id, runner.store
    try:
        runner.run_all(options.until, frozenset(options.rerun))
    except ChildError as error:
        sweep.mark_killed(runner.workspace, store, but=run)
        store.end_run(run, _STATES.get(error.exit_code, "failed"))
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
