"""The folder of one run."""

import os
from pathlib import Path

import pytest

from pipeline.workspace.run_folder import RunFolder


def test_a_link_that_a_killed_process_left_is_in_nobodys_way(tmp_path: Path) -> None:
    """In a container the next process has the same number."""
    (tmp_path / "artifact").mkdir()
    (tmp_path / f".train.{os.getpid()}").symlink_to("elsewhere")
    RunFolder(tmp_path).link("train", tmp_path / "artifact")
    assert RunFolder(tmp_path).artifact("train") == tmp_path / "artifact"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artifact", "train"]


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("run a\nsegline: first\ntrain runs\nsegline: second:\n  a.png\n", "second:\n  a.png"),
        ("segline: only\n", "only"),
        ("segline: first\nTraceback (most recent call last):\n  File x\nValueError: 3\n", "ValueError: 3"),
        ("", ""),
    ],
)
def test_the_last_error_of_a_log(log: str, error: str, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(log)
    assert RunFolder(tmp_path).last_error() == error
