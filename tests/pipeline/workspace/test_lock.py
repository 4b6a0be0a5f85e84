"""Locks have one holder at a time, name it to waiting processes, and end with a killed process."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.workspace import lock

HOLD = """
import sys, time
from pathlib import Path
from pipeline.workspace import lock
with lock.hold(Path(sys.argv[1]), "first", wait=True, on_wait=print):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    path = tmp_path / "slot.lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    yield path, process
    process.kill()
    process.wait()


def test_a_held_lock_is_refused_with_the_name_of_its_holder(holder) -> None:
    path, process = holder
    assert lock.is_held(path)
    with (
        pytest.raises(lock.LockHeldError, match=f"run first .process {process.pid} on"),
        lock.hold(path, "second", wait=False, on_wait=print),
    ):
        pass


def test_a_waiting_process_names_the_holder_and_continues_once_it_is_killed(holder) -> None:
    path, process = holder
    lines: list[str] = []

    def on_wait(line: str) -> None:
        lines.append(line)
        process.kill()

    with lock.hold(path, "second", wait=True, on_wait=on_wait):
        assert lock.is_held(path)
        assert "run second" in lock.holder(path)
    assert len(lines) == 1 and "waiting for run first" in lines[0]
    assert not lock.is_held(path)
