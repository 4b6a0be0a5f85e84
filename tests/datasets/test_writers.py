"""Unfinished files may be removed if the writer is dead, a zombie, or its process id has been reassigned."""

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


def test_a_running_writer_is_alive(partial: Path) -> None:
    assert not has_died(signature(), partial)


def test_an_ended_writer_has_died(partial: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", ""])
    writer.wait()
    assert has_died(f"{socket.gethostname()}-{writer.pid}", partial)


def test_a_zombie_has_died(partial: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)  # it has ended and is a zombie now
    assert has_died(f"{socket.gethostname()}-{writer.pid}", partial)
    writer.wait()


def test_a_process_that_is_younger_than_the_file_is_not_its_writer(partial: Path) -> None:
    long_ago = time.time() - 10 * 365 * 24 * 3600
    os.utime(partial, (long_ago, long_ago))
    assert has_died(signature(), partial)


def test_a_writer_of_another_host_never_counts_as_dead(partial: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", ""])
    writer.wait()
    assert not has_died(f"not-{socket.gethostname()}-{writer.pid}", partial)
    assert not has_died("unsigned", partial)
