"""What the machine says of itself: memory, GPUs, clock. Each answer is None where it says nothing."""

import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC, GROUPS = Path("/proc"), Path("/sys/fs/cgroup")

PATIENCE = 10.0
"""Seconds that a program may take to answer."""


@dataclass(frozen=True)
class Gpu:
    """A GPU as NVIDIA's driver names it. Memory in MiB."""

    name: str
    memory: int
    driver: str


def memory_available(proc: Path = PROC, groups: Path = GROUPS) -> int | None:
    """Bytes that a new process may still take: of the machine, and of every control group that we are in.

    Args:
        proc: Where the kernel tells of processes.
        groups: Where it tells of control groups, of version 2 or 1.
    """
    try:
        lines = (proc / "meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    facts = dict(line.split(":", 1) for line in lines)
    of_machine = int(facts["MemAvailable"].split()[0]) * 1024
    return min([of_machine, *_left_in_groups(proc, groups)])


def _left_in_groups(proc: Path, groups: Path) -> list[int]:
    """Bytes left in each control group with a limit, from ours to the outermost that can be seen."""
    with suppress(OSError):
        rows = [row.split(":", 2) for row in (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines()]
        paths = {kinds: Path(path.lstrip("/")) for _, kinds, path in rows}
        found = [_left(groups / inner, "memory.max", "memory.current", "inactive_file") for inner in _up(paths.get(""))]
        version_1 = groups / "memory"
        found += [
            _left(version_1 / inner, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            for inner in _up(paths.get("memory"))
        ]
        return [left for left in found if left is not None]
    return []


def _up(path: Path | None) -> list[Path]:
    return [path, *path.parents] if path else []


def _left(group: Path, limit: str, used: str, cached: str) -> int | None:
    """Limit of a group less what it uses, not counting files that the kernel may drop; None: it has no limit."""
    try:
        statistics = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
        taken = int((group / used).read_text(encoding="ascii")) - int(statistics.get(cached, 0))
        return int((group / limit).read_text(encoding="ascii")) - taken
    except (OSError, ValueError):  # the outermost group has no such files; `max` is no limit
        return None


def reset_peak_memory() -> None:
    """Begin anew with what `peak_memory` gives."""
    (PROC / "self" / "clear_refs").write_text("5", encoding="ascii")  # proc(5)


def peak_memory() -> int:
    """Most bytes of memory that this process held since `reset_peak_memory`, or ever."""
    lines = (PROC / "self" / "status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


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
