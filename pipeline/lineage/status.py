"""`segline status`: runs and their steps, with the reason why a step was not reused. Imports no library."""

import time

from pipeline.console.terminal import duration, when
from pipeline.orchestration import recovery
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Row, Store


def lines(workspace: Workspace, limit: int) -> list[str]:
    """Describe the newest `limit` runs and their steps in lines of at most 80 columns, newest first."""
    if not workspace.store.exists() and workspace.holds_results:
        return [f"The store of {workspace.root} is gone, and with it the list of runs. `segline recover` rebuilds it."]
    if not workspace.store.exists():
        return [f"Nothing has run in {workspace.root} yet. Begin with: segline run RECIPE"]
    store = Store.reading(workspace.store)
    recovery.mark_killed(workspace, store)
    described: list[str] = []
    for run in store.runs(limit):
        described.append(f"{run['id']}  {run['state']}  {when(run['started'])}, {_duration(run)}")
        for execution in store.executions(run["id"]):
            described += _execution(workspace, execution)
    store.close()
    return described


def _execution(workspace: Workspace, execution: Row) -> list[str]:
    state = execution["state"]
    head = f"  {execution['step']:<9} {state:<11} "
    if state == "reused":
        return [head.rstrip()]
    text = _cut(execution["reason"], 80 - len(head) - 10)
    described = [f"{head}{_duration(execution):>8}  {text}"]
    if state == "running":
        described.append(f"  {'':<9} by {lock.holder(workspace.lock(execution['step'], execution['key']))}")
    elif execution["error"]:
        described += [f"  {'':<9} {_cut(line, 68)}" for line in execution["error"].splitlines()[:3]]
    return described


def _duration(row: Row) -> str:
    if row["finished"] is None:
        return f"{duration(time.time() - row['started'])} so far"
    return duration(row["finished"] - row["started"])


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
