"""Raw files and served models on shared storage: s3://, gs:// and whatever else fsspec knows.

Raw files are fetched into a local copy, the changed ones alone, and every step works on that; a served version is
uploaded when it lies complete in serving/. Results of steps are shared by pipeline/orchestration/shared_results.py.
"""

import fnmatch
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import UserError
from pipeline.storage import connection
from pipeline.workspace import lock
from pipeline.workspace.digest import write_atomically

INDEX, LOCK = ".fetched.json", ".fetch.lock"
"""In the local copy: what was fetched, {name: [size, tag]}; and who fetches. Hidden files are no raw files."""

NOTED_EVERY = 10.0
"""Seconds after which the index is written while files come: what was fetched since is lost to a kill."""

MARK = "saved_model.pb"
"""Uploaded last: TensorFlow Serving can load no version without it."""

ORIGIN = "assets.extra/origin.json"
"""Uploaded first. What tells one served version from another: its number, its run and export, its files' digests."""


def fetch(url: str, patterns: Iterable[str], folder: Path) -> int:
    """Bring a local copy up to date: fetch what is new or has changed, remove what is no longer there.

    A file that was not fetched is left alone, and so is one that was fetched by other patterns and is still there.
    Interrupted, the next call goes on from there.

    Args:
        url: Folder on the storage, such as s3://bucket/camvid.
        patterns: Files or folders relative to it (DatasetSpec.patterns); others are not fetched.
        folder: The local copy; made where it is missing.

    Returns:
        Number of files that were fetched.

    Raises:
        Unreachable: The network or the storage failed; trying again may help.
        UserError: There is nothing at `url`, it may not be read, or its library is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with lock.hold(folder / LOCK, f"fetch {url}", wait=True, on_wait=print), connection.reaching(url):
        system, root = connection.connect(url)
        everything, chosen = dict(_listed(system, root)), list(patterns)
        there = {name: tag for name, tag in everything.items() if _is_named(name, chosen)}
        if not there:
            raise UserError(f"There is nothing at {url} that this dataset reads.")
        known = json.loads((folder / INDEX).read_text(encoding="utf-8")) if (folder / INDEX).is_file() else {}
        wanted = [name for name, tag in there.items() if known.get(name) != tag or not (folder / name).is_file()]
        for name in set(known) - set(everything):
            (folder / name).unlink(missing_ok=True)
            del known[name]

        def one(name: str) -> str:
            connection.download(system, f"{root}/{name}", folder / name)
            return name

        noted = time.monotonic()
        try:
            for name in connection.side_by_side(one, wanted):
                known[name] = there[name]
                if time.monotonic() - noted >= NOTED_EVERY:
                    write_atomically(folder / INDEX, json.dumps(known))
                    noted = time.monotonic()
        finally:
            write_atomically(folder / INDEX, json.dumps(known))
        return len(wanted)


def publish(served: Path, url: str) -> str | None:
    """Upload a served version to <url>/<name>/<version>, its origin first, its saved_model.pb last.

    What is whole there is never touched, nor what another workspace uploads. Where another has taken the number or a
    higher one, as it is where a workspace begins anew, the version goes above all, of which TensorFlow Serving takes
    the highest.

    Args:
        served: serving/<name>/<version>, as it was promoted.
        url: Folder on the storage that TensorFlow Serving watches, one below which each model has its own.

    Returns:
        Where it was uploaded to; None where it was there.

    Raises:
        Unreachable, UserError: As `fetch`. The same call finishes what was begun.
    """
    place = _place(served, url)
    with connection.reaching(place):
        system, root = connection.connect(place)
        version = _version(system, root, served)
        if version is None:
            return None
        root = f"{root}/{version}"
        files = [path for path in sorted(served.rglob("*")) if path.is_file()]

        def one(path: Path) -> Path:
            connection.upload(system, path, f"{root}/{path.relative_to(served).as_posix()}")
            return path

        one(served / ORIGIN)
        for _ in connection.side_by_side(one, [path for path in files if path not in (served / ORIGIN, served / MARK)]):
            pass
        one(served / MARK)
    return f"{place}/{version}"


def has(served: Path, url: str) -> bool:
    """Whether a served version was uploaded, whole, by whatever number.

    Raises:
        Unreachable, UserError: As `fetch`.
    """
    place = _place(served, url)
    with connection.reaching(place):
        system, root = connection.connect(place)
        return _version(system, root, served) is None


def _place(served: Path, url: str) -> str:
    return f"{url.rstrip('/')}/{served.parent.name}"


def _version(system: Any, root: str, served: Path) -> int | None:
    """Give the number under which a served version is uploaded, or goes on being so; None: it is there."""
    own, mine = int(served.name), (served / ORIGIN).read_bytes()
    there = _numbers(system, root)
    for version in there:
        if version >= own and _read(system, f"{root}/{version}/{ORIGIN}") == mine:  # it is never uploaded below its own
            return None if system.exists(f"{root}/{version}/{MARK}") else version
    return max([own, *(version + 1 for version in there)])


def _numbers(system: Any, root: str) -> list[int]:
    """Versions of which anything is there, be it half of one."""
    try:
        names = [PurePosixPath(str(path)).name for path in system.ls(root, detail=False)]
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in names if name.isdecimal())


def _read(system: Any, path: str) -> bytes:
    """Read a small file; nothing where there is none."""
    try:
        return bytes(system.cat_file(path))
    except FileNotFoundError:
        return b""


def _listed(system: Any, root: str) -> Iterator[tuple[str, list[Any]]]:
    """Files below `root` that are not hidden, each with its size and what changes with its contents."""
    for path, found in system.find(root, detail=True).items():
        name = str(path)[len(root) :].lstrip("/")
        parts = PurePosixPath(name).parts
        if found["type"] != "file" or not parts or any(part.startswith(".") for part in parts):
            continue
        tags = (str(found[key]) for key in ("ETag", "md5Hash", "etag", "mtime", "LastModified") if key in found)
        yield name, [found["size"], next(tags, "")]


def _is_named(name: str, patterns: list[str]) -> bool:
    """Whether a pattern names a file, or a folder above it."""
    parts = PurePosixPath(name).parts
    above = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    return any(fnmatch.fnmatchcase(place, pattern) for place in above for pattern in patterns)
