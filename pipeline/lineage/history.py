"""`segline runs`: every run of a workspace, what came of it, and whether it is served. Imports no library."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.errors import UserError
from pipeline.lineage.status import duration
from pipeline.orchestration import recovery
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Row, Store


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        id, recipe, command, code, state: As the store has them.
        started, finished: Seconds since 1970; finished is None where no end was recorded.
        folder: Whether runs/<id>/ is still there; `segline gc` may have removed it.
        artifacts: {step: address}, what the run made or reused.
        figures: What the store kept of its evaluation (see properties.py); {} where it has none.
        served: Addresses under serving/ that came of it.
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
    """Give the newest runs, newest first; -1: all.

    Raises:
        UserError: Nothing has run in this workspace.
    """
    store = open_store(workspace)
    recovery.mark_killed(workspace, store)
    found = [_run(workspace, store, row) for row in store.runs(limit)]
    store.close()
    return found


def open_store(workspace: Workspace) -> Store:
    """Open the store of a workspace in which something has run.

    Raises:
        UserError: There is none; it is not made.
    """
    if not workspace.store.is_file():
        raise UserError(missing(workspace))
    return Store(workspace.store)


def missing(workspace: Workspace) -> str:
    """Say that there is no store, and what to do."""
    if workspace.holds_results:
        return (
            f"{workspace.root} holds results, but its store.sqlite is gone. Put it back; or give `segline run` again: "
            "it writes a new store, and reuses what is finished."
        )
    return f"{workspace.root} holds no store.sqlite. Name the workspace: --workspace DIR."


def find(workspace: Workspace, name: str) -> Run:
    """Give the run of this name, or the one run whose name begins with it.

    Raises:
        UserError: There is none, or several begin so.
    """
    every = runs(workspace)
    near = [run for run in every if run.id == name] or [run for run in every if run.id.startswith(name)]
    if len(near) == 1:
        return near[0]
    if near:
        raise UserError(f"{len(near)} runs begin with {name!r}: {', '.join(run.id for run in near[:5])} ...")
    newest = f" The newest: {', '.join(run.id for run in every[:3])}." if every else ""
    raise UserError(f"There is no run {name!r} in {workspace.root}.{newest} `segline runs` lists them.")


def lines(found: Sequence[Run]) -> list[str]:
    """Say it as a table of at most 80 columns, unless a name is longer."""
    if not found:
        return ["no run"]
    rows = [(run.id, run.state, _took(run)) for run in found]
    name, state, took = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        f"{row[0]:<{name}}  {row[1]:<{state}}  {row[2]:>{took}}  {_came_of(run)}".rstrip()
        for run, row in zip(found, rows, strict=True)
    ]


def to_json(found: Sequence[Run]) -> str:
    """Say it as JSON; times as in ISO 8601, UTC."""
    return json.dumps([_plain(run) for run in found], indent=2)


def _run(workspace: Workspace, store: Store, row: Row) -> Run:
    outputs = store.outputs(row["id"])
    evaluations = [output for output in outputs if output["kind"] == "evaluate"]
    fields = {key: row[key] for key in ("id", "recipe", "command", "code", "state", "started", "finished")}
    return Run(
        **fields,
        folder=workspace.run(row["id"]).is_dir(),
        artifacts={output["kind"]: output["uri"] for output in outputs if output["kind"] != "served"},
        figures=json.loads(evaluations[-1]["properties"]) if evaluations else {},
        served=[output["uri"] for output in outputs if output["kind"] == "served"],
    )


def _took(run: Run) -> str:
    return duration(run.finished - run.started) if run.finished else ""


def _came_of(run: Run) -> str:
    """The mIoU, and what it serves, or that its folder is no more."""
    miou = run.figures.get("miou")
    figure = f"mIoU {miou:.4f}" if miou is not None else " " * 11
    return "  ".join([figure, *(run.served[-1:] or ([] if run.folder else ["(removed)"]))])


def _plain(run: Run) -> dict[str, Any]:
    times = {key: _iso(value) for key in ("started", "finished") if (value := getattr(run, key)) is not None}
    return {**asdict(run), **times}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
