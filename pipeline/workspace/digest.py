"""Digests of files and folders by content; a file is read again only when its size or mtime has changed."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from datasets.workspace_mark import is_workspace
from pipeline.workspace import json_file

UNREADABLE = "unreadable"
"""Stands in for the digest of a file that cannot be read."""

Manifest = dict[str, tuple[int, int, str]]
"""{path relative to the folder: (size in bytes, mtime in ns, sha256)}."""


def manifest(
    folder: Path, sources: Iterable[str] = (".",), known: Manifest | None = None, *, note_unreadable: bool = False
) -> Manifest:
    """List every file that a source names, or that lies below a folder that it names, with its digest.

    Args:
        folder: Folder of the sources; a source that does not exist is skipped.
        sources: Files or folders relative to `folder`; `*` stands for any part of a name.
        known: An earlier manifest; an entry of the same size and mtime is kept without reading the file.
        note_unreadable: List a file that cannot be read as UNREADABLE, so that a later reader reports all of them.

    Returns:
        The manifest, sorted by path. Hidden files and workspaces inside the folder are left out; links to folders are
        followed.

    Raises:
        OSError: A folder cannot be read, or a file.
    """
    known = known or {}
    entries: Manifest = {}
    for source in sources:
        for name, path in _matching(folder, source):
            if name in entries:
                continue
            status = os.stat(path)  # noqa: PTH116 - with Path, comparing 2,000 files by size would take thrice as long
            before = known.get(name)
            same = before is not None and before[:2] == (status.st_size, status.st_mtime_ns)
            if same and before and before[2] != UNREADABLE:
                entries[name] = before
            else:
                entries[name] = (status.st_size, status.st_mtime_ns, _content(path, note_unreadable=note_unreadable))
    return dict(sorted(entries.items()))


def digest(files: Manifest) -> str:
    """Return one digest (64 hexadecimal digits) of a manifest: of names and contents, not of times."""
    return of_contents({name: content for name, (_, _, content) in files.items()})


def of_contents(files: Mapping[str, str]) -> str:
    """Return the digest of a manifest whose files have these digests."""
    total = hashlib.sha256()
    for name, content in sorted(files.items()):
        total.update(f"{name}\0{content}\n".encode(errors="surrogateescape"))
    return total.hexdigest()


def remembered(folder: Path, sources: Iterable[str], memory: Path) -> str:
    """Return the digest of a folder of raw files; its manifest is kept in the file `memory` between calls."""
    known = recall(memory)
    now = manifest(folder, sources, known, note_unreadable=True)
    if now != known or not memory.is_file():
        keep(memory, now)
    return digest(now)


def recall(memory: Path) -> Manifest:
    """Return the manifest that `keep` wrote; {} where there is none, or it is damaged: then all files are read."""
    try:
        entries = json_file.read(memory).items()
        return {str(name): (int(size), int(mtime), str(content)) for name, (size, mtime, content) in entries}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def keep(memory: Path, files: Manifest) -> None:
    """Write a manifest into the file `memory`. Where that is impossible the files are read again the next time."""
    with suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(memory, json.dumps(files))


def size(folder: Path, sources: Iterable[str]) -> int:
    """Return the total bytes of the files that `manifest` lists."""
    files = {path for source in sources for _, path in _matching(folder, source)}
    return sum(Path(path).stat().st_size for path in files)


def files(folder: Path) -> list[Path]:
    """Return the files that `manifest` lists of a whole folder, in no particular order."""
    return [Path(path) for _, path in _matching(folder, ".")]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_digest(text: str) -> str:
    """Return 16 hexadecimal digits that name a text.

    >>> text_digest("segline")
    '06e5cb293d276021'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader, or a crash, leaves either the old text or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _content(path: str, *, note_unreadable: bool) -> str:
    try:
        return file_digest(Path(path))
    except OSError:
        if note_unreadable:
            return UNREADABLE
        raise


def _matching(folder: Path, source: str) -> Iterator[tuple[str, str]]:
    """Yield (path relative to the folder, path) of each file that a source names."""
    left_out = cache(is_workspace)
    for path in sorted(folder.glob(source)) if "*" in source else [folder / source]:
        parts = path.relative_to(folder).parts
        within = (folder.joinpath(*parts[:length]) for length in range(1, len(parts)))
        if not (any(part.startswith(".") for part in parts) or any(map(left_out, within))):
            name = "/".join(parts)
            if path.is_file():
                yield name, str(path)
            else:
                yield from _below(str(path), {os.path.realpath(path)}, name)


def _below(folder: str, above: set[str], name: str) -> Iterator[tuple[str, str]]:
    """Yield the regular files below a folder of this name; a link back to a folder above is not followed again."""
    if not Path(folder).is_dir() or (name and is_workspace(folder)):
        return
    with os.scandir(folder) as entries:
        visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in visible:
        below = f"{name}/{entry.name}" if name else entry.name
        if entry.is_file():
            yield below, entry.path
        elif entry.is_dir() and (place := os.path.realpath(entry.path)) not in above:
            yield from _below(entry.path, {*above, place}, below)
