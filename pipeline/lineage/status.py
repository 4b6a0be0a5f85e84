"""`segline status`: what is running, what ran, with what result, and why a step was not reused. Imports no library."""

import time

from pipeline.orchestration import recovery
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Row, Store


def lines(workspace: Workspace, limit: int) -> list[str]:
    """Say in lines of at most 80 columns what the newest `limit` runs did; the newest run comes first."""
    if not workspace.store.is_file() and workspace.holds_results:
        return [f"The store of {workspace.root} is gone: what ran is not known. `segline run` writes a new one."]
    if not workspace.store.is_file():
        return [f"Nothing has run in {workspace.root} yet. Begin with: segline run RECIPE"]
    store = Store(workspace.store)
    recovery.mark_killed(workspace, store)
    said: list[str] = []
    for run in store.runs(limit):
        said += [f"{run['id']}  {run['state']}  {when(run['started'])}{_took(run)}"]
        for execution in store.executions(run["id"]):
            said += _execution(workspace, execution)
    store.close()
    return said


def _execution(workspace: Workspace, execution: Row) -> list[str]:
    state = execution["state"]
    head = f"  {execution['step']:<9} {state:<11} "
    if state == "reused":
        return [head.rstrip()]
    text = _cut(execution["reason"], 80 - len(head) - 10)
    said = [f"{head}{_took(execution).lstrip(', '):>8}  {text}"]
    if state == "running":
        said.append(f"  {'':<9} by {lock.holder(workspace.lock(execution['step'], execution['key']))}")
    elif execution["error"]:
        said += [f"  {'':<9} {_cut(line, 68)}" for line in execution["error"].splitlines()[:3]]
    return said


def when(seconds: float) -> str:
    """Say a moment in local time, 2026-07-05 02:30:00."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _took(row: Row) -> str:
    if row["finished"] is None:
        return f", {duration(time.time() - row['started'])} so far"
    return f", {duration(row['finished'] - row['started'])}"


def duration(seconds: float) -> str:
    """Say a time span as a person would: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
