"""The file of the store where it cannot be used as it is: damaged, emptied, or not to be written."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.errors import UserError

SIDE_FILES = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a store: changes that are not in it yet, and an index of them."""

PASSING = ("locked", "readonly", "full", "disk I/O", "unable to open")
"""In messages of SQLite about the disk or another process: no damage (pipeline/orchestration/error_advice.py)."""

REMEDY = "To rebuild it from the seals of the results: segline recover --workspace DIR."
"""What to do about a damaged store."""


class StoreError(UserError):
    """The store is damaged."""


def as_damage(path: Path, error: sqlite3.DatabaseError) -> Exception:
    """Return the error to raise for one of SQLite's: damage, unless the disk or another process is the reason."""
    if isinstance(error, sqlite3.ProgrammingError) or any(text in str(error) for text in PASSING):
        return error
    return StoreError(f"{path} is damaged: {error}. {REMEDY}")


def require_content(path: Path) -> None:
    """Raise StoreError for a folder, or an empty file beside results, which SQLite would take for a new store."""
    empty = path.is_file() and not path.stat().st_size and not Path(f"{path}-wal").exists()
    if path.is_dir() or (empty and any(path.parent.glob("artifacts/*/*"))):
        raise StoreError(f"{path} is damaged: it is {'an empty file' if empty else 'a folder'}. {REMEDY}")


def is_writable(path: Path) -> bool:
    """Whether a store may be written: SQLite also needs files beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def in_memory(path: Path) -> sqlite3.Connection:
    """Copy a store into memory, with the changes that lie beside it. Nothing is written in its folder.

    Raises:
        StoreError: It is damaged.
    """
    require_content(path)
    memory = sqlite3.connect(":memory:", isolation_level=None)
    try:
        try:
            _copy(f"{path.absolute().as_uri()}?mode=ro", memory)
        except sqlite3.OperationalError:  # in WAL mode SQLite needs a file beside it, which cannot be made there
            with TemporaryDirectory() as scratch:
                for suffix in ("", "-wal", "-journal"):
                    if Path(f"{path}{suffix}").is_file():
                        shutil.copyfile(f"{path}{suffix}", f"{scratch}/copy{suffix}")
                _copy(Path(scratch, "copy").as_uri(), memory)
    except sqlite3.DatabaseError as error:
        raise as_damage(path, error) from None
    return memory


def read_json(text: str) -> dict[str, Any]:
    """Return the object in a column that holds JSON. Raises StoreError where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise StoreError(f"The store is damaged: a row should hold a JSON object, and holds {text!r:.60}. {REMEDY}")
    return value


def _copy(uri: str, memory: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(uri, uri=True, timeout=30)) as source:
        source.backup(memory)
