"""The lineage of workspaces that share their results: a file for each run, on the shared storage.

    SEGLINE_ARTIFACTS=s3://bucket/prefix      <prefix>/lineage/<workspace>/<run>.json

A workspace writes only files of its own, each whole, so that hosts need not agree on anything. Who asks where a model
came from reads all of them (`segline lineage --merge`); no store takes over what another one holds.
"""

import json
import secrets
import socket
import sqlite3
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import Unreachable, UserError
from pipeline.orchestration import served_origin
from pipeline.storage import connection
from pipeline.workspace import digest, sealed_json, store_file
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Row, Store
from pipeline.workspace.store_file import read_json

FOLDER = "lineage"
"""On the shared storage, beside the folders of the steps, none of which has this name."""

RUN = ("id", "recipe", "command", "code", "started", "finished")
"""What is uploaded of a run."""

ENDED = ("done", "reused")
"""States of executions that say where something came from; the others stay in their workspace."""


def give(workspace: Workspace, store: Store, run: str) -> None:
    """Upload the lineage of a run, and of earlier runs that are not there; nothing without a shared storage.

    A storage that is out of reach is named, and no error: the next run uploads what is missing.

    Raises:
        UserError: The storage may not be written, or its library is not installed.
    """
    if not workspace.shared:
        return
    target = f"{workspace.shared}/{FOLDER}/{_name(workspace)}"
    try:
        with connection.translate_errors(target):
            system, root = connection.connect(target)
            there = {PurePosixPath(path).stem for path in connection.below(system, root)}
            for row in store.runs(-1):
                if row["id"] == run or row["id"] not in there:
                    text = json.dumps(_document(store, row), ensure_ascii=False)
                    system.pipe_file(f"{root}/{row['id']}.json", text.encode())
    except Unreachable as error:
        print(f"lineage   is uploaded by the next run: {error}")


def merged(workspace: Workspace) -> Store:
    """Return a store in memory: a copy of this workspace's, with what the others have uploaded.

    Paths of another workspace have its name before them: gpu1-3fa09c12:serving/demo/3.

    Raises:
        UserError: The environment names no shared storage, or as `give`.
        Unreachable: The storage is out of reach.
    """
    if not workspace.shared:
        raise UserError(
            "--merge reads the lineage of all workspaces that share their results, and SEGLINE_ARTIFACTS names no "
            "storage. Set it to a URL such as s3://bucket/segline."
        )
    path, own = workspace.store, _known_name(workspace)
    memory = store_file.in_memory(path) if path.is_file() else sqlite3.connect(":memory:", isolation_level=None)
    store, place = Store(path, memory), f"{workspace.shared}/{FOLDER}"
    with connection.translate_errors(place):
        system, root = connection.connect(place)
        others = [folder for folder in connection.below(system, root) if PurePosixPath(folder).name != own]
        files = [file for folder in others for file in connection.below(system, folder)]
        for file, content in zip(files, connection.parallel_map(system.cat_file, files), strict=True):
            try:
                _add(store, PurePosixPath(file).parent.name, json.loads(content))
            except (ValueError, KeyError, TypeError) as error:
                url = f"{place}/{PurePosixPath(file).parent.name}/{PurePosixPath(file).name}"
                raise UserError(
                    f"{url} is damaged: {error!r}. Remove it: its workspace's next run writes it."
                ) from None
    return store


def uploaded_model(store: Store, url: str) -> Row:
    """Return the artifact that an uploaded model is: <export.url>/<name>/<version>.

    Raises:
        UserError: There is no model of Segline's, or no workspace has uploaded its lineage.
        Unreachable: The storage is out of reach.
    """
    with connection.translate_errors(url):
        system, root = connection.connect(url)
        content = system.cat_file(f"{root}/{served_origin.ORIGIN.as_posix()}")
    try:
        contents = digest.of_contents(sealed_json.parse(content)["files"])
    except (ValueError, KeyError) as error:
        raise UserError(f"{url}/{served_origin.ORIGIN} is damaged, or of an older Segline: {error!r}.") from None
    rows = store.rows("SELECT * FROM artifacts WHERE kind = 'served' AND digest = ? ORDER BY id LIMIT 1", contents)
    if not rows:
        raise UserError(
            f"No workspace has uploaded the lineage of {url}: the next run of the one that made it does so."
        )
    return rows[0]


def maker_of(store: Store, contents: str) -> Row | None:
    """Return the artifact with these contents that some workspace made, and did not fetch; None: nobody says so."""
    rows = store.rows(
        "SELECT artifacts.* FROM artifacts JOIN events ON artifact = artifacts.id AND direction = 'output' "
        "JOIN executions ON executions.id = execution AND executions.state = 'done' "
        "WHERE digest = ? AND executions.id NOT IN (SELECT execution FROM events "
        "JOIN artifacts ON artifacts.id = artifact WHERE direction = 'input' AND kind = 'shared') "
        "ORDER BY executions.id LIMIT 1",
        contents,
    )
    return rows[0] if rows else None


def _document(store: Store, run: Row) -> dict[str, Any]:
    """Return what others need to know of a run."""
    executions = []
    for row in store.executions(run["id"]):
        if row["state"] in ENDED:
            facts = {key: row[key] for key in ("step", "state", "reason", "key", "fingerprint", "finished")}
            linked = {way: list(map(_plain, store.linked(row["id"], way))) for way in ("input", "output")}
            executions.append({**facts, **linked})
    return {"run": {key: run[key] for key in RUN}, "executions": executions}


def _plain(artifact: Row) -> dict[str, Any]:
    facts = {key: artifact[key] for key in ("name", "kind", "uri", "digest")}
    return {**facts, "properties": read_json(artifact["properties"])}


def _add(store: Store, name: str, document: dict[str, Any]) -> None:
    with store.transaction():
        store.restore_run({key: document["run"][key] for key in RUN})
        for execution in document["executions"]:
            facts = [execution[key] for key in ("step", "state", "key", "fingerprint", "finished", "reason")]
            number = store.restore(document["run"]["id"], *facts)
            for way in ("input", "output"):
                for artifact in execution[way]:
                    uri = artifact["uri"] if "://" in artifact["uri"] else f"{name}:{artifact['uri']}"
                    given = artifact["name"], artifact["kind"], uri, artifact["digest"], artifact["properties"]
                    store.link(number, way, *given)


def _name(workspace: Workspace) -> str:
    """Return the name of a workspace on the storage: where it was first used, and what tells two of a host apart."""
    if name := _known_name(workspace):
        return name
    name = f"{socket.gethostname()}-{secrets.token_hex(4)}"
    digest.write_atomically(workspace.shared_name, name + "\n")
    return name


def _known_name(workspace: Workspace) -> str:
    """Return that name; empty where nothing was uploaded from here yet."""
    try:
        return workspace.shared_name.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
