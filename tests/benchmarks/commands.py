"""Measure the cost of the light commands, and its ratio to an empty Python process.

    .venv/bin/python tests/benchmarks/commands.py [--workspace DIR] [--rounds N]

The workspace must hold a finished `./run demo`. Results are medians of CPU seconds (user + system, children included)
and of wall seconds; the commands alternate, so that a busy machine slows all of them alike.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).parents[2]
LIMITS = {"--help": 0.3, "status": 0.3, "lineage": 0.3, "run, all reused": 2.0}
"""Allowed seconds: wall for the first three, CPU for the reused run."""


def measure(command: list[str]) -> tuple[float, float]:
    """Return CPU and wall seconds of one call, which must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=PROJECT / "workspace")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    workspace = str(options.workspace.resolve())
    served = max(Path(workspace, "serving").glob("*/[0-9]*"), default=None)
    if served is None:
        sys.exit(f"{workspace} holds no served model. Run ./run demo first.")
    segline = [sys.executable, "-m", "pipeline"]
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "--help": [*segline, "--help"],
        "status": [*segline, "status", "--workspace", workspace],
        "lineage": [*segline, "lineage", str(served), "--workspace", workspace],
        "run, all reused": [*segline, "run", served.parent.name, "--workspace", workspace],
    }
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(options.rounds + 1):  # the first round warms the file cache and is dropped
        for name, command in commands.items():
            measured[name].append(measure(command))
    floor = statistics.median(cpu for cpu, _ in measured["python -c pass"][1:])
    print(f"{'command':<16} {'CPU s':>7} {'wall s':>7} {'x floor':>8}  limit")
    for name, seconds in measured.items():
        cpu, wall = (statistics.median(column) for column in zip(*seconds[1:], strict=True))
        limit = f"{LIMITS[name]} s" if name in LIMITS else ""
        print(f"{name:<16} {cpu:7.3f} {wall:7.3f} {cpu / floor:8.1f}  {limit}")


if __name__ == "__main__":
    main()
