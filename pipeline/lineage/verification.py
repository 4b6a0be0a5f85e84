"""`segline verify`: read every file of a workspace again and hold digests, files, seals, store and links together.

Raw files are left out: they are the user's, and may change. The next ingest detects changes in them, and the store
keeps the digest of each artifact's inputs (`segline lineage`).
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config.step_names import EXPORT
from pipeline.errors import UserError
from pipeline.lineage.history import open_store
from pipeline.orchestration import served_origin
from pipeline.workspace import digest, integrity, lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.seal import SEAL, DamagedError, is_older, read_seal
from pipeline.workspace.store import Row, Store
from pipeline.workspace.store_file import read_json


@dataclass(frozen=True)
class Finding:
    """The state of one artifact, served version or link.

    Attributes:
        uri: Its path in the workspace.
        files, bytes: Number and size of the files that were read.
        problems: What is wrong with it, a line each; empty if it is intact.
        note: What else is to be known of it.
    """

    uri: str
    files: int
    bytes: int
    problems: tuple[str, ...]
    note: str = ""


def verify(workspace: Workspace) -> Iterator[Finding]:
    """Read every published artifact and every served version again, and compare with the recorded digests.

    Yields:
        One finding for the store, each artifact, each served version and each bad link of a run, as they are checked.

    Raises:
        UserError: The workspace has no store.
        StoreError: The store is so damaged that it cannot be read.
    """
    store = open_store(workspace)
    try:
        yield Finding(workspace.store.name, 1, workspace.store.stat().st_size, tuple(store.damage()))
        rows = _live(store)
        for row in rows.values():
            check = _served if row["kind"] == "served" else _artifact
            finding = check(workspace, store, row)
            yield _passed(finding) if finding.problems and _is_changing(workspace, store, row["uri"], row) else finding
        for folder in _unknown(workspace, rows):
            uri = workspace.relative(folder)
            is_recorded_now = lock.is_held(_slot(workspace, uri)) or _is_changing(workspace, store, uri, None)
            if folder.is_dir() and not is_recorded_now:
                yield Finding(uri, 0, 0, ("is complete, but not in the store",))
        yield from _links(workspace, store)
    finally:
        store.close()


def require_sound(findings: list[Finding]) -> None:
    """Raise UserError if anything is wrong; its text says how to repair each kind."""
    bad = [finding for finding in findings if finding.problems]
    if bad:
        raise UserError(
            "\n".join(
                [
                    f"{len(bad)} of {len(findings)} are not what was published:",
                    *(f"  {finding.uri}: {problem}" for finding in bad for problem in finding.problems),
                    "Remove a damaged folder under artifacts/ and run again: it is made again. Replace one under "
                    "serving/ by `segline promote RUN` or `segline rollback`, which make a new version, then remove "
                    "it; if its origin.json is damaged, move it away first. "
                    "Damage to the store, and what is not in it, is put right by `segline recover`.",
                ]
            )
        )


def _live(store: Store) -> dict[str, Row]:
    """Return {path: row} of what is published; of two rows with one path, the newer one counts."""
    return {row["uri"]: row for row in store.live()}


def _is_changing(workspace: Workspace, store: Store, uri: str, row: Row | None) -> bool:
    """Whether a run or `segline gc` has replaced or removed a result since its row was read, or `gc` works now."""
    now = _live(store).get(uri)
    return (now and now["digest"]) != (row and row["digest"]) or lock.is_held(workspace.in_use)


def _passed(finding: Finding) -> Finding:
    return replace(finding, problems=(), note="was replaced or removed while it was read")


def _slot(workspace: Workspace, uri: str) -> Path:
    """Return the lock under which a result is published and then recorded."""
    folder, key = Path(uri).parent, Path(uri).name
    served = uri.startswith("serving/")
    return workspace.root / folder / ".lock" if served else workspace.lock(folder.name, key.partition("-")[0])


def _artifact(workspace: Workspace, store: Store, row: Row) -> Finding:
    uri, folder = row["uri"], workspace.root / row["uri"]
    if not folder.is_dir():
        return Finding(uri, 0, 0, ("is not there",))
    try:
        seal = read_seal(folder)
    except DamagedError as error:
        return Finding(uri, 0, 0, (error.what,))
    problems, files, size = _compare(folder, SEAL, seal["files"], row)
    producer = store.producer(row["id"])
    if producer and read_json(producer["fingerprint"]) != seal["fingerprint"]:
        problems.append(f"{SEAL} has another fingerprint than the store")
    if seal["step"] != row["kind"]:
        problems.append(f"is a result of step {seal['step']}, and the store lists one of {row['kind']}")
    note = "an older seal, without a digest of itself" if is_older(seal) else ""
    return Finding(uri, files, size, tuple(problems), note)


def _served(workspace: Workspace, store: Store, row: Row) -> Finding:
    uri, folder = row["uri"], workspace.root / row["uri"]
    if not folder.is_dir():
        return Finding(uri, 0, 0, ("is not there",))
    try:
        origin = served_origin.read(folder)
    except DamagedError as error:
        return Finding(uri, 0, 0, (error.what,))
    if not origin:
        return Finding(uri, 0, 0, (f"{served_origin.ORIGIN} is not there",))
    problems, files, size = _compare(folder, served_origin.ORIGIN.as_posix(), origin.get("files", {}), row)
    producer = store.producer(row["id"])
    exports = [made["uri"] for made in store.inputs(producer["id"]) if made["name"] == EXPORT] if producer else []
    if exports and origin.get("export") not in exports:
        problems.append(f"{served_origin.ORIGIN} names {origin.get('export')}, and the store {exports[0]}")
    return Finding(uri, files, size, tuple(problems))


def _compare(folder: Path, without: str, recorded: Mapping[str, str], row: Row) -> tuple[list[str], int, int]:
    """Read a folder; return what differs from the recorded digests, the number of files and their bytes."""
    files = _manifest(folder, without)
    problems = integrity.differences(recorded, integrity.contents_of(files)) if recorded else []
    if not problems and digest.digest(files) != row["digest"]:
        problems = ["its contents are not those that the store recorded"]
    return problems, len(files), sum(size for size, _, _ in files.values())


def _manifest(folder: Path, without: str) -> digest.Manifest:
    """Return what digest.manifest returns, reading several files at a time: hashing releases the interpreter lock."""
    paths = [path for path in digest.files(folder) if path.relative_to(folder).as_posix() != without]

    def content(path: Path) -> tuple[int, int, str]:
        try:
            return path.stat().st_size, 0, digest.file_digest(path)
        except OSError:
            return 0, 0, digest.UNREADABLE

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        entries = pool.map(content, paths)
        return {path.relative_to(folder).as_posix(): entry for path, entry in zip(paths, entries, strict=True)}


def _unknown(workspace: Workspace, rows: Mapping[str, Row]) -> list[Path]:
    """Return what is complete and has no row: the store is a new one, or a run was killed before it wrote the row."""
    sealed = [seal.parent for seal in (workspace.root / "artifacts").glob(f"*/*/{SEAL}")]
    served = [workspace.serving / path.parts[-4] / path.parts[-3] for path in _origins(workspace)]
    complete = [path for path in sealed if path.suffix != ".partial" and not path.name.startswith(".")]
    return [path for path in sorted(complete + served) if workspace.relative(path) not in rows]


def _origins(workspace: Workspace) -> list[Path]:
    origins = workspace.serving.glob(f"*/*/{served_origin.ORIGIN}")
    return [path for path in origins if path.parts[-3].isdecimal()]


def _links(workspace: Workspace, store: Store) -> Iterator[Finding]:
    """Yield the links of runs that lead to nothing or elsewhere, and the results of runs that have none."""
    for run in sorted(path for path in (workspace.root / "runs").glob("[!.]*") if path.is_dir()):
        if wrong := _wrong_links(workspace, store, run):  # looked at twice: a run or gc may have been at work on it
            is_gone = lock.is_held(workspace.in_use) or not run.is_dir()
            again = [] if is_gone else _wrong_links(workspace, store, run)
            yield from (finding for finding in wrong if finding in again)


def _wrong_links(workspace: Workspace, store: Store, run: Path) -> list[Finding]:
    rows, name, wrong = _live(store), workspace.relative(run), {}
    made = {row["kind"]: row["uri"] for row in store.outputs(run.name) if row["uri"] in rows}
    for link in sorted(path for path in run.glob("[!.]*") if path.is_symlink()):
        target = workspace.relative(link)
        if not link.exists():
            wrong[link.name] = "is a broken link"
        elif (target not in rows or rows[target]["kind"] != link.name) and not lock.is_held(_slot(workspace, target)):
            wrong[link.name] = f"leads to {target}, which is no result of step {link.name} in the store"
    for kind, uri in made.items():
        if kind != "served" and not (run / kind).is_symlink():
            wrong[kind] = f"is missing: the run made or used {uri}"
    return [Finding(f"{name}/{kind}", 0, 0, (problem,)) for kind, problem in wrong.items()]
