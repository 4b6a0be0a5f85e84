"""Workers meet through status files: despite files of earlier jobs, and with a timeout for a silent worker."""

import errno
import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.cluster.members import Cluster
from pipeline.cluster.watchdog import Watch
from pipeline.errors import WorkerLost
from pipeline.orchestration import attendance, rendezvous
from pipeline.orchestration.attendance import attend
from pipeline.orchestration.child_process import ChildError
from pipeline.orchestration.rendezvous import StatusFile, StatusView
from pipeline.workspace import lock
from pipeline.workspace.digest import text_digest
from pipeline.workspace.layout import Workspace
from pipeline.workspace.seal import SEAL

WORKERS = ("localhost:1", "localhost:2")
KEY = text_digest("\n".join(WORKERS))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def helped(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> list[str]:
    """Names of the steps that the worker took part in, recorded instead of run."""
    steps: list[str] = []
    (workspace.run("r")).mkdir(parents=True)
    (workspace.run("r") / "recipe.yaml").write_text("")

    def run_child(run: Any, workspace: Workspace, step: str, **settings: Any) -> None:
        settings["watch"].close()
        steps.append(step)
        if step == "bad":
            raise ChildError(7)

    monkeypatch.setattr(attendance, "run_child", run_child)
    return steps


class SecondWorker(threading.Thread):
    """Worker 1, in a thread."""

    def __init__(self, workspace: Workspace, timeout_s: float = 20) -> None:
        super().__init__(daemon=True)
        self.workspace, self.timeout_s, self.ended = workspace, timeout_s, None
        self.start()

    def run(self) -> None:
        try:
            self.ended = attend(self.workspace, Cluster(WORKERS, 1, "TF_CONFIG"), self.timeout_s)
        except WorkerLost as error:
            self.ended = str(error)

    def result(self) -> Any:
        self.join(20)
        return self.ended


def lead(workspace: Workspace, timeout_s: float = 20) -> Any:
    return rendezvous.lead(workspace, Cluster(WORKERS, 0, "TF_CONFIG"), timeout_s)


def test_a_worker_joins_each_step_and_ends_with_the_exit_code_of_the_chief(
    workspace: Workspace, helped: list[str]
) -> None:
    other = SecondWorker(workspace)
    with lead(workspace) as (workers, end):
        for step in ("train", "evaluate"):
            with workers.called("r", step):
                while step not in helped:
                    time.sleep(0.01)
        end(3)
    assert other.result() == 3 and helped == ["train", "evaluate"]


def test_status_files_of_an_earlier_job_are_ignored(workspace: Workspace, helped: list[str]) -> None:
    folder = workspace.cluster(KEY)
    folder.mkdir(parents=True)
    call = {"number": 1, "run": "r", "step": "old", "again": False, "workers": ["me"]}
    (folder / "chief.json").write_text(json.dumps({"name": "old", "beat": 9, "call": call, "over": 0}))
    (folder / "worker-1.json").write_text(json.dumps({"name": "me", "beat": 9, "job": "old", "failed": None}))
    with (
        pytest.raises(WorkerLost, match=r"no sign of life from worker 1 \(localhost:2\) for 0.5 s"),
        lead(workspace, 0.5),
    ):
        pytest.fail("no worker joined")
    other = SecondWorker(workspace)
    with lead(workspace) as (_, end):
        end(0)
    assert other.result() == 0 and helped == []


def test_a_step_that_fails_at_a_worker_ends_it_with_that_code(workspace: Workspace, helped: list[str]) -> None:
    other = SecondWorker(workspace)
    with lead(workspace) as (workers, _), workers.called("r", "bad"):
        assert other.result() == 7
    assert json.loads((workspace.cluster(KEY) / "worker-1.json").read_text())["failed"] == 7


def test_a_worker_that_ended_ends_the_step_of_the_chief_after_the_grace_period(
    workspace: Workspace, helped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendezvous, "GRACE_SECONDS", 0.1)
    other = SecondWorker(workspace)
    with lead(workspace) as (workers, _), workers.called("r", "bad") as watch:
        other.result()
        assert watch.reason() is None
        time.sleep(0.2)
        assert watch.reason() == "worker 1 (localhost:2) has ended"
        watch.close()


def test_a_silent_chief_ends_the_worker(workspace: Workspace, helped: list[str]) -> None:
    folder = workspace.cluster(KEY)
    folder.mkdir(parents=True)
    (folder / "chief.json").write_text(json.dumps({"name": "dead", "beat": 1, "call": None, "over": None}))
    assert "no sign of life from the chief for 0.3 s" in SecondWorker(workspace, 0.3).result()


def test_a_failed_chief_ends_the_worker(workspace: Workspace, helped: list[str]) -> None:
    other = SecondWorker(workspace)
    with pytest.raises(RuntimeError), lead(workspace):
        raise RuntimeError
    assert other.result() == 1


def test_a_half_written_status_file_is_ignored(tmp_path: Path) -> None:
    with StatusFile(tmp_path / "a.json", job="x") as status_file:
        view = StatusView(tmp_path / "a.json")
        assert view()["job"] == "x"
        status_file.post(job="y")
        (tmp_path / "a.json").write_text('{"name": "')
        assert view()["job"] == "x"


def test_a_transient_file_system_error_stops_neither_the_heartbeat_nor_the_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(*_: Any, **__: Any) -> None:
        faults.append(threading.current_thread())
        raise OSError(errno.ESTALE, "Stale file handle")

    faults: list[threading.Thread] = []
    monkeypatch.setattr(rendezvous, "BEAT_SECONDS", 0.02)
    with StatusFile(tmp_path / "a.json", job="x") as status_file:
        view = StatusView(tmp_path / "a.json")
        assert view()["job"] == "x"
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", stale)
            status_file.post(job="y")
            assert view()["job"] == "x"
            while len(set(faults)) < 2:  # in the thread of the heartbeat as well
                time.sleep(0.01)
        began = time.monotonic()
        while view()["job"] != "y":
            assert time.monotonic() - began < 20, "the heartbeat has stopped"
            time.sleep(0.01)
    with pytest.raises(IsADirectoryError), StatusFile(tmp_path):
        pytest.fail("a path that can never be written fails at once")


def test_an_unreadable_status_file_fails_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers may run as two users: without this error, one waits ten minutes and reports the other as lost."""

    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", forbidden)
    with pytest.raises(PermissionError):
        StatusView(tmp_path / "a.json")()


def test_a_child_without_a_heartbeat_is_ended() -> None:
    import os

    reasons: list[str] = []
    watch = Watch(0.05, lambda: reasons[0] if reasons else None)
    time.sleep(0.1)
    assert watch.reason() is None  # the first step has not begun
    os.write(watch.pipe, b"..")
    assert watch.reason() is None
    time.sleep(0.1)
    assert "no step completed for 0.05 s (train.timeout_s)" in (watch.reason() or "")
    os.write(watch.pipe, b".!")
    assert watch.reason() is None
    time.sleep(0.1)
    reasons.append("worker 1 has ended")
    assert watch.reason() is None  # the chief publishes, without the workers
    watch.close()


def test_immediately_successive_jobs_are_distinguished(workspace: Workspace, helped: list[str]) -> None:
    """As in a sweep, where a worker that misses the end of a job would wait for one more job at the end."""
    for code in (0, 3, 0):
        other = SecondWorker(workspace)
        with lead(workspace) as (_, end):
            end(code)
        assert other.result() == code


class ChiefRun:
    """The parts of a chief's run that a worker uses."""

    def __init__(self, workspace: Workspace, helped: list[str]) -> None:
        self.workspace, self.helped = workspace, helped
        self.run = SimpleNamespace(id="mine", log_file=workspace.root / "log.txt")
        self.recipe = SimpleNamespace(name="tiny", train=SimpleNamespace(timeout_s=0.5), only=lambda sections: None)
        self.store = SimpleNamespace(last_fingerprint=lambda step, recipe: None)
        self.step: Any = SimpleNamespace(name="train", sections=(), run=lambda *_: helped.append("train"))

    def plan(self, step: Any, *, again: bool) -> Any:
        return SimpleNamespace(fingerprint=SimpleNamespace(key="k"), inputs={})

    def paths(self, plan: Any, *, again: bool) -> dict[str, Path]:
        return {}


def test_a_result_that_another_run_is_making_is_awaited_and_used(workspace: Workspace, helped: list[str]) -> None:
    chief: Any = ChiefRun(workspace, helped)
    workspace.partial("train", "k").mkdir(parents=True)
    helper = threading.Thread(target=attendance.assist, args=(chief, chief.step), kwargs={"again": False})
    with lock.hold(workspace.lock("train", "k"), "another", wait=False, on_wait=print):
        helper.start()
        time.sleep(1)  # longer than timeout_s: the chief is alive and waits as well
        assert helper.is_alive() and helped == []
        made = workspace.partial("train", "k").rename(workspace.next_attempt("train", "k"))
        (made / SEAL).write_text("{}")
    helper.join(10)
    assert not helper.is_alive() and helped == []


def test_a_worker_joins_a_step_that_the_chief_has_begun(workspace: Workspace, helped: list[str]) -> None:
    chief: Any = ChiefRun(workspace, helped)
    with pytest.raises(WorkerLost, match="did not begin step train"):
        attendance.assist(chief, chief.step, again=False)
    workspace.partial("train", "k").mkdir(parents=True)
    with lock.hold(workspace.lock("train", "k"), "mine", wait=False, on_wait=print):
        attendance.assist(chief, chief.step, again=False)
    assert helped == ["train"]
