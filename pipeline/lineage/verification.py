"""`segline verify`: read every file of a workspace again and compare it with what was published.

Raw files are left out: they are the user's, and may change. The next ingest detects changes in them, and the store
keeps the digest of each artifact's inputs (`segline lineage`).
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.lineage.history import open_store
from pipeline.orchestration.promotion import ORIGIN
from pipeline.workspace import digest, json_file
from pipeline.workspace.layout import SEAL, Workspace, read_seal
from pipeline.workspace.store import Row

MAX_NAMED = 8
"""Damaged files of one artifact that are named; the others are counted."""


@dataclass(frozen=True)
class Finding:
    """The state of one artifact, served version or link.

    Attributes:
        uri: Its path in the workspace.
        files, bytes: Number and size of the files that were read.
        problems: What is wrong with it, a line each; empty if it is intact.
    """

    uri: str
    files: int
    bytes: int
    problems: tuple[str, ...]


def verify(workspace: Workspace) -> Iterator[Finding]:
    """Read every published artifact and every served version again, and compare with the recorded digests.

    Yields:
        One finding for the store, each artifact and each damaged link of a run, as they are checked.

    Raises:
        UserError: The workspace has no store.
    """
    store = open_store(workspace)
    yield Finding(workspace.store.name, 1, workspace.store.stat().st_size, tuple(store.damage()))
    rows = {row["uri"]: row for row in store.live()}  # of two rows with one path, the newer one counts
    store.close()
    for row in rows.values():
        yield _artifact(workspace, row)
    for folder in _unknown(workspace, rows):
        yield Finding(workspace.relative(folder), 0, 0, ("is sealed, but not in the store",))
    for link in sorted((workspace.root / "runs").glob("*/*")):
        if link.is_symlink() and not link.exists():
            yield Finding(workspace.relative(link.parent) + f"/{link.name}", 0, 0, ("is a broken link",))


def require_sound(findings: list[Finding]) -> None:
    """Raise UserError if anything is wrong; its text says how to repair each kind."""
    bad = [finding for finding in findings if finding.problems]
    if bad:
        raise UserError(
            "\n".join(
                [
                    f"{len(bad)} of {len(findings)} are not what was published:",
                    *(f"  {finding.uri}: {problem}" for finding in bad for problem in finding.problems),
                    "Remove a damaged folder under artifacts/, or run again with --rerun STEP: it is made again. "
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
        recorded = (json_file.read(folder / ORIGIN) if served else read_seal(folder)).get("files")
    except (OSError, ValueError, UserError):
        return Finding(uri, 0, 0, (f"{ORIGIN if served else SEAL} is damaged or not there",))
    manifest = _manifest(folder, ORIGIN.as_posix() if served else SEAL)
    size = sum(size for size, _, _ in manifest.values())
    if digest.digest(manifest) == row["digest"]:
        return Finding(uri, len(manifest), size, ())
    problems = _differences(recorded or {}, {name: content for name, (_, _, content) in manifest.items()})
    return Finding(uri, len(manifest), size, tuple(problems or ["its contents are not those that the store recorded"]))


def _differences(recorded: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    """Name the files that are damaged, missing or added; both mappings are {file: digest}."""
    problems = [
        f"{name} {'is missing' if name not in present else 'is damaged'}"
        for name in recorded
        if present.get(name) != recorded[name]
    ]
    problems += [f"{name} was added" for name in present if name not in recorded] if recorded else []
    more = len(problems) - MAX_NAMED
    return [*problems[:MAX_NAMED], *([f"and {more} more files"] if more > 0 else [])]


def _manifest(folder: Path, without: str) -> digest.Manifest:
    """Return what digest.manifest returns, reading several files at a time: hashing releases the interpreter lock."""
    paths = [path for path in digest.files(folder) if path.relative_to(folder).as_posix() != without]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        contents = pool.map(digest.file_digest, paths)
        return {
            path.relative_to(folder).as_posix(): (path.stat().st_size, 0, content)
            for path, content in zip(paths, contents, strict=True)
        }


def _unknown(workspace: Workspace, rows: Mapping[str, Row]) -> list[Path]:
    """Return complete artifacts without a row: the store is a new one, or a run was killed before it wrote the row."""
    sealed = sorted(seal.parent for seal in (workspace.root / "artifacts").glob(f"*/*/{SEAL}"))
    return [folder for folder in sealed if folder.suffix != ".partial" and workspace.relative(folder) not in rows]
