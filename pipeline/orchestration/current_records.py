"""The records of a recipe for a command that only looks at data: reused, or made in the cache. No run is recorded."""

import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.config.recipe import Recipe
from pipeline.config.step_names import INGEST
from pipeline.console.quiet import quiet
from pipeline.orchestration.graph import REFUSAL, STEPS
from pipeline.orchestration.runner import Runner
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store

CACHE = "browse"
"""Name of the folder in the cache. Its shards are hard links of those that ingest caches: they take no more space."""


def find_or_make(workspace: Workspace, recipe: Recipe) -> Path:
    """Return a folder that the ingest step wrote, with records of the raw files as they are now.

    Raises:
        UserError, DatasetError: As from the ingest step.
    """
    with lock.share(workspace.in_use), TemporaryDirectory() as scratch:
        place = workspace if workspace.holds_results else replace(workspace, root=Path(scratch, "workspace"))
        store = Store.reading(place.store) if place.store.exists() else Store(Path(scratch, "store.sqlite"))
        runner = Runner(workspace, recipe, RunFolder(Path(scratch)), store, wait=True)
        step = next(step for step in STEPS if step.name == INGEST)
        plan = runner.plan(step, again=False)
        store.close()
        if plan.complete:
            return plan.complete
        folder = workspace.cache(CACHE, plan.fingerprint.key)
        with lock.hold(workspace.lock(CACHE, folder.name), "of `segline browse`", wait=True, on_wait=print):
            if not folder.is_dir():
                partial = folder.with_name(f"{folder.name}.partial")
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
                paths = runner.paths(plan, again=False) | {REFUSAL: folder.with_name(f"{folder.name}.audit.json")}
                with quiet():  # Beam logs a warning when it is imported
                    convert = step.run
                convert(recipe.only(step.sections), paths, partial)
                step.require_written(partial)
                partial.rename(folder)
        return folder
