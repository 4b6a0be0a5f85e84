"""A step in a process of its own: its memory, the GPU's too, is free again when it ends."""

import os
import signal
import subprocess
import sys

from pipeline.fingerprint import PROJECT
from pipeline.quiet import ENVIRONMENT
from pipeline.run_folder import RunFolder
from pipeline.workspace import Workspace


class ChildError(Exception):
    """A step ended badly. It has said why; `exit_code` is what it ended with."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"exit code {exit_code}")
        self.exit_code = exit_code


def run_child(run: RunFolder, workspace: Workspace, step: str, *, again: bool, wait: bool) -> None:
    """Run `segline step` and wait for its end.

    Ctrl-C reaches the child too (it is in our process group): we let it stop at its safe point and report that.
    SIGTERM reaches us alone, so we pass it on.

    Raises:
        ChildError: The child's exit code was not 0.
    """
    # -P: a folder of the user's called models/ or datasets/, where the command was given, must not stand before ours.
    python = [sys.executable, "-P", "-m", "pipeline"]
    command = [*python, "step", step, "--run", run.id, "--workspace", str(workspace.root)]
    command += ["--rerun"] * again + ["--no-wait"] * (not wait)
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    environment = {**ENVIRONMENT, **os.environ, "PYTHONPATH": path}
    child = subprocess.Popen(command, env=environment, preexec_fn=_end_with_parent)
    terminate = signal.signal(signal.SIGTERM, lambda number, frame: child.send_signal(number))
    try:
        while True:
            try:
                code = child.wait()
                break
            except KeyboardInterrupt:
                continue
    finally:
        signal.signal(signal.SIGTERM, terminate)
    if code:
        raise ChildError(128 - code if code < 0 else code)


def _end_with_parent() -> None:
    """Ask Linux to send SIGTERM to this process when its parent is killed, so that no orphan goes on training."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1  # linux/prctl.h
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
