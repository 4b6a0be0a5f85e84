"""Try whether a workspace, a schedule and a server endure: kills, full disks, many at once, clocks, hostile requests.

    python -m tests.benchmarks.endurance kills 200          # kill -9 where a file is renamed, linked or removed
    python -m tests.benchmarks.endurance kills 20 --real    # the same, with the true steps on tests/tiny.yaml
    python -m tests.benchmarks.endurance disk 100           # run on disks with too little room, then with enough
    python -m tests.benchmarks.endurance schedulers 50      # slots at which four schedulers run at the same time
    python -m tests.benchmarks.endurance clock 5000         # slots of `schedule --watch` under a clock that jumps
    python -m tests.benchmarks.endurance many 20000         # images for ingest, one of 100 of them bad
    python -m tests.benchmarks.endurance requests 5000      # to a served model, every second one hostile
    python -m tests.benchmarks.endurance together 10        # minutes of predict, serve, gc, verify and run at once

Each prints one line with what was lost and what has grown, and ends with exit code 1 if anything was. Without --real
the steps are small ones that write files of the true names, so that every point is reached in seconds.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks import endurance_kills, endurance_models, endurance_runs

KINDS: dict[str, Callable[..., str]] = {
    "kills": endurance_kills.kills,
    "disk": endurance_runs.disk,
    "schedulers": endurance_runs.schedulers,
    "clock": endurance_runs.clock,
    "many": endurance_models.many,
    "requests": endurance_models.requests,
    "together": endurance_models.together,
}
WITH_REAL_STEPS = ("kills", "disk")


def main() -> int:
    """Try one kind; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("number", type=int)
    parser.add_argument("--real", action="store_true", help="kills and disk: the true steps")
    options = parser.parse_args()
    call = KINDS[options.kind]
    if options.real:
        if options.kind not in WITH_REAL_STEPS:
            parser.error(f"--real is for {' and '.join(WITH_REAL_STEPS)}")
        call = partial(call, real=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            print(f"{options.kind} {options.number}: {call(options.number, Path(scratch))}")
        except AssertionError as error:
            print(f"{options.kind} {options.number}: FAILED: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
