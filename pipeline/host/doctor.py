"""`segline doctor`: is this machine fit for Segline? Each finding says what to do. No library is imported."""

import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.host import libraries, machine
from pipeline.workspace import filesystem, lock
from pipeline.workspace.layout import Workspace

RELEASED = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""A clock that stands before this is wrong."""

CUDA_12_DRIVER = (525, 60, 13)
"""Oldest driver for CUDA 12 (NVIDIA, CUDA Compatibility, table "Minimum Required Driver Version")."""

GB = 1e9

DEEP = """
import time
import tensorflow as tf
for device in tf.config.list_logical_devices():
    with tf.device(device.name):
        began = time.monotonic()
        total = float(tf.reduce_sum(tf.nn.conv2d(tf.ones([1, 64, 64, 8]), tf.ones([3, 3, 8, 8]), 1, "SAME")))
        assert total > 0
        print(f"{device.device_type} {device.name.split(':')[-1]}: a convolution in {time.monotonic() - began:.1f} s")
"""


@dataclass(frozen=True)
class Finding:
    """What was looked at.

    Attributes:
        level: "ok", "warn" (works, with a drawback) or "bad" (will fail).
        subject: One word.
        what: What was found.
        do: What to do about it; "" where it is ok.
    """

    level: str
    subject: str
    what: str
    do: str = ""


def examine(workspace: Workspace, *, deep: bool) -> Iterator[Finding]:
    """Look at everything, in the order in which it is best put right."""
    checks: list[Callable[[], Iterable[Finding]]] = [_python, _libraries, _gpu, _memory, _clock]
    for check in checks:
        yield from check()
    yield from _workspace(workspace)
    if deep:
        yield _deep()


def lines(found: Iterable[Finding], *, quiet: bool) -> Iterator[str]:
    """Write findings for people; `quiet` leaves out what is ok."""
    for finding in found:
        if finding.level != "ok" or not quiet:
            yield from _wrapped(f"{finding.level:<5} {finding.subject:<10} ", finding.what)
            if finding.do:
                yield from _wrapped(" " * 17 + "-> ", finding.do)


def _wrapped(head: str, text: str) -> list[str]:
    """Lay out text after a head in lines of at most 80 columns; a path is not broken."""
    return textwrap.wrap(
        text,
        width=80,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def to_json(found: Iterable[Finding]) -> str:
    """Write findings for programs: a list of objects."""
    return json.dumps([asdict(finding) for finding in found], indent=2)


def _python() -> Iterator[Finding]:
    said = f"{platform.python_version()}, {sys.executable}"
    yield Finding("ok", "Python", said)
    if sys.getfilesystemencoding().lower() != "utf-8":
        told = f"names of files are read as {sys.getfilesystemencoding()}"
        yield Finding("warn", "Python", told, "Set LANG=C.UTF-8, or PYTHONUTF8=1.")


def _libraries() -> Iterator[Finding]:
    problems = list(libraries.problems())
    yield from (Finding("bad", "libraries", problem.what, problem.do) for problem in problems)
    if not problems:
        shown = ("tensorflow", "keras", "numpy", "tensorflow-datasets", "apache-beam")
        yield Finding("ok", "libraries", ", ".join(f"{name} {libraries.installed(name)}" for name in shown))


def _gpu() -> Iterator[Finding]:
    try:
        found = machine.gpus()
    except OSError as error:
        yield Finding("bad", "GPU", f"the driver does not answer: {error}", "Restart the machine; see dmesg.")
        return
    if not found:
        yield Finding("ok", "GPU", "none; the CPU computes")
        return
    yield Finding("ok", "GPU", "; ".join(f"{gpu.name}, {gpu.memory / 1024:.0f} GiB, {gpu.driver}" for gpu in found))
    driver = tuple(int(part) for part in found[0].driver.split(".") if part.isdecimal())
    if libraries.installed("nvidia-cudnn-cu12") is None:
        yield Finding("bad", "GPU", "TensorFlow's CUDA libraries are not installed", "pip install 'segline[gpu]'")
    elif driver < CUDA_12_DRIVER:
        needed = ".".join(map(str, CUDA_12_DRIVER))
        yield Finding("bad", "GPU", f"driver {found[0].driver} is too old for CUDA 12", f"Install {needed} or newer.")
    if "cuda" in os.environ.get("LD_LIBRARY_PATH", ""):
        told = "LD_LIBRARY_PATH names a CUDA of its own, which may hide the one that TensorFlow asks for"
        yield Finding("warn", "GPU", told, "Unset LD_LIBRARY_PATH if TensorFlow finds no GPU.")


def _memory() -> Iterator[Finding]:
    free = machine.memory_available()
    if free is None:
        return
    # A training that is under way may have taken most of it, and the image's health check must not call that ill.
    level = "ok" if free > 4 * GB else "warn" if free > 0.5 * GB else "bad"
    do = "" if level == "ok" else "End other programs, or set input.cache: none and a smaller train.batch_size."
    yield Finding(level, "memory", f"{free / GB:.1f} GB available, {os.cpu_count()} CPUs", do)


def _clock() -> Iterator[Finding]:
    now = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    if time.time() < RELEASED:
        yield Finding("bad", "clock", f"{now} is before this Segline was released", "Set the clock.")
    elif machine.clock_is_synchronised() is False:
        yield Finding("warn", "clock", f"{now}, kept by no time service", "timedatectl set-ntp true")
    else:
        yield Finding("ok", "clock", now)


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    root = workspace.root.absolute()
    there = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(there).free
    level = "ok" if free > 5 * GB else "warn" if free > GB else "bad"
    do = "" if level == "ok" else "Make room, or name another workspace: --workspace DIR."
    yield Finding(level, "disk", f"{free / GB:.1f} GB free at {there}", do)
    problem = _cannot_work(there)
    if problem:
        yield Finding("bad", "workspace", f"{there}: {problem}", "Name another workspace: --workspace DIR.")
        return
    yield Finding("ok", "workspace", str(root) + ("" if root.exists() else ", to be made"))
    yield from _mount(there)
    yield from _store(workspace)


def _cannot_work(folder: Path) -> str | None:
    """Try in a folder of its own what a run does: write, lock, link, rename."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor-") as scratch:
            with lock.hold(Path(scratch) / "lock", "doctor", wait=False, on_wait=print):
                pass
            (Path(scratch) / "link").symlink_to("lock")
            (Path(scratch) / "link").rename(Path(scratch) / "renamed")
    except OSError as error:
        return f"{error.strerror} ({type(error).__name__})"
    return None


