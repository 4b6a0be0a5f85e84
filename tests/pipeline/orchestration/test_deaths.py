"""`segline launch` with real processes that are killed, stopped and interrupted: no work and no process is left over.

A start takes about 35 s on 2 idle cores, and a test makes one to four: not for CI. Time limits are not those of Segline
unless a test says so, as a slow machine may take longer.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.orchestration.launch import GRACE_SECONDS, KILL_SECONDS

PROJECT = Path(__file__).parents[3]
EPOCHS = 24
"""Epochs of 2 steps each: enough that the training still runs when a slow test kills it."""

SLOW = 300
"""Seconds after which a process that should end by itself counts as hanging."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


class Launch:
    """`segline launch --workers 2 --until train` on the sample data, in a workspace."""

    def __init__(self, workspace: Path, raw: Path) -> None:
        self.workspace, self.raw = workspace, raw
        self.environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        self.log = workspace.with_suffix(".log")
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *options: str, timeout_s: float = 600) -> "subprocess.Popen[bytes]":
        settings = {
            "data.manual_dir": self.raw,
            "train.epochs": EPOCHS,
            "train.deterministic": "true",
            "train.checkpoint_seconds": 0.001,
            "train.timeout_s": timeout_s,
            "train.samples": 0,
        }
        overrides = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        command = [sys.executable, "-m", "pipeline", "launch", "--workers", "2", str(PROJECT / "tests/tiny.yaml")]
        command += [*overrides, "--workspace", str(self.workspace), "--until", "train", *options]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.started.append(process)
        return process

    @property
    def shown(self) -> str:
        return self.log.read_text(errors="replace")

    def steps_done(self) -> int:
        """Number of the newest checkpoint."""
        checkpoints = self.workspace.glob("artifacts/train/*.partial/checkpoints/step-*.npz")
        return max((int(path.stem[5:]) for path in checkpoints), default=0)

    def writes(self) -> bool:
        """Whether a checkpoint is being written at this moment."""
        return any(self.workspace.glob("artifacts/train/*.partial/checkpoints/*.partial"))

    def process(self, kind: str, index: int) -> int:
        """Process id of a worker (`run`), or of its step (`step`)."""
        numbers = [number for number, role in self.processes().items() if role == (kind, index)]
        assert len(numbers) == 1, f"{kind} of worker {index}: {numbers}\n{self.shown}"
        return numbers[0]

    def processes(self) -> dict[int, tuple[str, int]]:
        """{process id of a worker or of its step: (`run` or `step`, the worker's number)}."""
        roles = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (folder / "cmdline").read_bytes().decode().split("\0")
                variables = dict(part.split("=", 1) for part in _variables(folder))
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except (OSError, ValueError):
                continue
            mine = "pipeline" in arguments and str(self.workspace) in arguments and "TF_CONFIG" in variables
            if mine and state != "Z":
                kind = arguments[arguments.index("pipeline") + 1]
                roles[int(folder.name)] = kind, json.loads(variables["TF_CONFIG"])["task"]["index"]
        return roles

    def end(self) -> None:
        """Kill every process left, first those that would start others."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        while left := self.processes():
            for number in left:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.2)

    def weights(self) -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {}
        (path,) = self.workspace.glob("artifacts/train/*/weights.h5")
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item: arrays.update({name: item[()]} if isinstance(item, h5py.Dataset) else {})
            )
        return arrays

    def until(self, ready: Callable[[], object], process: "subprocess.Popen[bytes]", seconds: float = 600) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            assert process.poll() is None, f"launch ended before it should have:\n{self.shown}"
            assert time.monotonic() < deadline, f"it took too long:\n{self.shown}"
            time.sleep(0.002)

    def ended(self, process: "subprocess.Popen[bytes]", seconds: float = 600) -> int:
        """Wait for its end and return its exit code; soon after, none of its processes may be left."""
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"launch did not end in {seconds:g} s:\n{self.shown}")
        deadline = time.monotonic() + 10
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not self.processes(), self.shown
        assert "Traceback" not in self.shown, self.shown
        return code


def _variables(folder: Path) -> list[str]:
    return [part for part in (folder / "environ").read_bytes().decode(errors="replace").split("\0") if "=" in part]


@pytest.fixture
def launch(tmp_path: Path, camvid_raw: Path) -> Iterator[Launch]:
    job = Launch(tmp_path / "workspace", camvid_raw)
    yield job
    job.end()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, camvid_raw: Path) -> dict[str, np.ndarray]:
    """Weights of an uninterrupted training."""
    job = Launch(tmp_path_factory.mktemp("whole") / "workspace", camvid_raw)
    try:
        assert job.ended(job.start()) == 0, job.shown
    finally:
        job.end()
    return job.weights()


def same(weights: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    assert weights.keys() == expected.keys() and len(weights) > 20
    return all(np.array_equal(array, expected[name]) for name, array in weights.items())


def test_a_job_restarts_after_a_worker_or_the_chief_is_killed(launch: Launch, whole: dict[str, np.ndarray]) -> None:
    """First the step of a worker, then that of the chief while it writes a checkpoint."""
    process = launch.start("--max-restarts", "2")
    launch.until(lambda: launch.steps_done() >= 3, process)
    os.kill(launch.process("step", 1), signal.SIGKILL)
    launch.until(lambda: "restart 1 of 2" in launch.shown, process)
    reached = launch.steps_done()
    launch.until(lambda: launch.steps_done() > reached, process)
    chief = launch.process("step", 0)
    launch.until(launch.writes, process)
    os.kill(chief, signal.SIGKILL)
    assert launch.ended(process) == 0
    assert launch.shown.count("resumes after epoch") == 2 and "restart 2 of 2" in launch.shown
    assert same(launch.weights(), whole)


@pytest.mark.parametrize("index", [0, 1])
def test_a_lost_host_ends_the_job_and_the_same_command_resumes(
    launch: Launch, whole: dict[str, np.ndarray], index: int
) -> None:
    process = launch.start()
    launch.until(lambda: launch.steps_done() >= 5, process)
    os.killpg(launch.process("run", index), signal.SIGKILL)
    assert launch.ended(process, SLOW) in (1, 137)
    assert launch.ended(launch.start()) == 0
    assert "resumes after epoch" in launch.shown and same(launch.weights(), whole)


@pytest.mark.parametrize("kind", ["step", "run and step"])
def test_a_worker_that_hangs_ends_the_job_in_time(launch: Launch, kind: str) -> None:
    timeout_s = 60  # with less, a busy machine's first step, which compiles, counts as a hanging one
    process = launch.start(timeout_s=timeout_s)
    launch.until(lambda: launch.steps_done() >= 3, process)
    for name in kind.split(" and "):
        os.kill(launch.process(name, 1), signal.SIGSTOP)
    # A worker that is stopped as a whole receives no signal: launch kills it after the grace period of the others.
    assert launch.ended(process, timeout_s + GRACE_SECONDS + KILL_SECONDS + 60) == 1
    assert re.search(r"train\.timeout_s", launch.shown), launch.shown


@pytest.mark.parametrize("kind", ["step", "run"])
def test_sigterm_to_one_worker_stops_all_at_the_same_step(
    launch: Launch, whole: dict[str, np.ndarray], kind: str
) -> None:
    process = launch.start("--max-restarts", "1")
    launch.until(lambda: launch.steps_done() >= 3, process)
    os.kill(launch.process(kind, 1), signal.SIGTERM)
    assert launch.ended(process, SLOW) == 130
    assert "restart" not in launch.shown and len(set(re.findall(r"stopped at (.*);", launch.shown))) == 1
    assert launch.ended(launch.start()) == 0
    assert same(launch.weights(), whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_launch_forwards_stop_signals(launch: Launch, number: signal.Signals) -> None:
    process = launch.start("--max-restarts", "1")
    launch.until(lambda: launch.steps_done() >= 3, process)
    process.send_signal(number)
    assert launch.ended(process, SLOW) == 130
    assert "same command" in launch.shown and "restart" not in launch.shown


def test_workers_do_not_outlive_launch(launch: Launch) -> None:
    process = launch.start()
    launch.until(lambda: launch.steps_done() >= 3, process)
    process.kill()
    deadline = time.monotonic() + SLOW
    while launch.processes() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert launch.ended(process) == -signal.SIGKILL
