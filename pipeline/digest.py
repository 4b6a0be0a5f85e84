"""Digests of files and folders, by content; a file is read again only when its size or time has changed."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

Manifest = dict[str, tuple[int, int, str]]
"""{path relative to the folder: (size in bytes, mtime in ns, sha256)}."""


def manifest(folder: Path, sources: Iterable[str] = (".",), known: Manifest | None = None) -> Manifest:
    """List every regular file below `folder`/source with its digest.

    Args:
        folder: Where the sources are looked for; one that is not there is passed over.
        sources: Files or folders relative to `folder`.
        known: An earlier manifest; an entry of the same size and mtime is taken over unread.

    Returns:
        The manifest, sorted by path. Hidden files are left out.
    """
    known = known or {}
    found: Manifest = {}
    for source in sources:
        for path in _files(folder / source):
            status = path.stat()
            name = path.relative_to(folder).as_posix()
            before = known.get(name)
            same = before is not None and before[:2] == (status.st_size, status.st_mtime_ns)
            digest = before[2] if same and before else file_digest(path)
            found[name] = (status.st_size, status.st_mtime_ns, digest)
    return dict(sorted(found.items()))


def digest(files: Manifest) -> str:
    """One digest (64 hexadecimal digits) of a manifest: of names and contents, not of times."""
    total = hashlib.sha256()
    for name, (_, _, content) in sorted(files.items()):
        total.update(f"{name}\0{content}\n".encode())
    return total.hexdigest()


def remembered(folder: Path, sources: Iterable[str], memory: Path) -> str:
    """Digest of a folder whose manifest is kept in the file `memory` between calls."""
    known: Manifest = {}
    if memory.is_file():
        known = {name: (size, mtime, sha) for name, (size, mtime, sha) in json.loads(memory.read_text()).items()}
    now = manifest(folder, sources, known)
    if now != known:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(memory, json.dumps(now))
    return digest(now)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_digest(text: str) -> str:
    """16 hexadecimal digits that name a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader, or a crash, meets the old text or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _files(source: Path) -> Iterator[Path]:
    if source.is_file():
        yield source
        return
    for parent, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(parent, name) for name in sorted(names) if not name.startswith("."))
        yield from (path for path in paths if path.is_file())
