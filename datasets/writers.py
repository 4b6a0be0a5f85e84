"""Who writes an unfinished file, and whether that process still lives: what a killed one left may go."""

import os
import re
import socket
from pathlib import Path

import psutil

SIGNATURE = r"(?P<host>.+)-(?P<process>\d+)"
"""The form of a signature; it stands in the name of what is unfinished."""


def signature() -> str:
    """Name this process among those of all hosts that share a folder: "<host>-<process>"."""
    return f"{socket.gethostname()}-{os.getpid()}"


def has_died(signed: str, partial: Path) -> bool:
    """Whether the process that signed `partial` can no more be at work on it. One of another host never counts as dead.

    A killed process whose parent died before it stays in the table of processes until init looks after it, which the
    first process of many a container never does: it counts as dead. So does a number that another process bears now.

    Args:
        signed: What `signature` gave the process that began `partial`.
        partial: The unfinished file or folder. It is younger than its writer.
    """
    writer = re.fullmatch(SIGNATURE, signed)
    if writer is None or writer["host"] != socket.gethostname():
        return False
    try:
        found = psutil.Process(int(writer["process"]))
        return found.status() == psutil.STATUS_ZOMBIE or found.create_time() > partial.stat().st_mtime + 1  # coarse
    except psutil.NoSuchProcess:
        return True
    except (psutil.AccessDenied, FileNotFoundError):
        return False
