"""`segline runs`: every run of a workspace with its metrics, and which is served. Imports no library."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.config.step_names import EVALUATE
from pipeline.console.terminal import duration
from pipeline.errors import UserError
from pipeline.orchestration import recovery
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Row, Store
from pipeline.workspace.store_file import read_json


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        id, recipe, command, code, state: As recorded in the store.
        started, finished: Seconds since 1970; finished is None if no end was recorded.
        folder: Whether runs/<id>/ still exists; `segline gc` may have removed it.
        artifacts: {step: path in the workspace} of what the run made or reused.
        figures: Metrics of its evaluation (see pipeline/workspace/properties.py); {} if it has none.
        served: Paths under serving/ that the run promoted.
    """

    id: str
    recipe: str
    command: str
    code: str
    state: str
    started: float
    finished: float | None
    folder: bool
    artifacts: dict[str, str]
    figures: dict[str, Any]
    served: list[str]


def runs(workspace: Workspace, limit: int = -1) -> list[Run]:
    """Return the newest `limit` runs, newest first; -1: all.

    Raises:
        UserError: Nothing has run in this workspace.
    """
    store = open_store(workspace)
    recovery.mark_killed(workspace, store)
    newest = [_run(workspace, store, row) for row in store.runs(limit)]
    store.close()
    return newest


def open_store(workspace: Workspace) -> Store:
    """Open the store of a workspace; create none. One that may not be written is read from a copy in memory.

    Raises:
        UserError: There is none: nothing has run in this workspace.
        StoreError: It is damaged.
    """
    if not workspace.store.exists():
        raise UserError(_missing(workspace))
    return Store.reading(workspace.store)


def _missing(workspace: Workspace) -> str:
    if workspace.holds_results:
        return (
            f"{workspace.root} holds results, but its store.sqlite is gone. Put it back; or use `segline recover`, "
            "which writes a new one from the seals of the results. `segline run` too writes a new one, and reuses them."
        )
    return f"{workspace.root} holds no store.sqlite. Name the workspace: --workspace DIR."


def find_run(workspace: Workspace, name: str) -> Run:
    """Return the run of this name, or the only run whose name begins with it.

    Raises:
        UserError: There is none, or several names begin with it.
    """
    known = runs(workspace)
    matches = [run for run in known if run.id == name] or [run for run in known if run.id.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UserError(f"{len(matches)} runs begin with {name!r}: {', '.join(run.id for run in matches[:5])} ...")
    newest = f" The newest: {', '.join(run.id for run in known[:3])}." if known else ""
    raise UserError(f"There is no run {name!r} in {workspace.root}.{newest} `segline runs` lists them.")


def lines(listed: Sequence[Run]) -> list[str]:
    """Lay out runs as a table of at most 80 columns, unless a name is longer."""
    if not listed:
        return ["no run"]
    rows = [(run.id, run.state, _duration(run)) for run in listed]
    name, state, took = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        f"{row[0]:<{name}}  {row[1]:<{state}}  {row[2]:>{took}}  {_result(run)}".rstrip()
        for run, row in zip(listed, rows, strict=True)
    ]


def to_json(listed: Sequence[Run]) -> str:
    """Format runs as JSON; times in ISO 8601, UTC."""
    return json.dumps([_plain(run) for run in listed], indent=2)


def _run(workspace: Workspace, store: Store, row: Row) -> Run:
    outputs = store.outputs(row["id"])
    evaluations = [output for output in outputs if output["kind"] == EVALUATE]
    fields = {key: row[key] for key in ("id", "recipe", "command", "code", "state", "started", "finished")}
    return Run(
        **fields,
        folder=workspace.run(row["id"]).is_dir(),
        artifacts={output["kind"]: output["uri"] for output in outputs if output["kind"] != "served"},
        figures=read_json(evaluations[-1]["properties"]) if evaluations else {},
        served=[output["uri"] for output in outputs if output["kind"] == "served"],
    )


def _duration(run: Run) -> str:
    return duration(run.finished - run.started) if run.finished else ""


def _result(run: Run) -> str:
    """The mIoU and the version served, or a note that the folder was removed."""
    miou = run.figures.get("miou")
    metric = f"mIoU {miou:.4f}" if miou is not None else " " * 11
    return "  ".join([metric, *(run.served[-1:] or ([] if run.folder else ["(removed)"]))])


def _plain(run: Run) -> dict[str, Any]:
    times = {key: _iso(value) for key in ("started", "finished") if (value := getattr(run, key)) is not None}
    return {**asdict(run), **times}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
