"""Available memory, of the machine and of every enclosing control group; peak memory."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.host import machine

MIB = 1 << 20


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    folder = tmp_path / "proc"
    (folder / "self").mkdir(parents=True)
    (folder / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 8192000 kB\n")
    return folder


def group(folder: Path, files: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(f"{content}\n")


def test_without_groups_the_machine_s_memory_is_available(proc: Path, tmp_path: Path) -> None:
    assert machine.memory_available(proc, tmp_path / "none") == 8192000 * 1024
    assert machine.memory_available(tmp_path / "elsewhere") is None


def test_the_smallest_limit_counts_without_cached_files(proc: Path, tmp_path: Path) -> None:
    (proc / "self" / "cgroup").write_text("0::/machine/job\n")
    outer = {"memory.max": 900 * MIB, "memory.current": 700 * MIB, "memory.stat": f"anon 1\ninactive_file {100 * MIB}"}
    group(tmp_path / "machine", outer)
    group(tmp_path / "machine" / "job", {"memory.max": "max", "memory.current": 5, "memory.stat": "anon 5"})
    assert machine.memory_available(proc, tmp_path) == 300 * MIB


def test_control_groups_of_version_1(proc: Path, tmp_path: Path) -> None:
    (proc / "self" / "cgroup").write_text("4:memory:/job\n3:cpu,cpuacct:/job\n")
    files = {"memory.limit_in_bytes": 400 * MIB, "memory.usage_in_bytes": 150 * MIB}
    group(tmp_path / "memory" / "job", {**files, "memory.stat": f"total_inactive_file {50 * MIB}"})
    assert machine.memory_available(proc, tmp_path) == 300 * MIB


def test_the_peak_can_be_reset() -> None:
    held = np.ones(200 * MIB, np.uint8)
    high = machine.peak_memory()
    assert high > held.nbytes
    del held
    machine.reset_peak_memory()
    assert machine.peak_memory() < high - 150 * MIB


def test_the_flags_of_the_processor(tmp_path: Path) -> None:
    assert machine.cpu_flags(tmp_path) == frozenset()
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16\nbugs\t\t: none\n\nprocessor\t: 1\n")
    assert machine.cpu_flags(tmp_path) == {"fpu", "avx512_bf16"}
    (tmp_path / "cpuinfo").write_text("Features\t: fp asimd\n")  # ARM
    assert machine.cpu_flags(tmp_path) == frozenset()
