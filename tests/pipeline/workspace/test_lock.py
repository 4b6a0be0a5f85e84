"""Locks: one holder at a time, named to those who wait, and gone with a killed process."""

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


def test_a_held_lock_is_refused_with_its_holder(holder) -> None:
    path, process = holder
    assert lock.is_held(path)
    with (
        pytest.raises(lock.LockHeldError, match=f"run first .process {process.pid} on"),
        lock.hold(path, "second", wait=False, on_wait=print),
    ):
        pass


def test_who_waits_is_told_and_goes_on_when_the_holder_is_killed(holder) -> None:
    path, process = holder
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        process.kill()

    with lock.hold(path, "second", wait=True, on_wait=hear):
        assert lock.is_held(path)
        assert "run second" in lock.holder(path)
    assert len(said) == 1 and "waiting for run first" in said[0]
    assert not lock.is_held(path)
