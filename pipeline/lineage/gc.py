"""`segline gc`: remove what neither a kept run nor a served model needs.

Kept are the newest runs with everything they made or used, the ancestors of every version under serving/ back to the
records and, with keep_promoted, the runs that promoted them. The store still lists a removed artifact, with its
metrics. A folder is renamed to a hidden name before it is deleted: a kill leaves nothing that looks complete.
Of the cache, only the files that are hard links of removed records are deleted; the rest expires by itself
(datasets/shard_cache.py, pipeline/input/disk_cache.py).
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import UserError
from pipeline.lineage.history import open_store
from pipeline.orchestration import promotion, served_origin
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.seal import SEAL, read_seal
from pipeline.workspace.store import Store

HIDDEN = ".removed-"
"""Prefix of a folder that is being removed."""


@dataclass(frozen=True)
class Waste:
    """What may be removed.

    Attributes:
        artifacts: Published folders that nothing kept needs.
        partials: Unfinished folders that no living process holds and no kept run can resume.
        runs: Folders of runs, and of their reproductions, that are not kept and made nothing that is kept.
        links: Links to `artifacts`, of runs that are not kept but whose folders stay.
        cached: Files of the cache that are hard links of files of `artifacts`, and of nothing that stays.
        bytes: What removing all of it frees. A file that a served model shares (a hard link) frees nothing.
    """

    artifacts: tuple[Path, ...]
    partials: tuple[Path, ...]
    runs: tuple[Path, ...]
    links: tuple[Path, ...]
    cached: tuple[Path, ...]
    bytes: int

    @property
    def folders(self) -> tuple[Path, ...]:
        """All folders to remove, first those that an earlier gc has renamed: a new one may take the same name."""
        return self.partials + self.artifacts + self.runs


class _File(NamedTuple):
    """A file by its place on disk, its size in bytes, and its number of hard links."""

    device: int
    number: int
    size: int
    links: int


def find(workspace: Workspace, *, keep_last: int, keep_promoted: bool) -> Waste:
    """Return what may be removed; change nothing.

    Args:
        workspace: The workspace to search.
        keep_last: Number of runs to keep, the newest; at least 1.
        keep_promoted: Keep also every run that promoted a version that is still under serving/.

    Raises:
        UserError: keep_last is below 1, or nothing has run in this workspace.
    """
    if keep_last < 1:
        raise UserError(f"--keep-last must be at least 1. Received: {keep_last}.")
    store = open_store(workspace)
    origins = [served_origin.read(version) for version in _versions(workspace)]
    kept = _newest(workspace, store)[:keep_last]
    kept += [origin["run"] for origin in origins if keep_promoted and "run" in origin and origin["run"] not in kept]
    needed = {workspace.root / workspace.relative(target) for run in kept for target in _targets(workspace.run(run))}
    needed |= {workspace.root / origin[key] for origin in origins for key in ("export", "train") if key in origin}
    needed = _with_ancestors(workspace, store, needed)
    resumable = {(row["step"], row["key"]) for run in kept for row in store.executions(run)}
    store.close()
    published = [path for path in _folders(workspace) if path.suffix != ".partial" and not _is_hidden(path)]
    artifacts = tuple(path for path in published if path not in needed)
    makers = {read_seal(path)["run"] for path in published if path in needed and (path / SEAL).is_file()}
    partials = tuple(path for path in _partials(workspace) if (path.parent.name, path.stem) not in resumable)
    others = [path for path in _run_folders(workspace) if path.name not in kept]
    runs = tuple(path for path in others if path.name not in makers)
    reproduced = (workspace.root / "reproduced").glob("[!.]*")
    runs += tuple(path for path in reproduced if path.name.partition("+")[0] not in kept)
    links = tuple(link for path in others if path not in runs for link in _links(path, artifacts))
    folders = (*artifacts, *partials, *runs)
    cached = _cached(workspace, folders)
    return Waste(artifacts, partials, runs, links, cached, _freed((*folders, *cached)))


def collect(workspace: Workspace, waste: Waste) -> None:
    """Remove `waste` and record it in the store. The caller holds `workspace.in_use` exclusively."""
    store = open_store(workspace)
    for link in waste.links:
        link.unlink()
    for path in waste.cached:
        path.unlink(missing_ok=True)
    for folder in waste.folders:
        with suppress(OSError):
            workspace.checked(folder).unlink()
        if not _is_hidden(folder):
            uri = workspace.relative(folder)
            folder = folder.rename(folder.with_name(HIDDEN + folder.name))
            store.remove(uri)
        shutil.rmtree(folder)
    for row in store.live():  # artifacts that a user has removed by hand, or a gc that was killed before it said so
        if not (workspace.root / row["uri"]).is_dir():
            store.remove(row["uri"])
    store.close()


def gc(workspace: Workspace, *, keep_last: int, keep_promoted: bool, dry_run: bool, wait: bool) -> Waste:
    """Find and remove; with `dry_run` only find. Return what was, or would be, removed.

    Raises:
        LockHeldError: A run is in progress, and `wait` is false.
        UserError: As `find`.
    """
    if dry_run:
        return find(workspace, keep_last=keep_last, keep_promoted=keep_promoted)
    open_store(workspace).close()
    with lock.exclusive(workspace.in_use, wait=wait, on_wait=print):
        waste = find(workspace, keep_last=keep_last, keep_promoted=keep_promoted)
        collect(workspace, waste)
    return waste


def lines(workspace: Workspace, waste: Waste, *, dry_run: bool) -> list[str]:
    """Describe what was, or would be, removed, and what that frees."""
    kinds = {"artifact": waste.artifacts, "unfinished": waste.partials, "run": waste.runs}
    removed = [f"{kind:<10} {path.relative_to(workspace.root)}" for kind, paths in kinds.items() for path in paths]
    removed += [f"cache      {len(waste.cached)} files that they share"] if waste.cached else []
    verb = "would free" if dry_run else "freed"
    return [*removed, f"{len(waste.folders)} folders; {verb} {waste.bytes / 1e6:,.1f} MB"]


def _newest(workspace: Workspace, store: Store) -> list[str]:
    """Return the runs that have a folder, newest first; those that the store does not list come last."""
    known = [row["id"] for row in store.runs(-1) if workspace.run(row["id"]).is_dir()]
    unknown = [path for path in _run_folders(workspace) if path.name not in set(known)]
    return known + [path.name for path in sorted(unknown, key=lambda path: path.stat().st_mtime, reverse=True)]


def _versions(workspace: Workspace) -> list[Path]:
    names = [path for path in workspace.serving.glob("*") if path.is_dir()]
    return [name / str(version) for name in names for version in promotion.versions(name)]


def _targets(run: Path) -> Iterator[Path]:
    """Yield the artifacts that a run's links point to."""
    for link in run.glob("*"):
        if link.is_symlink() and link.exists():
            yield link.resolve()


