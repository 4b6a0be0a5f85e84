"""Facts of the machine: memory, processor, GPUs, clock. Each is None where the machine does not report it."""

import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC, GROUPS = Path("/proc"), Path("/sys/fs/cgroup")

TIMEOUT = 10.0
"""Seconds that a queried program may take."""


@dataclass(frozen=True)
class Gpu:
    """A GPU as NVIDIA's driver reports it; memory in MiB."""

    name: str
    memory: int
    driver: str


def memory_available(proc: Path = PROC, groups: Path = GROUPS) -> int | None:
    """Bytes that a new process may still allocate, limited by the machine and by every control group of this process.

    Args:
        proc: Mount of procfs.
        groups: Mount of the control groups, version 2 or 1.
    """
    try:
        lines = (proc / "meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    facts = dict(line.split(":", 1) for line in lines)
    of_machine = int(facts["MemAvailable"].split()[0]) * 1024
    return min([of_machine, *_left_in_groups(proc, groups)])


def _left_in_groups(proc: Path, groups: Path) -> list[int]:
    """Bytes left in each control group with a limit, from this process's group to the outermost visible one."""
    with suppress(OSError):
        rows = [row.split(":", 2) for row in (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines()]
        paths = {kinds: Path(path.lstrip("/")) for _, kinds, path in rows}
        left = [_left(groups / inner, "memory.max", "memory.current", "inactive_file") for inner in _up(paths.get(""))]
        version_1 = groups / "memory"
        left += [
            _left(version_1 / inner, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            for inner in _up(paths.get("memory"))
        ]
        return [size for size in left if size is not None]
    return []


def _up(path: Path | None) -> list[Path]:
    return [path, *path.parents] if path else []


def _left(group: Path, limit: str, used: str, cached: str) -> int | None:
    """Limit of a group less its usage, not counting files that the kernel may drop; None: no limit."""
    try:
        statistics = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
        usage = int((group / used).read_text(encoding="ascii")) - int(statistics.get(cached, 0))
        return int((group / limit).read_text(encoding="ascii")) - usage
    except (OSError, ValueError):  # the outermost group lacks these files; `max` means no limit
        return None


def reset_peak_memory() -> None:
    """Reset what `peak_memory` measures."""
    (PROC / "self" / "clear_refs").write_text("5", encoding="ascii")  # proc(5)


def peak_memory() -> int:
    """Peak resident memory of this process in bytes, since `reset_peak_memory` or its start."""
    lines = (PROC / "self" / "status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def cpu_flags(proc: Path = PROC) -> frozenset[str]:
    """Return the processor's flags as Linux names them, such as avx2; empty where the machine does not report them."""
    try:
        lines = (proc / "cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), ()))


def gpus() -> list[Gpu] | None:
    """NVIDIA's GPUs; None where the driver is not installed.

    Raises:
        OSError: The driver is installed and does not answer.
    """
    query = "--query-gpu=name,memory.total,driver_version"
    output = _run("nvidia-smi", query, "--format=csv,noheader,nounits")
    if output is None:
        return None
    rows = [[part.strip() for part in line.split(",")] for line in output.splitlines() if line.strip()]
    return [Gpu(name, int(memory) if memory.isdecimal() else 0, driver) for name, memory, driver in rows]


def clock_is_synchronised() -> bool | None:
    """Whether a time service synchronises the clock; None where systemd does not know."""
    try:
        output = _run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    except OSError:
        return None
    return {"yes": True, "no": False}.get((output or "").strip())


def _run(*command: str) -> str | None:
    """Standard output of a program; None where it is not installed."""
    if not shutil.which(command[0]):
        return None
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise OSError(f"{command[0]} did not answer within {TIMEOUT:.0f} s") from None
    if result.returncode:
        message = (result.stderr or result.stdout).strip()
        raise OSError(message.splitlines()[0] if message else f"{command[0]} ended with {result.returncode}")
    return result.stdout
