"""`segline gc`: remove what neither a kept run nor a served model needs.

Kept: the newest runs with all they made or used; what every version under serving/ was made of, back to the records;
with keep_promoted also the runs that promoted them. A removed artifact stays known to the store, with its figures.
Removing is renaming to a hidden name and then deleting: a kill leaves nothing that looks complete.
Of the cache goes what removed records shared with it; the rest is short-lived by itself (datasets/shard_cache.py,
pipeline/input/disk_cache.py).
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import UserError
from pipeline.lineage.history import open_store
from pipeline.orchestration import promotion
from pipeline.workspace import lock
from pipeline.workspace.layout import SEAL, Workspace, read_seal
from pipeline.workspace.store import Store

HIDDEN = ".removed-"
"""Begins the name of a folder that is being removed."""


@dataclass(frozen=True)
class Waste:
    """What may be removed.

    Attributes:
        artifacts: Published folders that nothing kept needs.
        partials: Unfinished ones that no living process works on and no kept run can go on with.
        runs: Folders of runs, and of their reproductions, that are not kept and made nothing that is kept.
        links: Links of other runs that are not kept, to `artifacts`.
        cached: Files of the cache that are the same as files of `artifacts`, and of nothing that stays.
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
        """Everything that takes space."""
        return self.artifacts + self.partials + self.runs


class _File(NamedTuple):
    """A file, whatever it is called: where the file system keeps it, its bytes, and how many names it has."""

    device: int
    number: int
    size: int
    names: int


def find(workspace: Workspace, *, keep_last: int, keep_promoted: bool) -> Waste:
    """Work out what may be removed; change nothing.

    Args:
        workspace: Where.
        keep_last: Number of runs to keep, the newest; at least 1.
        keep_promoted: Keep also every run that promoted a version that is still under serving/.

    Raises:
        UserError: keep_last is below 1, or nothing has run here.
    """
    if keep_last < 1:
        raise UserError(f"--keep-last must be at least 1. Received: {keep_last}.")
    store = open_store(workspace)
    origins = [promotion.origin(version) for version in _versions(workspace)]
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
    runs += tuple(path for path in (workspace.root / "reproduced").glob("*") if path.name.partition("+")[0] not in kept)
    links = tuple(link for path in others if path not in runs for link in _links(path, artifacts))
    folders = (*artifacts, *partials, *runs)
    cached = _cached(workspace, folders)
    return Waste(artifacts, partials, runs, links, cached, _freed((*folders, *cached)))


def collect(workspace: Workspace, waste: Waste) -> None:
    """Remove it, and have the store know. The lock `workspace.in_use` must be held alone."""
    store = open_store(workspace)
    for link in waste.links:
        link.unlink()
    for path in waste.cached:
        path.unlink(missing_ok=True)
    for folder in waste.folders:
        if not _is_hidden(folder):
            folder = folder.rename(folder.with_name(HIDDEN + folder.name))
        store.remove(workspace.relative(folder.with_name(folder.name.removeprefix(HIDDEN))))
        shutil.rmtree(folder)
    for row in store.live():  # what somebody removed by hand
        if not (workspace.root / row["uri"]).is_dir():
            store.remove(row["uri"])
    store.close()


def gc(workspace: Workspace, *, keep_last: int, keep_promoted: bool, dry_run: bool, wait: bool) -> Waste:
    """Find and remove; with `dry_run` only find. Gives what was, or would be, removed.

    Raises:
        LockHeldError: A run is at work, and `wait` is false.
        UserError: As `find`.
    """
    if dry_run:
        return find(workspace, keep_last=keep_last, keep_promoted=keep_promoted)
    open_store(workspace).close()
    with lock.alone(workspace.in_use, wait=wait, on_wait=print):
        waste = find(workspace, keep_last=keep_last, keep_promoted=keep_promoted)
        collect(workspace, waste)
    return waste


