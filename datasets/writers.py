"""Signatures of the processes that write unfinished files, so that leftovers of killed processes can be removed."""

import os
import re
import socket
from pathlib import Path

import psutil

SIGNATURE = r"(?P<host>.+)-(?P<process>\d+)"
"""Pattern of a signature, which is part of the name of an unfinished file or folder."""


def signature() -> str:
    """Return "<host>-<process id>", unique among the processes of all hosts that share a folder."""
    return f"{socket.gethostname()}-{os.getpid()}"


def has_died(signed: str, partial: Path) -> bool:
    """Whether the process that signed `partial` has ended. A process of another host never counts as dead.

    Zombies count as dead: in many containers no init process reaps them. So does a process id that has been reassigned.

    Args:
        signed: Value of `signature` in the process that began `partial`.
        partial: The unfinished file or folder. It is younger than its writer.
    """
    writer = re.fullmatch(SIGNATURE, signed)
    if writer is None or writer["host"] != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(writer["process"]))
        # 1 s of slack: some file systems store coarse modification times.
        return process.status() == psutil.STATUS_ZOMBIE or process.create_time() > partial.stat().st_mtime + 1
    except psutil.NoSuchProcess:
        return True
    except (psutil.AccessDenied, FileNotFoundError):
        return False
