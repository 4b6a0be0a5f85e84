"""What `segline run` and `segline step` do."""

import argparse
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from datasets.errors import ConversionError, DatasetError
from models.errors import ModelError
from pipeline.cluster import members
from pipeline.config.recipe import Recipe
from pipeline.config.section import NAME
from pipeline.config.step_names import EVALUATE, STEP_NAMES, TRAIN
from pipeline.console.terminal import wrapped
from pipeline.errors import GateError, Interrupted, Paused, UserError
from pipeline.evaluation.score_table import table
from pipeline.orchestration import (
    forecast,
    machine_check,
    promotion,
    recovery,
    rendezvous,
    shared_lineage,
    shared_results,
)
from pipeline.orchestration.attendance import assist, attend
from pipeline.orchestration.child_process import ChildError
from pipeline.orchestration.graph import STEPS
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.orchestration.runner import Runner
from pipeline.workspace import json_file, lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store


def run(options: argparse.Namespace) -> int:
    """`segline run`: bring every step up to date. Return the exit code of the step that failed, or 0."""
    recipe, rerun = load_recipe(options.recipe, options.set), frozenset(options.rerun)
    if options.dry_run:
        workspace = Workspace.of(options.workspace.resolve(), os.environ)
        outlooks = forecast.forecast(workspace, recipe, until=options.until, rerun=rerun)
        print("\n".join(forecast.lines(outlooks)))
        machine_check.require(recipe, {outlook.step for outlook in outlooks if outlook.action in ("run", "depends")})
        return 0
    workspace = open_workspace(options.workspace)
    return bring_up_to_date(
        workspace, recipe, until=options.until, rerun=rerun, wait=not options.no_wait, verify=options.verify
    )


def bring_up_to_date(
    workspace: Workspace,
    recipe: Recipe,
    *,
    until: str | None = None,
    rerun: frozenset[str] = frozenset(),
    wait: bool = True,
    verify: bool = False,
    run_id: str | None = None,
    command: Sequence[str] | None = None,
) -> int:
    """Reuse or run every step of a recipe, as `segline run` does, and print the metrics and where the results lie.

    Args:
        workspace: Where.
        recipe: What.
        until: Last step, or None for all.
        rerun: Steps that run even where their result could be reused.
        wait: Wait where another run makes the same thing; otherwise end with LockHeldError.
        verify: Read every file of the results that are used again, and compare it with their seals.
        run_id: Name of the new run; None: made of the time and the recipe's name.
        command: The command that the run records; None: that of this process.

    Returns:
        Exit code of the step that failed, or 0. Where the environment names several workers (see pipeline.cluster),
        each of them comes here: the chief does this, the others help it and return its exit code.
    """
    cluster = members.resolve(recipe.train.strategy, os.environ)
    if cluster is None:
        return _bring_up_to_date(
            workspace, recipe, until, rerun, wait=wait, verify=verify, run_id=run_id, command=command
        )
    if not cluster.is_chief:
        with lock.share(workspace.in_use):
            return attend(workspace, cluster, recipe.train.timeout_s)
    with rendezvous.lead(workspace, cluster, recipe.train.timeout_s) as (workers, end):
        code = _bring_up_to_date(
            workspace, recipe, until, rerun, wait=wait, verify=verify, run_id=run_id, command=command, workers=workers
        )
        end(code)
    return code


def _bring_up_to_date(
    workspace: Workspace,
    recipe: Recipe,
    until: str | None,
    rerun: frozenset[str],
    *,
    wait: bool,
    verify: bool,
    run_id: str | None,
    command: Sequence[str] | None,
    workers: rendezvous.Workers | None = None,
) -> int:
    """Bring the steps up to date in this process; `workers` are the other workers."""
    with lock.share(workspace.in_use):  # first of all: `segline gc` removes a run's folder that no store knows yet
        store = Store(workspace.store)
        recovery.mark_killed(workspace, store)
        recovery.remove_partial(workspace)
        folder = RunFolder.create(workspace, recipe, list(command or _own_command()), run_id)
        run_lock = lock.hold(workspace.run_lock(folder.id), folder.id, wait=True, on_wait=print)
        with folder.logging(), run_lock:
            _begin(store, folder, recipe.name, "running")
            print(f"run       {folder.id}")
            runner = Runner(workspace, recipe, folder, store, wait=wait, verify=verify, workers=workers)
            code = _drive(runner, until, rerun)
            shared_lineage.give(workspace, store, folder.id)
            exported = code == 0 and until in (None, STEP_NAMES[-1])
            if exported or code == GateError.exit_code:
                served = promotion.newest(workspace, recipe.serving_name) if exported else None
                print("\n" + "\n".join(_summary(folder, served)))
    return code


