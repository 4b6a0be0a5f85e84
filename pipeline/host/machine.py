"""What the machine says of itself: memory, GPUs, clock. Each answer is None where it says nothing."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 10.0
"""Seconds that a program may take to answer."""


@dataclass(frozen=True)
class Gpu:
    """A GPU as NVIDIA's driver names it. Memory in MiB."""

    name: str
    memory: int
    driver: str


def memory_available() -> int | None:
    """Bytes that a new process may still take: of the machine, and of the control group we are in."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    facts = dict(line.split(":", 1) for line in lines)
    of_machine = int(facts["MemAvailable"].split()[0]) * 1024
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = int((group / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return of_machine
    return of_machine if limit == "max" else min(of_machine, int(limit) - used)


def gpus() -> list[Gpu] | None:
    """NVIDIA's GPUs; None where its driver is not installed.

    Raises:
        OSError: The driver is there and does not answer.
    """
    query = "--query-gpu=name,memory.total,driver_version"
    answer = _ask("nvidia-smi", query, "--format=csv,noheader,nounits")
    if answer is None:
        return None
    rows = [[part.strip() for part in line.split(",")] for line in answer.splitlines() if line.strip()]
    return [Gpu(name, int(memory) if memory.isdecimal() else 0, driver) for name, memory, driver in rows]


def clock_is_synchronised() -> bool | None:
    """Whether a time service keeps the clock right, where systemd knows."""
    try:
        answer = _ask("timedatectl", "show", "--property=NTPSynchronized", "--value")
    except OSError:
        return None
    return {"yes": True, "no": False}.get((answer or "").strip())


def _ask(*command: str) -> str | None:
    """Standard output of a program; None where it is not installed."""
    if not shutil.which(command[0]):
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise OSError(f"{command[0]} did not answer within {PATIENCE:.0f} s") from None
    if done.returncode:
        raise OSError((done.stderr or done.stdout).strip().splitlines()[0] if done.stderr or done.stdout else "")
    return done.stdout
