"""Locks that a killed process cannot leave behind: the kernel drops them with the process."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pipeline.errors import UserError
from pipeline.workspace import json_file


class LockHeldError(UserError):
    """Another process holds the lock, and the caller does not wait."""


@contextmanager
def hold(path: Path, run: str, *, wait: bool, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock `path` while the block runs.

    Args:
        path: Lock file; made where it is missing, and left in place (to remove it would race).
        run: Run that takes the lock; others that wait are shown its name.
        wait: Wait for another holder; otherwise raise LockHeldError at once.
        on_wait: Called once, with a line that names the holder, before waiting begins.
    """
    with _open(path) as file:
        printed = False
        while not _try(file.fileno()):
            if not wait:
                raise LockHeldError(f"{holder(path)} is making the same thing. Try again later, or without --no-wait.")
            if not printed:
                on_wait(f"waiting for {holder(path)}")
                printed = True
            time.sleep(0.3)
        file.seek(0)
        file.truncate()
        file.write(json.dumps({"run": run, "process": os.getpid(), "host": socket.gethostname(), "since": time.time()}))
        file.flush()
        yield


@contextmanager
def share(path: Path) -> Iterator[None]:
    """Hold a lock that any number of processes may share, and that `exclusive` waits for."""
    with _open(path) as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_SH)
        yield


@contextmanager
def exclusive(path: Path, *, wait: bool, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock that others `share`, once all of them have released it.

    Raises:
        LockHeldError: Another process holds it, and `wait` is false.
    """
    with _open(path) as file:
        if not _try(file.fileno()):
            if not wait:
                raise LockHeldError(
                    "A run is at work in this workspace (`segline status`). Try again when it has ended."
                )
            on_wait("waiting for the runs that are at work in this workspace")
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        yield


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock."""
    if not path.is_file():
        return False
    with path.open("r", encoding="utf-8") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def last_run(path: Path) -> str | None:
    """Return the run that took the lock last, whether it still holds it or not; None: none ever did."""
    try:
        return str(json_file.read(path)["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def holder(path: Path) -> str:
    """Describe the process that took the lock last."""
    try:
        facts = json_file.read(path)
        since = time.strftime("%H:%M:%S", time.localtime(facts["since"]))
        return f"run {facts['run']} (process {facts['process']} on {facts['host']}, since {since})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _open(path: Path) -> TextIO:
    """Open a lock file, which is made where it is missing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+", encoding="utf-8")
    except (IsADirectoryError, FileExistsError):
        raise UserError(f"{path} must be a file, in a folder: it is a lock. Remove what is in its place.") from None


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