def _summary(run: RunFolder, served: Path | None) -> list[str]:
    """Return lines of at most 80 columns, paths apart: IoU of each class, mIoU beside the baseline, the results."""
    evaluate, train = run.artifact(EVALUATE), run.artifact(TRAIN)
    paths = {"report": run.path / "report.html", "overlays": evaluate / "overlays", "events": train / "events"}
    if served:
        paths["SavedModel"] = served
    return [
        *table(json_file.read(evaluate / "metrics.json")).splitlines(),
        "",
        *(f"{name:<10} {_near(path)}" for name, path in paths.items()),
    ]


def _own_command() -> list[str]:
    """Return the command that began this process; of another program, which imports Segline, only its name."""
    program, *arguments = sys.argv
    name = Path(program).name
    return ["segline", *arguments] if name in ("segline", "__main__.py") else ["python", *filter(None, [name])]


def _near(path: Path) -> str:
    """Return the path as one would type it here."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)


def step(options: argparse.Namespace) -> int:
    """`segline step`: reuse or run one step. With a recipe, a new run is made."""
    if options.dry_run:
        return _forecast_step(options)
    workspace = open_workspace(options.workspace)
    with lock.share(workspace.in_use):  # first of all, as for `segline run`
        return _step(workspace, options)


def _step(workspace: Workspace, options: argparse.Namespace) -> int:
    chosen = next(step for step in STEPS if step.name == options.step)
    store = Store(workspace.store)
    if chosen.distributed and (workers := members.read(os.environ)) and not workers.is_chief:
        folder = RunFolder.open(workspace, options.run)
        if chosen.is_shared(folder.recipe()):
            assist(Runner(workspace, folder.recipe(), folder, store, wait=True), chosen, again=options.rerun)
        return 0
    folder = _open_run(workspace, options)
    recipe = folder.recipe()
    _begin(store, folder, recipe.name, "stepwise")
    runner = Runner(workspace, recipe, folder, store, wait=not options.no_wait, verify=options.verify)
    with folder.logging():
        try:
            runner.execute(chosen, again=options.rerun)
            if workspace.shared:
                shared_results.give(workspace.shared, folder.artifact(chosen.name))
                shared_lineage.give(workspace, store, folder.id)
        except Exception as error:
            foreseen = isinstance(error, UserError | DatasetError | ModelError)
            folder.log(f"segline: {error}" if foreseen else traceback.format_exc())
            if isinstance(error, ConversionError):
                raise ConversionError(f"{error}\nThe traceback: {folder.log_file}") from None
            raise
    return 0


def _forecast_step(options: argparse.Namespace) -> int:
    workspace = Workspace.of(options.workspace.resolve(), os.environ)
    given = options.recipe
    recipe = load_recipe(given, options.set) if given else RunFolder.open(workspace, options.run).recipe()
    rerun = frozenset({options.step}) if options.rerun else frozenset()
    outlook = forecast.forecast(workspace, recipe, until=options.step, rerun=rerun)[-1]
    print("\n".join(forecast.lines([outlook])))
    machine_check.require(recipe, {outlook.step} if outlook.action in ("run", "depends") else ())
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
    """Open the run `--run`, or make it where RECIPE is given; a known run keeps its first recipe."""
    if not re.fullmatch(NAME, options.run):
        raise UserError(f"--run must be a name of letters, digits, '.', '_' and '-'. Received: {options.run!r}.")
    if options.set and not options.recipe:
        raise UserError("--set changes a setting of RECIPE, and none is given. A known run keeps its recipe.")
    folder = RunFolder(workspace.run(options.run))
    if not options.recipe:
        return RunFolder.open(workspace, options.run)
    recipe = load_recipe(options.recipe, options.set)
    if not folder.exists:
        return RunFolder.create(workspace, recipe, ["segline", *sys.argv[1:]], options.run)
    if folder.recipe() != recipe:
        raise UserError(f"Run {options.run} began with another recipe or settings. Choose another name for --run.")
    return folder


def _drive(runner: Runner, until: str | None, rerun: frozenset[str]) -> int:
    """Run all steps and record the outcome; return the exit code of the step that failed, or 0."""
    run, store = runner.run.id, runner.store
    try:
        runner.run_all(until, rerun)
    except ChildError as error:
        recovery.mark_killed(runner.workspace, store, but=run)
        store.end_run(run, _STATES.get(error.exit_code, "failed"))
        if error.reason:
            print(f"segline: {error.reason}. The same command resumes from here.")
        if error.exit_code > Interrupted.exit_code:
            signal = error.exit_code - 128
            print(f"segline: a step was killed (signal {signal}). The same command resumes from here.")
        return error.exit_code
    except GateError as error:
        runner.run.log(f"segline: {error}")
        print(wrapped(f"segline: {error}"), file=sys.stderr)
        store.end_run(run, "refused")
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


_STATES = {Interrupted.exit_code: "interrupted", Paused.exit_code: "interrupted", 137: "killed", 143: "killed"}
"""State of a run whose step ended with this exit code; any other: failed."""
