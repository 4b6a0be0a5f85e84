"""Several workers on one host: start them, forward their output, end all when one ends, and restart them."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pipeline.cluster import members
from pipeline.cluster.members import PORTS
from pipeline.console import json_lines
from pipeline.errors import GateError, Interrupted, Paused, UserError
from pipeline.host import machine
from pipeline.orchestration import bound_program
from pipeline.workspace.digest import text_digest
from pipeline.workspace.fingerprint import PROJECT
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store

FINAL = frozenset({0, UserError.exit_code, GateError.exit_code, Interrupted.exit_code, Paused.exit_code})
"""Exit codes after which a restart would not help, or is not wanted."""

GRACE_SECONDS = 30.0
"""Time for the other workers to end by themselves after one has ended; more than rendezvous.GRACE_SECONDS."""

KILL_SECONDS = 15.0
"""Time for them to end after SIGTERM, which a stopped process does not receive."""


@dataclass(frozen=True)
class Rerun:
    """Steps that run even where their result could be reused: each once, however often the workers restart.

    Attributes:
        recipe: The recipe's name in the store.
        steps: As of --rerun.
    """

    recipe: str
    steps: tuple[str, ...]

    def left(self, workspace: Workspace, since: float) -> list[str]:
        """Return the arguments of `segline run` for the steps not made since a moment (seconds since 1970, UTC)."""
        if not self.steps:
            return []
        store = Store(workspace.store)
        made = store.made(self.recipe, since)
        store.close()
        return [argument for step in self.steps if step not in made for argument in ("--rerun", step)]


def launch(
    workers: int,
    arguments: Sequence[str],
    workspace: Workspace,
    *,
    rerun: Rerun | None = None,
    max_restarts: int = 0,
) -> int:
    """Run `segline run` as several workers of one job on this host; return the exit code of the first that failed.

    Args:
        workers: Number of workers. They share the visible GPUs evenly.
        arguments: Of `segline run`, but for --rerun.
        workspace: The workspace, as in `arguments`.
        rerun: Steps of --rerun.
        max_restarts: How often all restart after a failure; they resume from the last checkpoint.

    Raises:
        UserError: Fewer than two workers, GPUs that cannot be shared evenly, or a job inside a job.
    """
    if max_restarts < 0:
        raise UserError(f"--max-restarts must be 0 or more. Received: {max_restarts}.")
    if workers < 2:
        raise UserError(f"--workers must be 2 or more. Received: {workers}. For one, use `segline run`.")
    if cluster := members.read(os.environ):
        raise UserError(
            f"{cluster.source} already names {len(cluster.workers)} workers; there, use `segline run` on each."
        )
    shares = gpu_shares(workers, visible_gpus(os.environ))
    start = time.time()
    for restarts in range(max_restarts + 1):
        again = rerun.left(workspace, start) if rerun else []
        job = _Job(workers, [*arguments, *again], shares, workspace)
        code = job.run()
        if code in FINAL or job.is_stopping or restarts == max_restarts:
            return code
        print(f"launch    a worker ended with exit code {code}: restart {restarts + 1} of {max_restarts}", flush=True)
    raise AssertionError("the last round returns")


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Return the names of the GPUs that TensorFlow would use.

    >>> visible_gpus({"CUDA_VISIBLE_DEVICES": "0,2"})
    ['0', '2']
    """
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip() not in ("", "-1")]
    return [str(index) for index in range(len(machine.gpus() or []))]


def gpu_shares(workers: int, gpus: Sequence[str]) -> list[str]:
    """Return CUDA_VISIBLE_DEVICES for each worker; "" where there are no GPUs.

    >>> gpu_shares(2, ["0", "1", "2", "3"])
    ['0,1', '2,3']

    Raises:
        UserError: They cannot be shared evenly.
    """
    if len(gpus) % workers:
        raise UserError(
            f"{workers} workers cannot share {len(gpus)} GPU{'s' * (len(gpus) != 1)} evenly. Set --workers to a "
            "divisor, or hide some: CUDA_VISIBLE_DEVICES=0,1. To use only the CPU: CUDA_VISIBLE_DEVICES=-1."
        )
    each = len(gpus) // workers
    return [",".join(gpus[number * each : (number + 1) * each]) for number in range(workers)]


