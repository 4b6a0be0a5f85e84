"""`segline doctor`: check that Segline can run on this machine. Imports none of the libraries that it checks."""

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
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from pipeline.host import libraries, machine
from pipeline.workspace import filesystem, lock
from pipeline.workspace.layout import Workspace

RELEASED = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""Unix time. A clock that shows an earlier time is wrong."""

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
    """Result of one check.

    Attributes:
        level: "ok", "warn" (works, with a drawback) or "bad" (will fail).
        subject: One word, such as "GPU".
        what: The state, or the problem.
        do: The remedy; empty where there is none.
    """

    level: str
    subject: str
    what: str
    do: str = ""


def examine(workspace: Workspace, *, deep: bool) -> Iterator[Finding]:
    """Run all checks, in the order in which problems are best fixed; `deep` also runs TensorFlow."""
    yield from chain(_python(), _libraries(), _gpu(), _memory(), _clock(), _workspace(workspace))
    if deep:
        yield _deep()


def lines(findings: Iterable[Finding], *, quiet: bool) -> Iterator[str]:
    """Format findings for people; `quiet` leaves out those that are ok."""
    for finding in findings:
        if finding.level != "ok" or not quiet:
            yield from _wrapped(f"{finding.level:<5} {finding.subject:<10} ", finding.what)
            if finding.do:
                yield from _wrapped(" " * 17 + "-> ", finding.do)


def _wrapped(head: str, text: str) -> list[str]:
    """Wrap text after a head at 80 columns; paths are not broken."""
    indent = " " * len(head)
    return textwrap.wrap(
        text, 80, initial_indent=head, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def to_json(findings: Iterable[Finding]) -> str:
    """Format findings for programs: a JSON list of objects."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)


def _python() -> Iterator[Finding]:
    yield Finding("ok", "Python", f"{platform.python_version()}, {sys.executable}")
    if sys.getfilesystemencoding().lower() != "utf-8":
        what = f"file names are decoded as {sys.getfilesystemencoding()}"
        yield Finding("warn", "Python", what, "Set LANG=C.UTF-8, or PYTHONUTF8=1.")


def _libraries() -> Iterator[Finding]:
    problems = list(libraries.problems())
    yield from (Finding("bad", "libraries", problem.what, problem.do) for problem in problems)
    if not problems:
        shown = ("tensorflow", "keras", "numpy", "tensorflow-datasets", "apache-beam")
        yield Finding("ok", "libraries", ", ".join(f"{name} {libraries.installed(name)}" for name in shown))


def _gpu() -> Iterator[Finding]:
    try:
        gpus = machine.gpus()
    except OSError as error:
        yield Finding("bad", "GPU", f"the driver does not answer: {error}", "Restart the machine; see dmesg.")
        return
    if not gpus:
        yield Finding("ok", "GPU", "none; the CPU is used")
        return
    yield Finding("ok", "GPU", "; ".join(f"{gpu.name}, {gpu.memory / 1024:.0f} GiB, {gpu.driver}" for gpu in gpus))
    driver = tuple(int(part) for part in gpus[0].driver.split(".") if part.isdecimal())
    if libraries.installed("nvidia-cudnn-cu12") is None:
        yield Finding("bad", "GPU", "TensorFlow's CUDA libraries are not installed", "pip install 'segline[gpu]'")
    elif driver < CUDA_12_DRIVER:
        needed = ".".join(map(str, CUDA_12_DRIVER))
        yield Finding("bad", "GPU", f"driver {gpus[0].driver} is too old for CUDA 12", f"Install {needed} or newer.")
    if "cuda" in os.environ.get("LD_LIBRARY_PATH", ""):
        what = "LD_LIBRARY_PATH names another CUDA, which may hide the one that TensorFlow needs"
        yield Finding("warn", "GPU", what, "Unset LD_LIBRARY_PATH if TensorFlow finds no GPU.")


def _memory() -> Iterator[Finding]:
    free = machine.memory_available()
    if free is None:
        return
    # A running training may use most of the memory; the container's health check must not fail on that.
    level = "ok" if free > 4 * GB else "warn" if free > 0.5 * GB else "bad"
    do = "" if level == "ok" else "Stop other programs, or set input.cache: none and a smaller train.batch_size."
    yield Finding(level, "memory", f"{free / GB:.1f} GB available, {os.cpu_count()} CPUs", do)


def _clock() -> Iterator[Finding]:
    now = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    if time.time() < RELEASED:
        yield Finding("bad", "clock", f"{now} is before this Segline was released", "Set the clock.")
    elif machine.clock_is_synchronised() is False:
        yield Finding("warn", "clock", f"{now}, not synchronised by a time service", "timedatectl set-ntp true")
    else:
        yield Finding("ok", "clock", now)


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    root = workspace.root.absolute()
    existing = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    level = "ok" if free > 5 * GB else "warn" if free > GB else "bad"
    do = "" if level == "ok" else "Free space, or use another workspace: --workspace DIR."
    yield Finding(level, "disk", f"{free / GB:.1f} GB free at {existing}", do)
    if problem := _workspace_problem(existing):
        yield Finding("bad", "workspace", f"{existing}: {problem}", "Use another workspace: --workspace DIR.")
        return
    yield Finding("ok", "workspace", str(root) + ("" if root.exists() else ", not created yet"))
    yield from _mount(existing)
    yield from _store(workspace)


def _workspace_problem(folder: Path) -> str | None:
    """Error of the file operations that a run needs (write, lock, symlink, rename), tried in a temporary folder."""
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
        what = f"{folder} is on {mount.kind}, mounted so that other hosts do not see its locks"
        yield Finding("warn", "workspace", what, "Use it from a single host, or mount it with locks.")
    elif mount.is_network:
        yield Finding("ok", "workspace", f"on {mount.kind}: several hosts may use it if all mount it with locks")


def _store(workspace: Workspace) -> Iterator[Finding]:
    if not workspace.store.is_file():
        return
    try:
        with sqlite3.connect(f"{workspace.store.absolute().as_uri()}?mode=ro", uri=True) as database:
            damage = database.execute("PRAGMA quick_check").fetchone()[0]
            newest = database.execute("SELECT max(started) FROM runs").fetchone()[0] or 0.0
    except sqlite3.DatabaseError as error:
        damage, newest = str(error), 0.0
    if damage != "ok":  # what quick_check returns for a sound database
        do = "segline recover rebuilds it from the seals of the results, which are reused."
        yield Finding("bad", "store", f"{workspace.store} is damaged: {damage}", do)
    elif newest > time.time() + 60:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(newest))
        yield Finding("warn", "clock", f"a run started in the future, {when}: the clock was wrong", "Set the clock.")


def _deep() -> Finding:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-P", "-c", DEEP]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        last = (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1]
        return Finding("bad", "TensorFlow", last, "Reinstall it: pip install --force-reinstall tensorflow")
    return Finding("ok", "TensorFlow", "; ".join(result.stdout.splitlines()))
