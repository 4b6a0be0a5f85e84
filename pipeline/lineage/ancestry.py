"""`segline lineage PATH`: trace a served model, or any artifact, back to the raw files. Imports no library."""

from pathlib import Path

from pipeline.errors import UserError
from pipeline.lineage.history import open_store
from pipeline.orchestration import shared_lineage
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Row, Store
from pipeline.workspace.store_file import read_json


def lines(workspace: Workspace, path: Path) -> list[str]:
    """Describe where `path` came from: each artifact, the run that made it, and, indented below, its inputs.

    Args:
        workspace: The workspace whose store is read.
        path: A served version, an artifact, or any file in one.

    Raises:
        UserError: The store does not list the path.
    """
    store = open_store(workspace)
    try:
        return _described(store, _artifact_of(workspace, store, path))
    finally:
        store.close()


def merged_lines(workspace: Workspace, place: str) -> list[str]:
    """Describe where something came from that any of the workspaces made which share their results.

    Args:
        workspace: One of them, which may be empty.
        place: A path in it; a path of another one, with its name before it; or the URL of an uploaded model. Empty:
            list all served models.

    Raises:
        UserError: None of them lists it, or no storage is shared.
        Unreachable: The storage is out of reach.
    """
    store = shared_lineage.merged(workspace)
    try:
        if not place:
            rows = store.rows("SELECT * FROM artifacts WHERE kind = 'served' AND state = 'live' ORDER BY created, id")
            makers = [(row, store.producer(row["id"])) for row in rows]
            return [f"{row['uri']}  run {maker['run']}" for row, maker in makers if maker]
        if "://" in place:
            return _described(store, shared_lineage.uploaded_model(store, place))
        return _described(store, store.artifact(place) or _artifact_of(workspace, store, Path(place)))
    finally:
        store.close()


def _described(store: Store, artifact: Row) -> list[str]:
    described: list[str] = []
    _trace(store, artifact, described, "", set())
    return described


def _artifact_of(workspace: Workspace, store: Store, path: Path) -> Row:
    """Return the store's row of the artifact that `path` is or lies in."""
    for folder in (path.resolve(), *path.resolve().parents):
        if row := store.artifact(workspace.relative(folder)):
            if folder.is_dir() and not path.exists():
                raise UserError(f"There is no {path.resolve().relative_to(folder)} in {folder}.")
            return row
    exists = "" if path.exists() else " There is no such file or folder."
    raise UserError(
        f"The store of {workspace.root} does not list {str(path)!r}.{exists} "
        "It lists serving/<name>/<version> and artifacts/<step>/<fingerprint>, and all files in them."
    )


def _trace(store: Store, artifact: Row, lines: list[str], indent: str, seen: set[str]) -> None:
    """Append to `lines` an artifact, the run that made it and its inputs; one in `seen` is only named."""
    repeated = f"artifact {artifact['id']}" in seen
    lines.append(f"{indent}{artifact['kind']}  {artifact['uri']}{'  (see above)' if repeated else ''}")
    if repeated:
        return
    seen.add(f"artifact {artifact['id']}")
    indent += "  "
    lines.append(f"{indent}sha256 {artifact['digest']}")
    producer = store.producer(artifact["id"])
    if producer is None:
        return
    inputs = store.inputs(producer["id"])
    fetched = [row["uri"] for row in inputs if row["kind"] == "shared"]
    for url in fetched:
        lines += [f"{indent}from      {url}", f"{indent}          {producer['reason']}"]
    owner = artifact["uri"].partition(":")[0] + ":" if ":" in artifact["uri"] else ""  # another workspace
    lines += [f"{indent}{line}" for line in _run(producer, "fetched   by" if fetched else "made by  ", owner, seen)]
    fingerprint = read_json(producer["fingerprint"])
    for name, digest in fingerprint.get("inputs", {}).items():
        if "." in name:  # a key of the recipe, which names a file
            lines += [f"{indent}{name}", f"{indent}  sha256 {digest}"]
    libraries = fingerprint.get("libraries", {})
    lines += _wrap(f"{indent}libraries ", [f"{name} {version}" for name, version in sorted(libraries.items())])
    made = shared_lineage.maker_of(store, artifact["digest"]) if fetched else None
    for row in [made] if made else [row for row in inputs if row["kind"] != "shared"]:
        _trace(store, row, lines, indent, seen)


def _run(producer: Row, verb: str, owner: str, seen: set[str]) -> list[str]:
    """Describe a run in full at its first mention, later by name; `owner` stands before its path."""
    lines = [f"{verb} run {producer['run']}"]
    if f"run {producer['run']}" not in seen:
        seen.add(f"run {producer['run']}")
        lines += [f"recipe    {owner}runs/{producer['run']}/recipe.yaml", f"code      {producer['code']}"]
        lines += [f"command   {producer['command']}"]
    return lines


def _wrap(head: str, words: list[str]) -> list[str]:
    """Wrap words after a head at 80 columns; no words, no line."""
    lines = [head] if words else []
    for number, word in enumerate(words):
        word += "," if number < len(words) - 1 else ""
        if len(lines[-1]) + len(word) > 80:
            lines.append(" " * len(head))
        lines[-1] += word + " "
    return [line.rstrip() for line in lines]