def _mount(folder: Path) -> Iterator[Finding]:
    mount = filesystem.mount_of(folder)
    if mount.is_network and not mount.locks_reach_other_hosts:
        told = f"{folder} lies on {mount.kind}, mounted so that other hosts do not see its locks"
        yield Finding("warn", "workspace", told, "Use it from one host alone, or mount it with locks.")
    elif mount.is_network:
        yield Finding("ok", "workspace", f"on {mount.kind}: several hosts may use it, if all mount it with locks")


def _store(workspace: Workspace) -> Iterator[Finding]:
    if not workspace.store.is_file():
        return
    try:
        with sqlite3.connect(f"{workspace.store.absolute().as_uri()}?mode=ro", uri=True) as database:
            told = database.execute("PRAGMA quick_check").fetchone()[0]
            newest = database.execute("SELECT max(started) FROM runs").fetchone()[0] or 0.0
    except sqlite3.DatabaseError as error:
        told, newest = str(error), 0.0
    if told != "ok":
        do = "Move store.sqlite away: finished results are known by their own seals, and are reused."
        yield Finding("bad", "store", f"{workspace.store} is damaged: {told}", do)
    elif newest > time.time() + 60:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(newest))
        yield Finding("warn", "clock", f"a run began in the future, {when}: the clock was wrong", "Set the clock.")


def _deep() -> Finding:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-P", "-c", DEEP]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Finding("bad", "TensorFlow", last, "Reinstall it: pip install --force-reinstall tensorflow")
    return Finding("ok", "TensorFlow", "; ".join(done.stdout.splitlines()))
