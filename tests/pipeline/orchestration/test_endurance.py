"""The endurance tests of tests/benchmarks/endurance.py, in small: nothing is lost, nothing grows."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "number"), [("kills", 20), ("disk", 20), ("schedulers", 5), ("clock", 500)])
def test_a_workspace_endures(kind: str, number: int) -> None:
    if kind == "disk" and not shutil.which("unshare"):
        pytest.skip("unshare(1) is not installed: no small disk can be mounted")
    command = [sys.executable, "-m", "tests.benchmarks.endurance", kind, str(number)]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
