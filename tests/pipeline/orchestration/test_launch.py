"""Several workers on one host: their GPUs, their common end, and restarts."""

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.errors import UserError
from pipeline.orchestration import launch
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store


def test_gpus_are_divided_among_the_workers() -> None:
    assert launch.gpu_shares(2, ["0", "1", "2", "3"]) == ["0,1", "2,3"]
    assert launch.gpu_shares(2, []) == ["", ""]
    with pytest.raises(UserError, match=r"2 workers cannot share 1 GPU evenly.*CUDA_VISIBLE_DEVICES=-1"):
        launch.gpu_shares(2, ["0"])


@pytest.mark.parametrize(("value", "gpus"), [("2,GPU-8a", ["2", "GPU-8a"]), ("-1", []), ("", [])])
def test_only_visible_gpus_count(value: str, gpus: list[str]) -> None:
    assert launch.visible_gpus({"CUDA_VISIBLE_DEVICES": value}) == gpus


def test_addresses_differ() -> None:
    assert len(set(launch.free_addresses(4))) == 4


def test_ports_are_outside_the_ephemeral_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outgoing connection must not take a port in the seconds before a worker listens on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(launch, "PORTS", (port, port + 1))
        with pytest.raises(UserError, match="2 workers need a free port each"):
            launch.free_addresses(2)
    monkeypatch.undo()
    assert all(12000 <= int(address.rpartition(":")[2]) < 32000 for address in launch.free_addresses(8))


def start(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    script: str,
    capfd: pytest.CaptureFixture[str],
    restarts: int = 0,
    rerun: launch.Rerun | None = None,
) -> tuple[int, list[str]]:
    """Launch two processes of a shell script, which finds its worker number in $N."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nN=$(echo "$TF_CONFIG" | sed \'s/.*index": //; s/}}.*//\')\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(launch, "visible_gpus", lambda environment: [])
    monkeypatch.setattr(launch, "GRACE_SECONDS", 1.0)
    monkeypatch.setattr(launch, "KILL_SECONDS", 1.0)
    monkeypatch.delenv("SEGLINE_LOG_JSON", raising=False)
    code = launch.launch(2, ["recipe"], Workspace(tmp_path), rerun=rerun, max_restarts=restarts)
    return code, capfd.readouterr().out.splitlines()


def test_output_lines_carry_the_worker_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, lines = start(monkeypatch, tmp_path, 'echo "I am $N"; echo bad >&2', capfd)
    assert code == 0 and sorted(lines) == ["[0] I am 0", "[0] bad", "[1] I am 1", "[1] bad"]


def test_one_failed_worker_ends_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also a worker that ignores SIGTERM, and its child process."""
    script = f'[ $N = 1 ] && exit 5; trap "" TERM; sleep 600 & echo $! > {tmp_path}/sleeper; wait; wait; sleep 600'
    assert start(monkeypatch, tmp_path, script, capfd)[0] == 5
    status = Path("/proc", (tmp_path / "sleeper").read_text().strip(), "status")
    assert not status.exists() or "(zombie)" in status.read_text()  # dead, though its parent may not have reaped it


def test_all_workers_restart_up_to_the_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = f"echo x >> {tmp_path}/$N; [ $(wc -l < {tmp_path}/$N) = 3 ]"
    code, lines = start(monkeypatch, tmp_path, script, capfd, restarts=4)
    assert code == 0 and (tmp_path / "0").read_text().count("x") == 3
    assert lines[-1].endswith("exit code 1: restart 2 of 4")


def test_a_requested_rerun_is_not_repeated_by_a_restart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Store(Workspace(tmp_path).store)
    for recipe, step, since in (("mine", "ingest", 1000), ("mine", "train", -1000), ("other", "train", 1000)):
        store.begin_run(recipe, recipe, "", "", "running")
        execution = store.begin(recipe, step, "", "key", "{}")
        store.finish(execution, step, f"artifacts/{recipe}", "digest")
        store.rows("UPDATE executions SET started = started + ? WHERE id = ?", since, execution)
    rerun = launch.Rerun("mine", ("ingest", "train"))
    assert rerun.left(Workspace(tmp_path), time.time() + 2000) == ["--rerun", "ingest", "--rerun", "train"]
    _, lines = start(monkeypatch, tmp_path, 'echo "$@"; exit 1', capfd, restarts=1, rerun=rerun)
    bound = f"-P -m pipeline.orchestration.bound_program {os.getpid()}"
    assert {line[4:] for line in lines if line.startswith("[")} == {f"{bound} pipeline run recipe --rerun train"}


def test_launch_accepts_the_options_of_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[list[str], launch.Rerun]] = []
    monkeypatch.setattr(launch, "launch", lambda _, arguments, __, *, rerun, **___: seen.append((arguments, rerun)))
    call = ["launch", "demo", "--workers", "2", "--workspace", str(tmp_path), "--rerun", "train", "--rerun", "export"]
    assert main([*call, "--until", "export", "--no-wait"]) == 0
    arguments = ["demo", "--workspace", str(tmp_path), "--until", "export", "--no-wait"]
    assert seen == [(arguments, launch.Rerun("demo", ("train", "export")))]


@pytest.mark.parametrize("code", [2, 3, 130])
def test_failures_that_a_restart_cannot_fix_are_final(
    code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert start(monkeypatch, tmp_path, f"exit {code}", capfd, restarts=3) == (code, [])


def test_a_launch_inside_a_job_and_wrong_numbers_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEGLINE_WORKERS", "a:1,b:1")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    with pytest.raises(UserError, match="already names 2 workers"):
        launch.launch(2, [], Workspace(tmp_path))
    with pytest.raises(UserError, match=r"must be 2 or more. Received: 1"):
        launch.launch(1, [], Workspace(tmp_path))
    with pytest.raises(UserError, match=r"--max-restarts must be 0 or more. Received: -1"):
        launch.launch(2, [], Workspace(tmp_path), max_restarts=-1)
