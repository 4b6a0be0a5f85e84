"""Child processes: start, interruption, and none that outlives its parent."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.orchestration import bound_program
from pipeline.orchestration.child_process import ChildError, run_module
from pipeline.workspace.run_folder import Tee

PROJECT = Path(__file__).parents[3]

LISTENS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))
"""
SLEEPS = """
from pathlib import Path
import sys, time
Path(sys.argv[1]).touch()
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("listens", "code"),
    [("", 130), (LISTENS.format(code=0), 130), (LISTENS.format(code=7), 7)],
    ids=["no handler", "0", "7"],
)
def test_sigterm_ends_the_child_and_raises(
    listens: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child without a handler, one that ends with 0, and one that ends with an exit code of its own."""
    (tmp_path / "stopped_child.py").write_text(listens + SLEEPS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    begun = tmp_path / "begun"

    def stop() -> None:
        while not begun.exists():
            over.wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    over, before = threading.Event(), signal.getsignal(signal.SIGTERM)
    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(ChildError) as ended:
        run_module("stopped_child", str(begun), environment={})
    assert ended.value.exit_code == code and signal.getsignal(signal.SIGTERM) == before


def test_a_child_starts_without_fork_handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handlers of gRPC fail while its threads run, and then the child hangs or aborts."""
    (tmp_path / "quick.py").write_text("import sys\nassert sys.argv[1:] == ['a', '-b'] and __name__ == '__main__'")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    forks: list[str] = []
    os.register_at_fork(before=lambda: forks.append("fork"))
    assert run_module("quick", "a", "-b", environment={}) is None
    assert not forks


@pytest.mark.parametrize("in_main_thread", [True, False])
def test_a_child_prints_where_python_prints(
    in_main_thread: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook's standard output is an object, and no file that a child inherits; calls may come from any thread."""
    (tmp_path / "speaks.py").write_text("import sys\nprint('é' * 9)\nprint('wrong', file=sys.stderr)\nsys.exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    cell, log = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", Tee(cell, log))
    codes: list[int] = []

    def call() -> None:
        with pytest.raises(ChildError) as ended:
            run_module("speaks", environment={"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"})
        codes.append(ended.value.exit_code)

    if in_main_thread:
        call()
    else:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    assert codes == [3] and cell.getvalue() == f"{'é' * 9}\nwrong\n"
    assert log.getvalue() == ""  # a step copies its own lines into the log of its run


def test_no_source_runs_code_between_fork_and_exec() -> None:
    sources = [path for package in ("datasets", "models", "pipeline") for path in (PROJECT / package).rglob("*.py")]
    assert sources and not [str(path) for path in sources if "preexec_fn=" in path.read_text()]


@pytest.mark.skipif(sys.platform != "linux", reason="needs the parent-death signal of Linux")
def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "sleeps.py").write_text(f"import os\n{SLEEPS}".replace(".touch()", ".write_text(str(os.getpid()))"))
    child = tmp_path / "child"
    code = "import sys\nfrom pipeline.orchestration.child_process import run_module\n"
    code += "run_module('sleeps', sys.argv[1], environment={})"
    path = os.pathsep.join([str(PROJECT), str(tmp_path)])
    parent = subprocess.Popen([sys.executable, "-c", code, str(child)], env={**os.environ, "PYTHONPATH": path})
    try:
        wait_until(lambda: child.exists() and child.read_text() != "")
    finally:
        parent.kill()
        parent.wait()
    status = Path("/proc", child.read_text(), "status")
    wait_until(lambda: not status.exists() or "(zombie)" in status.read_text())


@pytest.mark.skipif(sys.platform != "linux", reason="needs the parent-death signal of Linux")
def test_a_child_whose_parent_has_already_ended_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / "begun.py").write_text(SLEEPS)
    command = bound_program.command("begun", str(tmp_path / "begun"))
    command[command.index(str(os.getpid()))] = str(os.getppid())
    path = os.pathsep.join([str(PROJECT), str(tmp_path)])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False, timeout=60)
    assert done.returncode == -signal.SIGTERM and not (tmp_path / "begun").exists()


def wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)
