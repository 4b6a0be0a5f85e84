"""What killed runs and steps leave behind: records that call them running, and half-made folders."""

import shutil

from pipeline.orchestration.graph import STEPS
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store


def mark_killed(workspace: Workspace, store: Store, but: str | None = None) -> None:
    """Record as killed every run and step that no living process holds the lock of.

    Args:
        workspace: Where the locks are: a living run holds its run's lock, a living step that of its slot.
        store: Where they are recorded.
        but: Run that is left as it is: the caller's own.
    """
    for run in store.running():
        if run["id"] != but and not lock.is_held(workspace.run_lock(run["id"])):
            store.end_run(run["id"], "killed")
    for execution in store.executing():
        if not lock.is_held(workspace.lock(execution["step"], execution["key"])):
            store.end(execution["id"], "killed", "its process ended without a word (kill -9, or out of memory)")


def remove_partial(workspace: Workspace) -> None:
    """Remove folders of killed steps that cannot be resumed; a living step holds its slot's lock."""
    for step in STEPS:
        for partial in workspace.partials(step.name) if not step.resumes else []:
            if not lock.is_held(workspace.lock(step.name, partial.stem)):
                shutil.rmtree(partial, ignore_errors=True)
