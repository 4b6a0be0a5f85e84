"""A step, or another module, in a process of its own: all of its memory, the GPU's too, is freed when it ends."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from pipeline.cluster.watchdog import Watch
from pipeline.console.quiet import ENVIRONMENT
from pipeline.errors import Interrupted, WorkerLost
from pipeline.orchestration import bound_program
from pipeline.orchestration.child_output import ChildOutput
from pipeline.workspace.fingerprint import PROJECT
from pipeline.workspace.layout import SHARED, Workspace
from pipeline.workspace.run_folder import RunFolder

POLL_SECONDS = 0.2


class ChildError(Exception):
    """A step failed. It has printed why, unless it was ended for a `reason`; `exit_code` is that of its process."""

    def __init__(self, exit_code: int, reason: str | None = None) -> None:
        super().__init__(reason or f"exit code {exit_code}")
        self.exit_code, self.reason = exit_code, reason


def run_child(
    run: RunFolder,
    workspace: Workspace,
    step: str,
    *,
    again: bool,
    wait: bool,
    verify: bool = False,
    watch: Watch | None = None,
) -> None:
    """Run `segline step` and wait for its end, or end it when `watch` has a reason.

    Raises:
        ChildError: The child's exit code was not 0.
    """
    command = ["step", step, "--run", run.id, "--workspace", str(workspace.root)]
    command += ["--rerun"] * again + ["--no-wait"] * (not wait) + ["--verify"] * verify
    # SHARED: this process has searched the shared storage already, and uploads what the child makes.
    reason = run_module("pipeline", *command, environment={SHARED: ""}, watch=watch)
    if reason:
        raise ChildError(WorkerLost.exit_code, f"step {step} was ended: {reason}")


def run_module(module: str, *arguments: str, environment: Mapping[str, str], watch: Watch | None = None) -> str | None:
    """Run a module of the project as a program and wait for its end; return the reason if `watch` had one to end it.

    Ctrl-C reaches the child too, which is in the same process group: it stops at its safe point, and that is reported.
    SIGTERM reaches only this process, which passes it on. A child that has no handler yet, or none any more, counts as
    interrupted, too: nothing runs after it.

    Raises:
        ChildError: The child's exit code was not 0, or this process was interrupted.
    """
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    ours = {**environment, **(watch.environment if watch else {})}
    pipes, output = [watch.pipe] if watch else [], ChildOutput()
    child = subprocess.Popen(
        bound_program.command(module, *arguments),
        env={**ENVIRONMENT, **os.environ, "PYTHONPATH": path, **ours},
        pass_fds=pipes,
        **output.options,
    )
    interrupted = False

    def pass_on(number: int, _: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        child.send_signal(number)

    try:
        with _sigterm(pass_on):
            while True:
                try:
                    code, reason = _end_of(child, output, watch)
                    break
                except KeyboardInterrupt:
                    interrupted = True
    finally:
        if watch:
            watch.close()
    if interrupted and code <= 0 and not reason:
        raise ChildError(Interrupted.exit_code, "interrupted")
    if code and not reason:
        raise ChildError(128 - code if code < 0 else code)
    return reason


@contextmanager
def _sigterm(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Inside the block, SIGTERM calls `handler`; Python allows that in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_of(child: "subprocess.Popen[bytes]", output: ChildOutput, watch: Watch | None) -> tuple[int, str | None]:
    """Wait for a process; return its exit code, and the reason for which it was ended."""
    while (code := output.wait(child, POLL_SECONDS if watch else None)) is None:
        if watch and (reason := watch.reason()):
            child.kill()  # it may be stopped or deep inside a library, where it handles no other signal
            return child.wait(), reason
    return code, None
