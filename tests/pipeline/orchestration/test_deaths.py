"""`segline launch` with real processes that are killed, stopped and asked to end: nothing is lost, nobody is left.

Each start takes about 35 s on 2 idle cores, a test one to four of them: not for CI. No limit here is one of Segline's,
but where a test says so: a slow machine takes longer, and is no fault.
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
"""Of 2 steps: so many that a training is still at work when a busy test comes to kill it."""

SLOW = 300
"""Seconds after which what has to end by itself counts as one that never will."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


class Launch:
    """`segline launch --workers 2` on the sample data, as far as the train step, in a workspace."""

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
        told = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        command = [sys.executable, "-m", "pipeline", "launch", "--workers", "2", str(PROJECT / "tests/tiny.yaml")]
        command += [*told, "--workspace", str(self.workspace), "--until", "train", *options]
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
        found = self.workspace.glob("artifacts/train/*.partial/checkpoints/step-*.npz")
        return max((int(path.stem[5:]) for path in found), default=0)

    def writes(self) -> bool:
        """Whether a checkpoint is being written at this moment."""
        return any(self.workspace.glob("artifacts/train/*.partial/checkpoints/*.partial"))

    def process(self, kind: str, index: int) -> int:
        """Process id of a worker (`run`), or of its step (`step`)."""
        found = [number for number, told in self.processes().items() if told == (kind, index)]
        assert len(found) == 1, f"{kind} of worker {index}: {found}\n{self.shown}"
        return found[0]

    def processes(self) -> dict[int, tuple[str, int]]:
        """Process ids of workers and of their steps; each one's kind, `run` or `step`, and the worker's number."""
        found = {}
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
                found[int(folder.name)] = kind, json.loads(variables["TF_CONFIG"])["task"]["index"]
        return found

    def end(self) -> None:
        """End whatever is left, those first that would start others."""
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
        found: dict[str, np.ndarray] = {}
        (path,) = self.workspace.glob("artifacts/train/*/weights.h5")
        with h5py.File(path) as file:
            file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
        return found

    def until(self, ready: Callable[[], object], process: "subprocess.Popen[bytes]", seconds: float = 600) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            assert process.poll() is None, f"launch ended before it should have:\n{self.shown}"
            assert time.monotonic() < deadline, f"it took too long:\n{self.shown}"
            time.sleep(0.002)

    def ended(self, process: "subprocess.Popen[bytes]", seconds: float = 600) -> int:
        """Wait for its end; give its exit code. None of its processes may be left, once the kernel has had its turn."""
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
    made = Launch(tmp_path / "workspace", camvid_raw)
    yield made
    made.end()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, camvid_raw: Path) -> dict[str, np.ndarray]:
    """Weights of a training that nobody disturbed."""
    made = Launch(tmp_path_factory.mktemp("whole") / "workspace", camvid_raw)
    try:
        assert made.ended(made.start()) == 0, made.shown
    finally:
        made.end()
    return made.weights()


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    assert found.keys() == expected.keys() and len(found) > 20
    return all(np.array_equal(array, expected[name]) for name, array in found.items())


def test_killed_workers_and_chiefs_cost_nothing(launch: Launch, whole: dict[str, np.ndarray]) -> None:
    """First the step of a worker, then that of the chief while it writes a checkpoint; both times all start again."""
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
def test_a_host_that_goes_ends_the_job_and_the_same_command_goes_on(
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
    # One that is stopped as a whole hears nothing: launch ends it when the time of grace for all others is over.
    assert launch.ended(process, timeout_s + GRACE_SECONDS + KILL_SECONDS + 60) == 1
    assert re.search(r"train\.timeout_s", launch.shown), launch.shown


@pytest.mark.parametrize("whom", ["step", "run"])
def test_a_worker_that_is_asked_to_end_ends_all_at_one_step(
    launch: Launch, whole: dict[str, np.ndarray], whom: str
) -> None:
    process = launch.start("--max-restarts", "1")
    launch.until(lambda: launch.steps_done() >= 3, process)
    os.kill(launch.process(whom, 1), signal.SIGTERM)
    assert launch.ended(process, SLOW) == 130
    assert "restart" not in launch.shown and len(set(re.findall(r"stopped at (.*);", launch.shown))) == 1
    assert launch.ended(launch.start()) == 0
    assert same(launch.weights(), whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_launch_passes_on_that_it_is_asked_to_end(launch: Launch, number: signal.Signals) -> None:
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
