"""What a schedule runs for a slot: the recipe with the slot's settings, in this process, its steps in their own."""

import json
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from datasets.errors import DatasetError
from models.errors import ModelError
from pipeline.config import recipe_file as recipes
from pipeline.config.recipe import Recipe
from pipeline.config.schedule import ScheduleConfig
from pipeline.errors import GateError, Interrupted, Unreachable, UserError
from pipeline.orchestration import promotion, run_command, shared_results
from pipeline.orchestration.error_advice import explain
from pipeline.orchestration.graph import STEPS
from pipeline.orchestration.runner import Runner, serving_name
from pipeline.schedule import slots
from pipeline.schedule.tick import Outcome
from pipeline.storage import remote
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store


@dataclass(frozen=True)
class Work:
    """Runs a recipe for a slot.

    Attributes:
        workspace, recipe, overrides: Where, what, and --set.
        until: Last step; None: all, with promotion.
    """

    workspace: Workspace
    recipe: str
    overrides: Sequence[str]
    until: str | None = None

    def __call__(self, slot: float, name_run: Callable[[str], None]) -> Outcome:
        """Run; an exception becomes an outcome, as `segline run` makes it an exit code.

        Args:
            slot: Its moment.
            name_run: Is told the name of the run before it begins.
        """
        run = None
        try:
            recipe = for_slot(self.recipe, self.overrides, slot)
            schedule = schedule_of(recipe)
            if schedule.skip_if_unchanged and is_unchanged(self.workspace, recipe, self.until):
                print("unchanged nothing that the result depends on has changed")
                return Outcome("unchanged")
            run = self.workspace.new_run_id(recipe.name)
            name_run(run)
            code = run_command.bring_up_to_date(self.workspace, recipe, until=self.until, run_id=run)
        except Exception as error:
            return self._failed(explain(error, self.workspace.root), run)
        return Outcome(_STATES.get(code, "failed"), _reason(self.workspace, run) if code else "", run, code)

    def _failed(self, error: BaseException, run: str | None) -> Outcome:
        if isinstance(error, UserError | DatasetError | ModelError):
            code = error.exit_code if isinstance(error, UserError) else UserError.exit_code
            print(f"segline: {error}")
            return Outcome(_STATES.get(code, "failed"), str(error), run, code)
        told = "".join(traceback.format_exception(error))
        print(told)
        return Outcome("failed", told.strip().splitlines()[-1], run, 1)


def for_slot(recipe: str, overrides: Sequence[str], slot: float) -> Recipe:
    """Load a recipe as it is for a slot: `schedule.set`, then --set."""
    schedule = schedule_of(recipes.load(recipe, overrides))
    time = slots.local(slot, schedule.timezone)
    # As JSON, which YAML reads as text: a bare 2026-07-05 would become a date.
    settings = [f"{key}={json.dumps(time.strftime(text))}" for key, text in schedule.set.items()]
    return recipes.load(recipe, [*settings, *overrides])


def is_unchanged(workspace: Workspace, recipe: Recipe, until: str | None = None) -> bool:
    """Whether a run would reuse every step, and all it would promote or upload is there. Changes nothing."""
    with TemporaryDirectory() as scratch:
        run = RunFolder(Path(scratch))
        runner = Runner(workspace, recipe, run, Store(workspace.store), wait=False)
        for step in STEPS:
            found = runner.plan(step, again=False).found
            if found is None or (step.promotes and not _is_served(workspace, recipe, found)):
                return False
            if workspace.shared and not shared_results.has(workspace.shared, found):
                return False
            run.link(step.name, found)
            if step.name == until:
                return True
    return True


def _is_served(workspace: Workspace, recipe: Recipe, artifact: Path) -> bool:
    served = promotion.newest(workspace, serving_name(recipe))
    if served is None or promotion.origin(served).get("export") != workspace.relative(artifact):
        return False
    return not recipe.export.url or _is_uploaded(served, recipe.export.url)


def _is_uploaded(served: Path, url: str) -> bool:
    try:
        return remote.has(served, url)
    except Unreachable:
        return False  # nobody knows: the run uploads it, or says that it cannot


def schedule_of(recipe: Recipe) -> ScheduleConfig:
    """Give the section `schedule:`.

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
