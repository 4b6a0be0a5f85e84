"""Several workers on one host: starts them, forwards what they print, ends all when one ends, and starts again."""

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
from pipeline.errors import GateError, Interrupted, UserError
from pipeline.host import machine
from pipeline.orchestration import bound_program
from pipeline.workspace.digest import text_digest
from pipeline.workspace.fingerprint import PROJECT
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store

FINAL = frozenset({0, UserError.exit_code, GateError.exit_code, Interrupted.exit_code})
"""Exit codes after which a new start would end no better, or is not wanted."""

GRACE_SECONDS = 30.0
"""Time for the other workers to end by themselves when one has ended; more than rendezvous.GRACE_SECONDS."""

KILL_SECONDS = 15.0
"""Time for them to end after SIGTERM; one that is stopped does not hear it."""


@dataclass(frozen=True)
class Rerun:
    """Steps that run even where their result could be reused: each once, however often the workers start again.

    Attributes:
        recipe: The recipe's name, under which the store knows what was made.
        steps: As of --rerun.
    """

    recipe: str
    steps: tuple[str, ...]

    def left(self, workspace: Workspace, since: float) -> list[str]:
        """Arguments of `segline run` for those that were not made since a moment (seconds since 1970, UTC)."""
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
    """Run `segline run` so many times on this host, as one job; give the exit code of the first worker that failed.

    Args:
        workers: How many. The GPUs that this process sees are shared out evenly.
        arguments: Of `segline run`, but for --rerun.
        workspace: Where; the same that `arguments` name.
        rerun: What --rerun names.
        max_restarts: How often all start again where one failed. They go on from the last checkpoint.

    Raises:
        UserError: Fewer than two workers, GPUs that cannot be shared out evenly, or a job inside a job.
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
    began = time.time()
    for restarts in range(max_restarts + 1):
        again = rerun.left(workspace, began) if rerun else []
        job = _Job(workers, [*arguments, *again], shares, workspace)
        code = job.run()
        if code in FINAL or job.asked or restarts == max_restarts:
            return code
        print(f"launch    a worker ended with exit code {code}: restart {restarts + 1} of {max_restarts}", flush=True)
    raise AssertionError("the last round returns")


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Name the GPUs that TensorFlow would use."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip() not in ("", "-1")]
    return [str(index) for index in range(len(machine.gpus() or []))]


def gpu_shares(workers: int, gpus: Sequence[str]) -> list[str]:
    """Give each worker its GPUs, as CUDA_VISIBLE_DEVICES has them; "" where there are none.

    Raises:
        UserError: They cannot be shared out evenly.
    """
    if len(gpus) % workers:
        raise UserError(
            f"{workers} workers cannot share {len(gpus)} GPU{'s' * (len(gpus) != 1)} evenly. Set --workers to a "
            "divisor, or hide some: CUDA_VISIBLE_DEVICES=0,1. To use the CPU alone: CUDA_VISIBLE_DEVICES=-1."
        )
    each = len(gpus) // workers
    return [",".join(gpus[number * each : (number + 1) * each]) for number in range(workers)]


class _Job:
    """One start of all workers.

    Attributes:
        asked: Whether it was asked to end, by Ctrl-C or SIGTERM.
    """

    def __init__(self, workers: int, arguments: Sequence[str], gpus: Sequence[str], workspace: Workspace) -> None:
        self._addresses = free_addresses(workers)
        self._arguments, self._gpus, self._workspace = arguments, gpus, workspace
        self._children: list[subprocess.Popen[str]] = []
        self.asked = False

    def run(self) -> int:
        before = {number: signal.signal(number, self._pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
        printing = threading.Lock()
        try:
            for index in range(len(self._addresses)):
                self._children.append(self._start(index))
            if self.asked:  # while they were being started
                self._pass_on(signal.SIGTERM, None)
            threads = [
                threading.Thread(target=_forward, args=(child.stdout, index, printing), daemon=True)
                for index, child in enumerate(self._children)
            ]
            for thread in threads:
                thread.start()
            code = self._wait()
        finally:
            for child in self._children:  # also the steps of one that was killed: they may be stopped
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            for number, handler in before.items():
                signal.signal(number, handler)
            shutil.rmtree(self._workspace.cluster(text_digest("\n".join(self._addresses))), ignore_errors=True)
        for thread in threads:  # nobody is left who could hold the pipes open
            thread.join(GRACE_SECONDS)
        return code

    def _start(self, index: int) -> "subprocess.Popen[str]":
        config = {"cluster": {"worker": self._addresses}, "task": {"type": "worker", "index": index}}
        path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "TF_CONFIG": json.dumps(config), "PYTHONPATH": path}
        if self._gpus[index]:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpus[index]
        # In a session of its own, Ctrl-C comes to it once, from here, and not to each of its steps besides.
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
        if self.asked and number == signal.SIGINT:  # Ctrl-C again: at once
            for child in self._children:
                _signal(child, signal.SIGKILL)
        self.asked = True
        for child in self._children:
            _signal(child, signal.SIGTERM, whole=False)

    def _wait(self) -> int:
        """Wait for all; when one has ended, the others get some time to do the same."""
        code, deadlines = 0, list[float]()
        while None in (codes := [child.poll() for child in self._children]):
            ended = [found for found in codes if found is not None]
            code = code or next((found for found in ended if found), 0)
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
    """Give so many addresses of this host that nothing listens on, for now.

    Raises:
        UserError: There are not so many.
    """
    found: list[str] = []
    for port in secrets.SystemRandom().sample(range(*PORTS), PORTS[1] - PORTS[0]):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(f"127.0.0.1:{port}")
        if len(found) == count:
            return found
    raise UserError(f"{count} workers need a free port each, from {PORTS[0]} on. Found: {len(found)}.")


def _forward(stream: TextIO, index: int, printing: threading.Lock) -> None:
    """Print what a worker prints, each line under its number; JSON lines stay JSON."""
    prefix = "" if os.environ.get(json_lines.VARIABLE) == "1" else f"[{index}] "
    for line in stream:
        with printing:
            print(f"{prefix}{line.rstrip()}", flush=True)


def _signal(child: "subprocess.Popen[str]", number: signal.Signals, *, whole: bool = True) -> None:
    """Send a signal to a worker, or to the whole of its session: its steps are processes of their own."""
    if child.poll() is None:
        if whole:
            os.killpg(child.pid, number)
        else:
            child.send_signal(number)


def arguments_of(
    recipe: str, settings: Sequence[str], workspace: Path, until: str | None, *, wait: bool = True
) -> list[str]:
    """Give the arguments of `segline run`, but for --rerun."""
    told = [argument for setting in settings for argument in ("--set", setting)]
    last = ["--until", until] if until else []
    return [recipe, *told, "--workspace", str(workspace), *last, *["--no-wait"] * (not wait)]
