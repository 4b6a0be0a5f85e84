"""Whose unfinished file may go: a dead writer's, a zombie's, and that of a process whose number was given again."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datasets.writers import has_died, signature


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    path = tmp_path / "0.tfrecord.incomplete"
    path.touch()
    return path


def test_a_living_writer_keeps_its_file(partial: Path) -> None:
    assert not has_died(signature(), partial)


def test_an_ended_one_does_not(partial: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", ""])
    writer.wait()
    assert has_died(f"{socket.gethostname()}-{writer.pid}", partial)


def test_nor_does_one_that_nobody_has_looked_after(partial: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)  # it has ended and is a zombie now
    assert has_died(f"{socket.gethostname()}-{writer.pid}", partial)
    writer.wait()


def test_a_number_given_again_is_no_writer(partial: Path) -> None:
    long_ago = time.time() - 10 * 365 * 24 * 3600
    os.utime(partial, (long_ago, long_ago))
    assert has_died(signature(), partial)


def test_a_writer_of_another_host_is_nobody_that_we_could_ask(partial: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", ""])
    writer.wait()
    assert not has_died(f"not-{socket.gethostname()}-{writer.pid}", partial)
    assert not has_died("unsigned", partial)
