"""`segline verify`: is everything in a workspace still what was published? Every file is read again.

Raw files are not: they are the user's, and may change. The next ingest notices whatever has changed in them, and the
store keeps the digest of what each artifact was made of (`segline lineage`).
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.lineage.history import open_store
from pipeline.orchestration.promotion import ORIGIN
from pipeline.workspace import digest
from pipeline.workspace.json_file import read
from pipeline.workspace.layout import SEAL, Workspace, read_seal
from pipeline.workspace.store import Row

MOST = 8
"""Damaged files of one artifact that are named; the rest are counted."""


@dataclass(frozen=True)
class Finding:
    """What became of one thing that the store, or the workspace, says is there.

    Attributes:
        uri: Its address in the workspace.
        files, bytes: What was read again.
        problems: What is wrong with it, a line each; none where it is intact.
    """

    uri: str
    files: int
    bytes: int
    problems: tuple[str, ...]


def verify(workspace: Workspace) -> Iterator[Finding]:
    """Read every published artifact and every served version again, and compare with what was recorded.

    Yields:
        The store itself, each artifact, each link of a run, as they are checked.

    Raises:
        UserError: The workspace has no store.
    """
    store = open_store(workspace)
    yield Finding(workspace.store.name, 1, workspace.store.stat().st_size, tuple(store.damage()))
    rows = {row["uri"]: row for row in store.live()}  # of two at one address, the newer one is there
    store.close()
    for row in rows.values():
        yield _artifact(workspace, row)
    for folder in _unknown(workspace, rows):
        yield Finding(workspace.relative(folder), 0, 0, ("is sealed, but the store does not know it",))
    for link in sorted((workspace.root / "runs").glob("*/*")):
        if link.is_symlink() and not link.exists():
            yield Finding(workspace.relative(link.parent) + f"/{link.name}", 0, 0, ("points to what is not there",))


def require_sound(findings: list[Finding]) -> None:
    """Raise UserError if anything is wrong; the text says how to put each kind right."""
    bad = [finding for finding in findings if finding.problems]
    if bad:
        raise UserError(
            "\n".join(
                [
                    f"{len(bad)} of {len(findings)} are not what was published:",
                    *(f"  {finding.uri}: {problem}" for finding in bad for problem in finding.problems),
                    "Remove a damaged folder under artifacts/, or run again with --rerun STEP: it is then made anew. "
                    "Replace a damaged folder under serving/ by `segline promote` or `segline rollback`.",
                ]
            )
        )


def _artifact(workspace: Workspace, row: Row) -> Finding:
    uri, folder = row["uri"], workspace.root / row["uri"]
    if not folder.is_dir():
        return Finding(uri, 0, 0, ("is not there",))
    served = row["kind"] == "served"
    try:
        recorded = (read(folder / ORIGIN) if served else read_seal(folder)).get("files")
    except (OSError, ValueError, UserError):
        return Finding(uri, 0, 0, (f"{ORIGIN if served else SEAL} is damaged or not there",))
    found = _manifest(folder, ORIGIN.as_posix() if served else SEAL)
    contents = digest.digest(found)
    size = sum(size for size, _, _ in found.values())
    if contents == row["digest"]:
        return Finding(uri, len(found), size, ())
    problems = _named(recorded or {}, {name: content for name, (_, _, content) in found.items()})
    return Finding(uri, len(found), size, tuple(problems or ["its contents are not those that the store recorded"]))


def _named(recorded: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Name the files that are damaged, missing or strange."""
    problems = [
        f"{name} {'is missing' if name not in found else 'is damaged'}"
        for name in recorded
        if found.get(name) != recorded[name]
    ]
    problems += [f"{name} was added" for name in found if name not in recorded] if recorded else []
    return [*problems[:MOST], *([f"and {len(problems) - MOST} more files"] if len(problems) > MOST else [])]


def _manifest(folder: Path, without: str) -> digest.Manifest:
    """As digest.manifest, with several files read at a time: hashing frees the interpreter."""
    paths = [path for path in digest.files(folder) if path.relative_to(folder).as_posix() != without]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        contents = pool.map(digest.file_digest, paths)
        return {
            path.relative_to(folder).as_posix(): (path.stat().st_size, 0, content)
            for path, content in zip(paths, contents, strict=True)
        }


def _unknown(workspace: Workspace, rows: Mapping[str, Row]) -> list[Path]:
    """Complete artifacts that the store has no live row of: it is a new one, or a run was killed at the last moment."""
    sealed = sorted(seal.parent for seal in (workspace.root / "artifacts").glob(f"*/*/{SEAL}"))
    return [folder for folder in sealed if folder.suffix != ".partial" and workspace.relative(folder) not in rows]
