"""Measure what it costs to hold the inputs of a step against their seals, beside the shortest step that is run.

    .venv/bin/python tests/benchmarks/integrity.py [--shards 100] [--files 2000] [--megabytes 400] [--rounds 5]

A workspace is made whose records are `--shards` files of `--megabytes` in all, with a result of `--files` small files
beside them. Both ways are measured with files in the page cache: by size and modification time, and in full
(`--verify`). The step is `gate`, the shortest of the six, as `segline step` runs it: a process that imports, compares
and publishes. Everything is measured in one run, alternately, so that a busy machine slows all alike; medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT))

from pipeline.config.step_names import EVALUATE, INGEST, VALIDATE  # noqa: E402
from pipeline.workspace import integrity  # noqa: E402
from pipeline.workspace.layout import Workspace  # noqa: E402
from pipeline.workspace.run_folder import RunFolder  # noqa: E402
from tests.pipeline import finished  # noqa: E402
from tests.pipeline.sealed import seal  # noqa: E402

LIMIT = 0.03
"""Share of the step that the check by size and modification time may take."""

GATE_ONLY = (
    "import sys; from pipeline.orchestration import follow_up; follow_up.AROUND = {}; "
    "from pipeline.__main__ import main; sys.exit(main(sys.argv[1:]))"
)
"""Runs `segline` without the report after a step, which would make the step longer, and the share smaller."""


def fill(folder: Path, files: int, size: int) -> None:
    """Add files of random bytes to an artifact, and seal it again as the result it was."""
    folder.mkdir(exist_ok=True)
    for number in range(files):
        (folder / f"{number:05}.tfrecord").write_bytes(os.urandom(size))


def sealed_again(artifact: Path) -> None:
    """Seal an artifact to which files were added, with the fingerprint and the maker that it had."""
    old = json.loads((artifact / "artifact.json").read_text(encoding="utf-8"))
    seal(artifact, **{key: old[key] for key in ("run", "execution", "made", "code", "fingerprint")})


def seconds(call: Callable[[], object]) -> float:
    """Return the wall seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> int:
    """Make the workspace, measure and print the table; return 1 if the comparison costs more than LIMIT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("shards", 100), ("files", 2000), ("megabytes", 400), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=number)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        finished.use_small_steps(patch)
        made = finished.make(Path(scratch))
        return int(measure(made.workspace, options) > LIMIT)


def measure(workspace: Workspace, options: argparse.Namespace) -> float:
    """Fill the results of the first run, measure, and print; return the cost by size and time as a share of a step."""
    run = RunFolder(workspace.run("one"))
    artifacts = [run.artifact(name) for name in (INGEST, VALIDATE, "train", EVALUATE)]
    fill(artifacts[0] / "records", options.shards, options.megabytes * 1_000_000 // max(1, options.shards))
    fill(artifacts[3] / "pictures", options.files, 1000)
    for artifact in artifacts:
        sealed_again(artifact)
        integrity.require_intact(workspace, artifact)  # remembers sizes and times

    def check(*, contents: bool) -> None:
        for artifact in artifacts:
            integrity.require_intact(workspace, artifact, contents=contents)

    step = [sys.executable, "-c", GATE_ONLY, "step", "gate", "--run", "one", "--rerun"]
    step += ["--workspace", str(workspace.root)]
    cases: dict[str, Callable[[], object]] = {
        "by size and time": lambda: check(contents=False),
        "in full (--verify)": lambda: check(contents=True),
        "the step": lambda: subprocess.run(step, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL),
    }
    rows: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(options.rounds + 1):  # the first round warms the page cache and is dropped
        for name, case in cases.items():
            took = seconds(case)
            if number:
                rows[name].append(took)
    middle = {name: statistics.median(values) for name, values in rows.items()}
    print(f"{options.shards} shards of {options.megabytes} MB in all, {options.files:,} small files")
    for name, value in middle.items():
        print(f"{name:<20} {value * 1e3:9.1f} ms   {value / middle['the step']:7.2%} of the step")
    share = middle["by size and time"] / middle["the step"]
    print(f"by size and time: {share:.2%} of the shortest step, at most {LIMIT:.0%}")
    return share


if __name__ == "__main__":
    sys.exit(main())
