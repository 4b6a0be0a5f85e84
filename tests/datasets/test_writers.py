"""Whose unfinished file may go: a dead writer's, a zombie's, and that of a process whose number was given again."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datasets.writers import has_died


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    path = tmp_path / "0.tfrecord.incomplete"
    path.touch()
    return path


def test_a_living_writer_keeps_its_file(partial: Path) -> None:
    assert not has_died(os.getpid(), partial)


def test_an_ended_one_does_not(partial: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", ""])
    writer.wait()
    assert has_died(writer.pid, partial)


def test_nor_does_one_that_nobody_has_looked_after(partial: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)  # it has ended and is a zombie now
    assert has_died(writer.pid, partial)
    writer.wait()


def test_a_number_given_again_is_no_writer(partial: Path) -> None:
    long_ago = time.time() - 10 * 365 * 24 * 3600
    os.utime(partial, (long_ago, long_ago))
    assert has_died(os.getpid(), partial)
