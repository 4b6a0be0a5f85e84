"""`segline run`, killed with all its processes while shards are written, is completed by the same command."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


def command(camvid_raw: Path, workspace: Path) -> list[str]:
    settings = (f"data.manual_dir={camvid_raw}", "ingest.num_shards=8")
    overrides = [part for setting in settings for part in ("--set", setting)]
    recipe = PROJECT / "tests" / "tiny.yaml"
    return [
        sys.executable,
        "-m",
        "pipeline",
        "run",
        str(recipe),
        "--workspace",
        str(workspace),
        "--until",
        "ingest",
        *overrides,
    ]


def records(workspace: Path) -> dict[str, bytes]:
    (folder,) = workspace.glob("artifacts/ingest/*")
    return {path.name: path.read_bytes() for path in (folder / "records").glob("*.tfrecord-*")}


@pytest.mark.slow
def test_a_killed_run_is_completed_by_the_same_command(camvid_raw: Path, tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen(command(camvid_raw, killed), cwd=PROJECT, start_new_session=True)
    while not list(killed.glob("cache/ingest/*/*.tfrecord")) and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    for workspace in (killed, whole):
        ended = subprocess.run(command(camvid_raw, workspace), cwd=PROJECT, capture_output=True, text=True, check=True)
        assert "shards are reused" in ended.stdout or workspace is whole
    assert records(killed) == records(whole) and len(records(whole)) % 8 == 0
    assert not [path for pattern in ("*partial*", "*incomplete*") for path in killed.rglob(pattern)]
