"""Runs and steps that the store calls running but that no living process holds: they were killed."""

from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store


def mark_killed(workspace: Workspace, store: Store, but: str | None = None) -> None:
    """Record as killed what was: a living run holds its run's lock, a living step its slot's.

    Run `but` is left alone: its own process asks.
    """
    for run in store.running():
        if run["id"] != but and not lock.is_held(workspace.run_lock(run["id"])):
            store.end_run(run["id"], "killed")
    for execution in store.executing():
        if not lock.is_held(workspace.lock(execution["step"], execution["key"])):
            store.end(execution["id"], "killed", "its process ended without a word (kill -9, or out of memory)")