class _Job:
    """One start of all workers.

    Attributes:
        is_stopping: Whether Ctrl-C or SIGTERM has arrived.
    """

    def __init__(self, workers: int, arguments: Sequence[str], gpus: Sequence[str], workspace: Workspace) -> None:
        self._addresses = free_addresses(workers)
        self._arguments, self._gpus, self._workspace = arguments, gpus, workspace
        self._children: list[subprocess.Popen[str]] = []
        self.is_stopping = False

    def run(self) -> int:
        before = {number: signal.signal(number, self._pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
        printing = threading.Lock()
        try:
            for index in range(len(self._addresses)):
                self._children.append(self._start(index))
            if self.is_stopping:  # during the starts
                self._pass_on(signal.SIGTERM, None)
            threads = [
                threading.Thread(target=_forward, args=(child.stdout, index, printing), daemon=True)
                for index, child in enumerate(self._children)
            ]
            for thread in threads:
                thread.start()
            code = self._wait()
        finally:
            for child in self._children:  # with the steps of a killed worker, which may be stopped
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            for number, handler in before.items():
                signal.signal(number, handler)
            shutil.rmtree(self._workspace.cluster(text_digest("\n".join(self._addresses))), ignore_errors=True)
        for thread in threads:  # no process is left that could hold the pipes open
            thread.join(GRACE_SECONDS)
        return code

    def _start(self, index: int) -> "subprocess.Popen[str]":
        config = {"cluster": {"worker": self._addresses}, "task": {"type": "worker", "index": index}}
        path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "TF_CONFIG": json.dumps(config), "PYTHONPATH": path}
        if self._gpus[index]:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpus[index]
        # In a session of its own a worker receives Ctrl-C once, from here, and its steps do not receive it as well.
        return subprocess.Popen(
            bound_program.command("pipeline", "run", *self._arguments),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def _pass_on(self, number: int, _: object) -> None:
        if self.is_stopping and number == signal.SIGINT:  # second Ctrl-C
            for child in self._children:
                _signal(child, signal.SIGKILL)
        self.is_stopping = True
        for child in self._children:
            _signal(child, signal.SIGTERM, whole=False)

    def _wait(self) -> int:
        """Wait for all; after one has ended, the others have some time to end, too."""
        code, deadlines = 0, list[float]()
        while None in (codes := [child.poll() for child in self._children]):
            ended = [status for status in codes if status is not None]
            code = code or next(filter(None, ended), 0)
            if ended and not deadlines:
                terminate = time.monotonic() + GRACE_SECONDS
                deadlines = [terminate, terminate + KILL_SECONDS]
            for child in self._children:
                if len(deadlines) == 2 and time.monotonic() > deadlines[0]:
                    _signal(child, signal.SIGTERM, whole=False)
                if deadlines and time.monotonic() > deadlines[-1]:
                    _signal(child, signal.SIGKILL)
            if len(deadlines) == 2 and time.monotonic() > deadlines[0]:
                del deadlines[0]
            time.sleep(0.1)
        code = code or next((child.returncode for child in self._children if child.returncode), 0)
        return 128 - code if code < 0 else code


def free_addresses(count: int) -> list[str]:
    """Return `count` addresses of this host with a free port.

    Raises:
        UserError: There are fewer.
    """
    addresses: list[str] = []
    for port in secrets.SystemRandom().sample(range(*PORTS), PORTS[1] - PORTS[0]):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            addresses.append(f"127.0.0.1:{port}")
        if len(addresses) == count:
            return addresses
    raise UserError(f"{count} workers need a free port each, from {PORTS[0]} on. Found: {len(addresses)}.")


def _forward(stream: TextIO, index: int, printing: threading.Lock) -> None:
    """Print the output of a worker, each line with its number; JSON lines stay JSON."""
    prefix = "" if os.environ.get(json_lines.VARIABLE) == "1" else f"[{index}] "
    for line in stream:
        with printing:
            print(f"{prefix}{line.rstrip()}", flush=True)


def _signal(child: "subprocess.Popen[str]", number: signal.Signals, *, whole: bool = True) -> None:
    """Send a signal to a worker, or to its whole session: its steps are processes of their own."""
    if child.poll() is None:
        if whole:
            os.killpg(child.pid, number)
        else:
            child.send_signal(number)


def arguments_of(
    recipe: str,
    settings: Sequence[str],
    workspace: Path,
    until: str | None,
    *,
    wait: bool = True,
    verify: bool = False,
) -> list[str]:
    """Return the arguments of `segline run`, but for --rerun."""
    overrides = [argument for setting in settings for argument in ("--set", setting)]
    last = ["--until", until] if until else []
    flags = ["--no-wait"] * (not wait) + ["--verify"] * verify
    return [recipe, *overrides, "--workspace", str(workspace), *last, *flags]