def lines(workspace: Workspace, waste: Waste, *, dry_run: bool) -> list[str]:
    """Say what was, or would be, removed, and what that frees."""
    kinds = {"artifact": waste.artifacts, "unfinished": waste.partials, "run": waste.runs}
    said = [f"{kind:<10} {path.relative_to(workspace.root)}" for kind, paths in kinds.items() for path in paths]
    said += [f"cache      {len(waste.cached)} files that are theirs too"] if waste.cached else []
    verb = "would free" if dry_run else "freed"
    return [*said, f"{len(waste.folders)} folders; {verb} {waste.bytes / 1e6:,.1f} MB"]


def _newest(workspace: Workspace, store: Store) -> list[str]:
    """Runs that have a folder, newest first; those that the store does not know come last."""
    known = [row["id"] for row in store.runs(-1) if workspace.run(row["id"]).is_dir()]
    strange = [path for path in _run_folders(workspace) if path.name not in set(known)]
    return known + [path.name for path in sorted(strange, key=lambda path: path.stat().st_mtime, reverse=True)]


def _versions(workspace: Workspace) -> list[Path]:
    names = [path for path in workspace.serving.glob("*") if path.is_dir()]
    return [name / str(version) for name in names for version in promotion.versions(name)]


def _targets(run: Path) -> Iterator[Path]:
    """Artifacts that a run's links point to."""
    for link in run.glob("*"):
        if link.is_symlink() and link.exists():
            yield link.resolve()


def _with_ancestors(workspace: Workspace, store: Store, artifacts: Iterable[Path]) -> set[Path]:
    """The artifacts, and everything in the workspace that they were made of."""
    waiting, found = list(artifacts), set()
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        row = store.artifact(workspace.relative(path))
        producer = store.producer(row["id"]) if row else None
        for made_of in store.inputs(producer["id"]) if producer else []:
            if made_of["uri"].startswith("artifacts/"):
                waiting.append(workspace.root / made_of["uri"])
    return found


def _folders(workspace: Workspace) -> list[Path]:
    return sorted(path for path in (workspace.root / "artifacts").glob("*/*") if path.is_dir())


def _run_folders(workspace: Workspace) -> list[Path]:
    return sorted(path for path in (workspace.root / "runs").glob("*") if path.is_dir() and not _is_hidden(path))


def _partials(workspace: Workspace) -> Iterator[Path]:
    """What killed processes left: unfinished artifacts, unfinished copies, and what an earlier gc did not get done."""
    for path in _folders(workspace):
        if path.suffix == ".partial" and not lock.is_held(workspace.lock(path.parent.name, path.stem)):
            yield path
    yield from (workspace.root / "artifacts").glob(f"*/{HIDDEN}*")
    yield from (workspace.root / "runs").glob(f"{HIDDEN}*")
    for path in workspace.serving.glob("*/.partial"):
        if not lock.is_held(path.with_name(".lock")):
            yield path


def _links(run: Path, artifacts: Iterable[Path]) -> list[Path]:
    gone = {artifact.resolve() for artifact in artifacts}
    return [link for link in run.glob("*") if link.is_symlink() and link.resolve() in gone]


def _cached(workspace: Workspace, folders: Iterable[Path]) -> tuple[Path, ...]:
    """Files of the cache all of whose other names are among `folders`: shards of records that go."""
    named = Counter(file for _, file in _files(folders))
    found = [(path, file) for path, file in _files([workspace.root / "cache"]) if file in named]
    named.update(file for _, file in found)
    return tuple(path for path, file in found if named[file] >= file.names)


def _freed(paths: Iterable[Path]) -> int:
    """Bytes of the files whose every name is among those removed."""
    seen = Counter(file for _, file in _files(paths))
    return sum(file.size for file, times in seen.items() if times >= file.names)


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, _File]]:
    """Every file that is one of `paths` or lies below one."""
    for path in paths:
        for found in path.rglob("*") if path.is_dir() else [path]:
            if found.is_file() and not found.is_symlink():
                status = found.stat()
                yield found, _File(status.st_dev, status.st_ino, status.st_size, status.st_nlink)


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(HIDDEN)
