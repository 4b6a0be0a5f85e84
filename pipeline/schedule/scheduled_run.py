"""Run a recipe for a slot: with the slot's settings, in this process, each step in a process of its own."""

import json
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from datasets.errors import DatasetError
from models.errors import ModelError
from pipeline.config.recipe import Recipe
from pipeline.config.schedule import ScheduleConfig
from pipeline.console.url_secrets import mask
from pipeline.errors import GateError, Interrupted, UserError
from pipeline.orchestration import follow_up, run_command, shared_results
from pipeline.orchestration.error_advice import as_user_error
from pipeline.orchestration.graph import STEPS
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.orchestration.runner import Runner
from pipeline.schedule import slots
from pipeline.schedule.tick import Outcome
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store


@dataclass(frozen=True)
class ScheduledRun:
    """Runs a recipe for a slot when called.

    Attributes:
        workspace: Where results go.
        recipe: Name or path.
        overrides: Settings in the form of --set.
        until: Last step; None: all, with promotion.
    """

    workspace: Workspace
    recipe: str
    overrides: Sequence[str]
    until: str | None = None

    def __call__(self, slot: float, name_run: Callable[[str], None]) -> Outcome:
        """Run; an exception becomes an outcome with the exit code that `segline run` would give.

        Args:
            slot: Its moment, seconds since 1970.
            name_run: Called with the name of the run before it starts.
        """
        run = None
        try:
            recipe = recipe_for_slot(self.recipe, self.overrides, slot)
            schedule = schedule_of(recipe)
            if schedule.skip_if_unchanged and is_unchanged(self.workspace, recipe, self.until):
                print("unchanged nothing that the result depends on has changed")
                return Outcome("unchanged")
            run = self.workspace.new_run_id(recipe.name)
            name_run(run)
            code = run_command.bring_up_to_date(self.workspace, recipe, until=self.until, run_id=run)
        except Exception as error:
            return self._failed(as_user_error(error, self.workspace.root), run)
        return Outcome(_STATES.get(code, "failed"), _reason(self.workspace, run) if code else "", run, code)

    def _failed(self, error: BaseException, run: str | None) -> Outcome:
        if isinstance(error, UserError | DatasetError | ModelError):
            code = error.exit_code if isinstance(error, UserError) else UserError.exit_code
            print(f"segline: {error}")
            return Outcome(_STATES.get(code, "failed"), mask(str(error)), run, code)
        text = "".join(traceback.format_exception(error))
        print(text)
        return Outcome("failed", mask(text.strip().splitlines()[-1]), run, 1)


def recipe_for_slot(recipe: str, overrides: Sequence[str], slot: float) -> Recipe:
    """Load a recipe with the slot's time put into `schedule.set`; --set overrides it.

    Args:
        recipe: Name or path.
        overrides: Settings in the form of --set.
        slot: Its moment, seconds since 1970.
    """
    return load_recipe(recipe, [*slot_settings(recipe, overrides, slot), *overrides])


def slot_settings(recipe: str, overrides: Sequence[str], slot: float) -> list[str]:
    """Return the slot's `schedule.set`, in the form of --set. Arguments as for `recipe_for_slot`."""
    schedule = schedule_of(load_recipe(recipe, overrides))
    time = slots.local(slot, schedule.timezone)
    # As JSON, which YAML reads as text: a bare 2026-07-05 would become a date.
    return [f"{key}={json.dumps(time.strftime(text))}" for key, text in schedule.set.items()]


def settings_at(recipe: str | None, overrides: Sequence[str], moment: str) -> list[str]:
    """Return `slot_settings` for a moment in ISO 8601, which is in the schedule's time zone where it names none.

    Raises:
        UserError: There is no recipe, it has no schedule, or the moment is none.
    """
    if recipe is None:
        raise UserError("--slot puts a moment into `schedule.set` of RECIPE, and none is given.")
    try:
        time = datetime.fromisoformat(moment)
    except ValueError:
        raise UserError(f"--slot must be a moment such as 2026-07-05T02:30+02:00. Received: {moment!r}.") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=ZoneInfo(schedule_of(load_recipe(recipe, overrides)).timezone))
    return slot_settings(recipe, overrides, time.timestamp())


def is_unchanged(workspace: Workspace, recipe: Recipe, until: str | None = None) -> bool:
    """Whether a run would reuse every step, and what it would promote or upload is there. Change nothing."""
    with TemporaryDirectory() as scratch:
        run = RunFolder(Path(scratch))
        runner = Runner(workspace, recipe, run, Store(workspace.store), wait=False)
        for step in STEPS:
            artifact = runner.plan(step, again=False).complete
            if artifact is None or not follow_up.is_settled(runner.context, step.name, artifact):
                return False
            if workspace.shared and not shared_results.has(workspace.shared, artifact):
                return False
            run.link(step.name, artifact)
            if step.name == until:
                return True
    return True


def schedule_of(recipe: Recipe) -> ScheduleConfig:
    """Return the recipe's section `schedule:`.

    Raises:
        UserError: The recipe has none.
    """
    if recipe.schedule is None:
        raise UserError(
            f"Recipe {recipe.name} has no section `schedule:`. Add one, such as\n"
            '  schedule: {cron: "30 2 * * *", timezone: Europe/Berlin}'
        )
    return recipe.schedule


def _reason(workspace: Workspace, run: str) -> str:
    errors = [row["error"] for row in Store(workspace.store).executions(run) if row["error"]]
    return errors[-1] if errors else "see the run's log"


_STATES = {0: "done", GateError.exit_code: "refused", Interrupted.exit_code: "interrupted"}
