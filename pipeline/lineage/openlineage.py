"""Export the lineage as OpenLineage run events, one JSON object a line, for Marquez, DataHub and others.

Specification: https://openlineage.io/spec/2-0-2/OpenLineage.json. Ids are UUID 5 of names, so that the same store
exports the same file.
"""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.lineage.history import open_store
from pipeline.workspace.digest import write_atomically
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Row, Store

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = "https://openlineage.io/spec/facets"
PRODUCER = "https://github.com/segline/segline"
NAMESPACE = "segline"

ENDS = {"done": "COMPLETE", "reused": "COMPLETE", "failed": "FAIL", "refused": "FAIL"}
"""State of an execution -> type of its last event; killed and interrupted: ABORT; running: none yet."""


def export(workspace: Workspace, file: Path) -> int:
    """Write the events of every execution in the store, in the order of time; return their number.

    Raises:
        UserError: Nothing has run in this workspace.
    """
    store = open_store(workspace)
    events = sorted(_events(workspace, store), key=lambda event: event["eventTime"])
    store.close()
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events))
    return len(events)


def _events(workspace: Workspace, store: Store) -> Iterator[dict[str, Any]]:
    for run in reversed(store.runs(-1)):
        for execution in store.executions(run["id"]):
            event = {"producer": PRODUCER, "schemaURL": SCHEMA, "job": _job(run, execution)}
            inputs = [_dataset(workspace, row) for row in _inputs(store, execution)]
            outputs = [_dataset(workspace, row) for row in store.linked(execution["id"], "output")]
            start = {"eventType": "START", "eventTime": _time(execution["started"]), "run": _run(run, execution)}
            yield event | start | {"inputs": inputs, "outputs": []}
            if execution["finished"] is not None:
                end = {
                    "eventType": ENDS.get(execution["state"], "ABORT"),
                    "eventTime": _time(execution["finished"]),
                    "run": _run(run, execution, execution["error"]),
                }
                yield event | end | {"inputs": inputs, "outputs": outputs}


def _inputs(store: Store, execution: Row) -> list[Row]:
    """Return the inputs of an execution; for a reused result, those of the execution that made it."""
    if execution["state"] != "reused":
        return store.inputs(execution["id"])
    producers = [store.producer(row["id"]) for row in store.linked(execution["id"], "output")]
    return [row for producer in producers if producer for row in store.inputs(producer["id"])]


def _run(run: Row, execution: Row, error: str | None = None) -> dict[str, Any]:
    parent = {"run": {"runId": _id("run", run["id"])}, "job": {"namespace": NAMESPACE, "name": run["recipe"]}}
    facets = {
        "parent": _facet("1-2-0/ParentRunFacet", **parent),
        "processing_engine": _facet("1-1-1/ProcessingEngineRunFacet", version=run["code"], name="segline"),
    }
    if error:
        facets["errorMessage"] = _facet("1-0-1/ErrorMessageRunFacet", message=error, programmingLanguage="python")
    return {"runId": _id("execution", run["id"], str(execution["id"])), "facets": facets}


def _job(run: Row, execution: Row) -> dict[str, Any]:
    kind = _facet("2-0-4/JobTypeJobFacet", processingType="BATCH", integration="SEGLINE", jobType="TASK")
    return {"namespace": NAMESPACE, "name": f"{run['recipe']}.{execution['step']}", "facets": {"jobType": kind}}


def _dataset(workspace: Workspace, artifact: Row) -> dict[str, Any]:
    """Name a folder by its location (https://openlineage.io/docs/spec/naming), its version by its digest."""
    version = {"version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=artifact["digest"])}
    scheme, remote, rest = artifact["uri"].partition("://")
    if remote:
        bucket, _, name = rest.partition("/")
        return {"namespace": f"{scheme}://{bucket}", "name": name, "facets": version}
    return {"namespace": "file", "name": str(workspace.root.resolve() / artifact["uri"]), "facets": version}


def _facet(schema: str, **values: Any) -> dict[str, Any]:
    name = schema.partition("/")[2]
    return {"_producer": PRODUCER, "_schemaURL": f"{FACETS}/{schema}.json#/$defs/{name}", **values}


def _id(*names: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join([PRODUCER, *names])))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
