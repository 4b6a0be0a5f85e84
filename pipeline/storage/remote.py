"""Raw files and served models on shared storage: s3://, gs:// and any other scheme of fsspec.

New and changed raw files are downloaded into a local copy, which all steps read. A served version is uploaded once it
is complete in serving/. Results of steps are shared by pipeline/orchestration/shared_results.py.
"""

import fnmatch
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import UserError
from pipeline.storage import connection
from pipeline.workspace import json_file, lock
from pipeline.workspace.digest import write_atomically

INDEX, LOCK = ".fetched.json", ".fetch.lock"
"""In the local copy: the downloaded files, {name: [size, tag]}, and the lock of a download. Hidden: not raw files."""

INDEX_INTERVAL = 10.0
"""Seconds between writes of the index during a download: after a kill, files since the last one are fetched again."""

MARK = "saved_model.pb"
"""Uploaded last: TensorFlow Serving loads no version without it."""

ORIGIN = "assets.extra/origin.json"
"""Uploaded first. Identifies a served version: its number, its run and export, its files' digests."""


def fetch(url: str, patterns: Iterable[str], folder: Path) -> int:
    """Update a local copy: download new and changed files, delete those that were removed from the storage.

    Files that were not downloaded are kept, as are those of other patterns that still exist on the storage. After an
    interruption, the next call continues.

    Args:
        url: Folder on the storage, such as s3://bucket/camvid.
        patterns: Files or folders relative to it (DatasetSpec.patterns); others are not fetched.
        folder: The local copy; created if missing.

    Returns:
        Number of files that were downloaded.

    Raises:
        Unreachable: The network or the storage failed; a later attempt may succeed.
        UserError: Nothing exists at `url`, access is denied, or the storage's library is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with lock.hold(folder / LOCK, f"fetch {url}", wait=True, on_wait=print), connection.translate_errors(url):
        system, root = connection.connect(url)
        everything, chosen = dict(_list(system, root)), list(patterns)
        wanted = {name: tag for name, tag in everything.items() if _matches(name, chosen)}
        if not wanted:
            raise UserError(f"There is nothing at {url} that this dataset reads.")
        index = _read_index(folder / INDEX)
        missing = [name for name, tag in wanted.items() if index.get(name) != tag or not (folder / name).is_file()]
        for name in set(index) - set(everything):
            (folder / name).unlink(missing_ok=True)
            del index[name]

        def download(name: str) -> str:
            connection.download(system, f"{root}/{name}", folder / name)
            return name

        written = time.monotonic()
        try:
            for name in connection.parallel_map(download, missing):
                index[name] = wanted[name]
                if time.monotonic() - written >= INDEX_INTERVAL:
                    write_atomically(folder / INDEX, json.dumps(index))
                    written = time.monotonic()
        finally:
            write_atomically(folder / INDEX, json.dumps(index))
        return len(missing)


def publish(served: Path, url: str) -> str | None:
    """Upload a served version to <url>/<name>/<version>, its origin first, its saved_model.pb last.

    Never overwrites a complete version or one of another workspace. Where another workspace has taken this number or a
    higher one (a new workspace counts from 1), one above all is used: TensorFlow Serving loads the highest.

    Args:
        served: serving/<name>/<version>, as promoted.
        url: Folder on the storage that holds one folder per model, each watched by TensorFlow Serving.

    Returns:
        URL of the uploaded version; None where it was already uploaded.

    Raises:
        Unreachable, UserError: As `fetch`. The same call completes a partial upload.
    """
    target = _model_url(served, url)
    with connection.translate_errors(target):
        system, root = connection.connect(target)
        version = _version(system, root, served)
        if version is None:
            return None
        root = f"{root}/{version}"
        files = [path for path in sorted(served.rglob("*")) if path.is_file()]

        def upload(path: Path) -> Path:
            connection.upload(system, path, f"{root}/{path.relative_to(served).as_posix()}")
            return path

        upload(served / ORIGIN)
        others = [path for path in files if path not in (served / ORIGIN, served / MARK)]
        for _ in connection.parallel_map(upload, others):
            pass
        upload(served / MARK)
    return f"{target}/{version}"


def is_published(served: Path, url: str) -> bool:
    """Whether a served version was uploaded completely, under any number.

    Raises:
        Unreachable, UserError: As `fetch`.
    """
    target = _model_url(served, url)
    with connection.translate_errors(target):
        system, root = connection.connect(target)
        return _version(system, root, served) is None


def _read_index(file: Path) -> dict[str, Any]:
    """Read the index of a local copy; of a damaged one, nothing: those files are fetched again."""
    try:
        index = json_file.read(file)
    except (OSError, ValueError):
        return {}
    named = index.items() if isinstance(index, dict) else ()
    return {name: tag for name, tag in named if not name.startswith("/") and not _is_hidden(name)}


def _model_url(served: Path, url: str) -> str:
    return f"{url.rstrip('/')}/{served.parent.name}"


def _version(system: Any, root: str, served: Path) -> int | None:
    """Number to upload a served version under, that of its partial upload if one exists; None: it is published."""
    number, origin = int(served.name), (served / ORIGIN).read_bytes()
    versions = _versions(system, root)
    for version in versions:
        if version >= number and _read(system, f"{root}/{version}/{ORIGIN}") == origin:  # never below its own number
            return None if system.exists(f"{root}/{version}/{MARK}") else version
    return max([number, *(version + 1 for version in versions)])


def _versions(system: Any, root: str) -> list[int]:
    """Numbers of all versions below `root`, partial ones included."""
    try:
        names = [PurePosixPath(str(path)).name for path in system.ls(root, detail=False)]
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in names if name.isdecimal())


def _read(system: Any, path: str) -> bytes:
    """Read a small file; empty if it does not exist."""
    try:
        return bytes(system.cat_file(path))
    except FileNotFoundError:
        return b""


def _list(system: Any, root: str) -> Iterator[tuple[str, list[Any]]]:
    """Names of files below `root` that are not hidden, each with its size and a tag that changes with its contents."""
    for path, info in system.find(root, detail=True).items():
        name = str(path)[len(root) :].lstrip("/")
        if info["type"] != "file" or not name or _is_hidden(name):
            continue
        tags = (str(info[key]) for key in ("ETag", "md5Hash", "etag", "mtime", "LastModified") if key in info)
        yield name, [info["size"], next(tags, "")]


def _is_hidden(name: str) -> bool:
    """Whether a part of a name begins with a dot, as those that lead out of a folder do."""
    return any(part.startswith(".") for part in name.split("/"))


def _matches(name: str, patterns: list[str]) -> bool:
    """Whether a pattern matches a file or a folder above it."""
    parts = PurePosixPath(name).parts
    paths = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    return any(fnmatch.fnmatchcase(path, pattern) for path in paths for pattern in patterns)
