"""Errors of the operating system as messages that a user can act on: full disk, forbidden file, Ctrl-C."""

import errno
import shutil
import sqlite3
from pathlib import Path

from pipeline.errors import Interrupted, UserError

NO_SPACE = ("No space left on device", "Disk quota exceeded", "database or disk is full")
"""Messages of the C library, TensorFlow and SQLite when a disk is full."""


def as_user_error(error: BaseException, where: Path) -> BaseException:
    """Turn Ctrl-C, a full disk and a forbidden file into an error that a user can act on; return any other as it is.

    Args:
        error: What was raised.
        where: Folder that was written to; it need not exist.
    """
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("Interrupted. The same command resumes from here.")
    free = shutil.disk_usage(next(path for path in (where, *where.absolute().parents) if path.exists())).free
    # With no room for its journal, SQLite speaks of an I/O error only.
    full = any(text in str(error) for text in NO_SPACE) or (isinstance(error, sqlite3.OperationalError) and free < 1e6)
    if full and not isinstance(error, UserError):
        return UserError(
            f"The disk is full: {free / 1e6:.0f} MB free at {where.resolve()}. What is finished is kept. "
            "Make room, then give the same command again."
        )
    named = isinstance(error, OSError) and error.filename and error.errno in (errno.ENAMETOOLONG, errno.EROFS)
    if named or isinstance(error, PermissionError | NotADirectoryError) or _is_in_the_way(error, where):
        return UserError(f"{error.strerror}: {error.filename}")  # type: ignore[attr-defined]
    if isinstance(error, sqlite3.OperationalError):  # not damage: that is a StoreError
        return UserError(
            f"The store of {where.resolve()} cannot be used: {error}. Look at its disk, its permissions and at other "
            "processes that use it, or name another workspace: --workspace DIR."
        )
    return error


def _is_in_the_way(error: BaseException, where: Path) -> bool:
    """Whether a file or a folder is where a user wants the other written; within a workspace it would be our fault."""
    if not isinstance(error, IsADirectoryError | FileExistsError) or not error.filename:
        return False
    return not Path(error.filename).absolute().is_relative_to(where.absolute())
