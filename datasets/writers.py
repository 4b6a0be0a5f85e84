"""Whether the process that writes a file still lives: what a killed one left may go."""

from pathlib import Path

import psutil


def has_died(process: int, partial: Path) -> bool:
    """Whether process number `process` of this host can no more be at work on `partial`.

    A killed process whose parent died before it stays in the table of processes until init looks after it, which the
    first process of many a container never does: it counts as dead. So does a number that another process bears now.

    Args:
        process: Number of the process that began `partial`.
        partial: The unfinished file or folder.
    """
    try:
        found = psutil.Process(process)
        return found.status() == psutil.STATUS_ZOMBIE or found.create_time() > partial.stat().st_mtime + 1  # coarse
    except psutil.NoSuchProcess:
        return True
    except (psutil.AccessDenied, FileNotFoundError):
        return False
