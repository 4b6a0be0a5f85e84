"""Run a module as a program that ends with the process that started it, so that no orphan keeps training.

    python -P -m pipeline.orchestration.bound_program PARENT MODULE [ARGUMENT ...]

The program sets its own death signal. `preexec_fn` of subprocess.Popen would set it between fork and exec, and a child
forked while gRPC's threads run may hang or abort ("skipping fork() handlers"); without it no fork handlers run.
"""

import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def command(module: str, *arguments: str) -> list[str]:
    """Return the command by which this process starts a module as a program."""
    # -P: a folder models/ or datasets/ in the user's current folder must not hide the project's.
    return [sys.executable, "-P", "-m", __name__, str(os.getpid()), module, *arguments]


def end_with(parent: int) -> None:
    """Ask Linux to send SIGTERM to this process when the thread that started it ends; end now if `parent` has ended."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the line above took effect
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    parent, module, *arguments = sys.argv[1:]
    end_with(int(parent))
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
