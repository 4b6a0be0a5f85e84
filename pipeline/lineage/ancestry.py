"""`segline lineage PATH`: from a served model, or any artifact, back to the raw files. Imports no library."""

import json
from pathlib import Path

from pipeline.errors import UserError
from pipeline.lineage.history import open_store
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Row, Store


def lines(workspace: Workspace, path: Path) -> list[str]:
    """Say where `path` came from: each artifact under the one it was made for, with what made it.

    Args:
        workspace: Where its store is.
        path: A served version, an artifact, or any file in one.

    Raises:
        UserError: The store does not know the path.
    """
    store = open_store(workspace)
    found = _known(workspace, store, path)
    said: list[str] = []
    _trace(store, found, said, "", set())
    store.close()
    return said


def _known(workspace: Workspace, store: Store, path: Path) -> Row:
    for folder in (path.resolve(), *path.resolve().parents):
        if row := store.artifact(workspace.relative(folder)):
            if folder.is_dir() and not path.exists():
                raise UserError(f"There is no {path.resolve().relative_to(folder)} in {folder}.")
            return row
    exists = "" if path.exists() else " There is no such file or folder."
    raise UserError(
        f"The store of {workspace.root} does not know {str(path)!r}.{exists} "
        "It knows serving/<name>/<version> and artifacts/<step>/<fingerprint>, and all files in them."
    )


def _trace(store: Store, artifact: Row, said: list[str], indent: str, seen: set[str]) -> None:
    """Tell an artifact, what made it, and what went into that; what was told before is only named."""
    again = f"artifact {artifact['id']}" in seen
    said.append(f"{indent}{artifact['kind']}  {artifact['uri']}{'  (see above)' if again else ''}")
    if again:
        return
    seen.add(f"artifact {artifact['id']}")
    indent += "  "
    said.append(f"{indent}sha256 {artifact['digest']}")
    producer = store.producer(artifact["id"])
    if producer is None:
        return
    inputs = store.inputs(producer["id"])
    fetched = [row["uri"] for row in inputs if row["kind"] == "shared"]
    for url in fetched:
        said += [f"{indent}from      {url}", f"{indent}          {producer['reason']}"]
    said += [f"{indent}{line}" for line in _run(producer, "fetched   by" if fetched else "made by  ", seen)]
    fingerprint = json.loads(producer["fingerprint"])
    for name, digest in fingerprint.get("inputs", {}).items():
        if "." in name:  # a key of the recipe, which names a file
            said += [f"{indent}{name}", f"{indent}  sha256 {digest}"]
    libraries = fingerprint.get("libraries", {})
    said += _wrap(f"{indent}libraries ", [f"{name} {version}" for name, version in sorted(libraries.items())])
    for row in inputs:
        if row["kind"] != "shared":
            _trace(store, row, said, indent, seen)


def _run(producer: Row, did: str, seen: set[str]) -> list[str]:
    """Tell a run in full at its first mention, later by name."""
    lines = [f"{did} run {producer['run']}"]
    if f"run {producer['run']}" not in seen:
        seen.add(f"run {producer['run']}")
        lines += [f"recipe    runs/{producer['run']}/recipe.yaml", f"code      {producer['code']}"]
        lines += [f"command   {producer['command']}"]
    return lines


def _wrap(head: str, words: list[str]) -> list[str]:
    """Lay out words after a head in lines of at most 80 columns; no words, no line."""
    said = [head] if words else []
    for number, word in enumerate(words):
        word += "," if number < len(words) - 1 else ""
        if len(said[-1]) + len(word) > 80:
            said.append(" " * (len(head)))
        said[-1] += word + " "
    return [line.rstrip() for line in said]