def _with_ancestors(workspace: Workspace, store: Store, artifacts: Iterable[Path]) -> set[Path]:
    """Return the artifacts and everything in the workspace that they were made of."""
    pending, reached = list(artifacts), set()
    while pending:
        path = pending.pop()
        if path in reached:
            continue
        reached.add(path)
        row = store.artifact(workspace.relative(path))
        producer = store.producer(row["id"]) if row else None
        inputs = store.inputs(producer["id"]) if producer else []
        pending += [workspace.root / row["uri"] for row in inputs if row["uri"].startswith("artifacts/")]
    return reached


def _folders(workspace: Workspace) -> list[Path]:
    return sorted(path for path in (workspace.root / "artifacts").glob("*/*") if path.is_dir())


def _run_folders(workspace: Workspace) -> list[Path]:
    return sorted(path for path in (workspace.root / "runs").glob("*") if path.is_dir() and not _is_hidden(path))


def _partials(workspace: Workspace) -> Iterator[Path]:
    """Yield what killed processes left: unfinished artifacts and copies, and folders that gc was removing."""
    for place in ("artifacts/*", "runs", "reproduced"):
        yield from workspace.root.glob(f"{place}/{HIDDEN}*")
    for path in (path for path in _folders(workspace) if path.suffix == ".partial" and not _is_hidden(path)):
        if not lock.is_held(workspace.lock(path.parent.name, path.stem)):
            yield path
    for path in workspace.serving.glob("*/.partial"):
        if not lock.is_held(path.with_name(".lock")):
            yield path


def _links(run: Path, artifacts: Iterable[Path]) -> list[Path]:
    gone = {artifact.resolve() for artifact in artifacts}
    return [link for link in run.glob("*") if link.is_symlink() and link.resolve() in gone]


def _cached(workspace: Workspace, folders: Iterable[Path]) -> tuple[Path, ...]:
    """Return files of the cache whose other hard links all lie in `folders`: shards of records to be removed."""
    links = Counter(file for _, file in _files(folders))
    shared = [(path, file) for path, file in _files([workspace.root / "cache"]) if file in links]
    links.update(file for _, file in shared)
    return tuple(path for path, file in shared if links[file] >= file.links)


def _freed(paths: Iterable[Path]) -> int:
    """Return the bytes of the files all of whose hard links are in `paths`."""
    links = Counter(file for _, file in _files(paths))
    return sum(file.size for file, count in links.items() if count >= file.links)


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, _File]]:
    """Yield every file that is one of `paths` or lies below one."""
    for top in paths:
        for path in top.rglob("*") if top.is_dir() else [top]:
            if path.is_file() and not path.is_symlink():
                status = path.stat()
                yield path, _File(status.st_dev, status.st_ino, status.st_size, status.st_nlink)


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(HIDDEN)
