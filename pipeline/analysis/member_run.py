"""One member of a sweep: its combination of settings, its run, and what came of it."""

import os
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from datasets.errors import ConversionError, DatasetError
from models.errors import ModelError
from pipeline.analysis import setting_effects, sweep_table
from pipeline.cluster.members import is_helper
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import EVALUATE
from pipeline.console.terminal import wrapped
from pipeline.errors import Interrupted, Paused, UserError, WorkerLost
from pipeline.evaluation import metric_names
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
    """The result of a member.

    Attributes:
        settings: As in the member.
        run: Its run; None before it.
        state: done, failed, waiting, or stopped (by halving).
        figures: Metrics of its evaluation; of a stopped one the validation's metric by which it was ranked.
        error: Why it failed.
        epochs: Epochs after which halving stopped it; None: it was not stopped.
        early: The metric at the first pause of halving, where all members were compared.
    """

    settings: dict[str, str]
    run: str | None
    state: str
    figures: dict[str, float | None]
    error: str | None = None
    epochs: int | None = None
    early: float | None = None


def run(workspace: Workspace, member: Member, name: str, *, recipe: Recipe, until: str = LAST_STEP) -> Result:
    """Run a member under a run's name; an error becomes its result, so that the other members still run.

    Args:
        workspace: Where.
        member: The member.
        name: Name of its run; one that is known continues.
        recipe: The member's recipe, which may pause.
        until: Last step.

    Returns:
        State done, with the metrics of the evaluation where that is the last step; or failed.

    Raises:
        KeyboardInterrupt: Ctrl-C: no further member runs.
    """
    try:
        code = bring_up_to_date(workspace, recipe, until=until, run_id=name)
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
    if code not in (0, Paused.exit_code):
        return Result(member.settings, name, "failed", {}, f"a step ended with exit code {code}; see its run's log.txt")
    if until != LAST_STEP or code:
        return Result(member.settings, name, "done", {})
    metrics = json_file.read(RunFolder.open(workspace, name).artifact(LAST_STEP) / "metrics.json")
    return Result(member.settings, name, "done", metric_names.flat(metrics))


def help_run(workspace: Workspace, member: Member) -> int:
    """Take part in a member's run as a worker that is not the chief. Return 0, or 1 if it failed."""
    try:
        code = bring_up_to_date(workspace, member.recipe, until=LAST_STEP)
    except WorkerLost as error:
        print(f"segline: {error}", flush=True)
        return 1
    if code == Interrupted.exit_code:
        raise KeyboardInterrupt
    return 1 if code else 0


def is_worker(member: Member) -> bool:
    """Whether this process is a worker that helps another one."""
    return is_helper(member.recipe.train.strategy, os.environ)


def write(folder: Path, results: Sequence[Result], by: str) -> None:
    """Write results.json and results.csv, the best member first."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = sweep_table.ordered([asdict(result) for result in results], by)
    json_file.write(folder / "results.json", rows)
    (folder / "results.csv").write_text(sweep_table.to_csv(rows), encoding="utf-8")


def conclude(workspace: Workspace, folder: Path, results: Sequence[Result], by: str) -> int:
    """Print the table and which settings mattered. Return 0, or 1 if a member failed.

    Raises:
        UserError: Members are done and none of them has the metric `by`, such as that of a group.
    """
    print("\n" + "\n".join(sweep_table.lines([asdict(result) for result in results], by)))
    paused = any(result.early is not None for result in results)  # later they have different numbers of epochs
    values = [result.early if paused else result.figures.get(by) for result in results]
    measured = [(result.settings, value) for result, value in zip(results, values, strict=True) if value is not None]
    if text := setting_effects.line([one for one, _ in measured], [value for _, value in measured], by):
        print("\n" + wrapped(text))
    print(f"\nresults   {folder / 'results.csv'}\ncompare   segline tensorboard --workspace {workspace.root}")
    done = [result for result in results if result.state == "done"]
    if done and all(result.figures.get(by) is None for result in done):
        names = dict.fromkeys(name for result in done for name, value in result.figures.items() if value is not None)
        raise UserError(f"--by: no member has the metric {by!r}. Allowed: {', '.join(names)}.")
    return 1 if any(result.state == "failed" for result in results) else 0
