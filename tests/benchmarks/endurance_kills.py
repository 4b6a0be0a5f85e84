"""Commands that are killed at the points where they rename, link or remove something (endurance.py)."""

import itertools
import os
import random
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from pipeline.schedule import actions
from pipeline.schedule.clock import Clock
from pipeline.workspace.layout import Workspace
from tests.benchmarks import endurance_workspace as endurance
from tests.benchmarks.endurance_workspace import Hook, Results
from tests.pipeline.finished import Finished

POINTS = ("os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.mkdir")
"""Events of Python's audit hooks before which a process is killed; os.replace is reported as os.rename."""

BETWEEN = 1_800_000_030.0
"""Between two slots of a schedule that runs every minute, which counts from its first call."""

Call = Callable[[Path], int]
"""Calls a command on a workspace, given its folder; returns the exit code."""


@dataclass(frozen=True)
class Command:
    """A command that is killed.

    Attributes:
        name: Its name.
        begin: Makes the workspace that it works on.
        call: Calls it.
        again: What a user calls after the kill.
    """

    name: str
    begin: Call
    call: Call
    again: Call


@dataclass(frozen=True)
class Whole:
    """What a command leaves that was not killed.

    Attributes:
        points: Number of its points.
        results: Files that are equal each time.
        versions, folders, files: What is served, which results are published, and all files of both.
    """

    points: int
    results: Results
    versions: list[str]
    folders: list[str]
    files: set[str]


def kills(number: int, scratch: Path, *, real: bool = False) -> str:
    """Kill commands at so many of their points (all, where there are fewer), and recover from each kill."""
    with pytest.MonkeyPatch.context() as patch:
        recipe = endurance.prepare(patch, scratch, real=real)
        log = scratch / "log"
        commands = [_run(recipe)] if real else [_run(recipe), *_others(recipe, _base(recipe, scratch))]
        whole = {command.name: _whole(command, scratch) for command in commands}
        points = [(command, point) for command in commands for point in range(1, whole[command.name].points + 1)]
        chosen = random.Random(0).sample(points, min(number, len(points)))
        left = 0
        for command, point in chosen:
            work, what = scratch / "killed", f"{command.name}, killed at point {point}"
            command.begin(work)
            code, shown = endurance.wait(partial(command.call, work), log, _killer(point, work))
            assert code == -signal.SIGKILL, f"{what}: ended with {code}: {shown[-3000:]}"
            endurance.require_nothing_half(Workspace(work))
            endurance.require_success(partial(command.again, work), log, what)
            left += _require_recovered(Workspace(work), whole[command.name], what, log)
            shutil.rmtree(work)
    of = ", ".join(f"{command.name} ({whole[command.name].points})" for command in commands)
    return f"{len(chosen)} of {len(points)} points of {of}: all recovered; {left} files left over, none after gc"


def _run(recipe: Path) -> Command:
    def run(work: Path) -> int:
        return endurance.call(f"run {recipe}", work)

    return Command("run", _make_nothing, run, run)


def _others(recipe: Path, base: Path) -> list[Command]:
    """Return the commands that change a workspace with results, each with what a user calls after a kill."""

    def copy(work: Path) -> int:
        shutil.copytree(base, work, symlinks=True)
        return 0

    def copy_without_store(work: Path) -> int:
        copy(work)
        (work / "store.sqlite").write_bytes(b"no database" * 1000)
        return 0

    def schedule(work: Path) -> int:
        return endurance.wait(lambda: due(work, BETWEEN), work.parent / "log")[0]

    every_minute = endurance.with_times(recipe, "* * * * *")

    def due(work: Path, moment: float = BETWEEN + 60) -> int:
        work.mkdir(exist_ok=True)
        return actions.make_tick(str(every_minute), [], Workspace(work), clock=Clock(lambda: moment)).run_due()

    def words(text: str) -> Call:
        return lambda work: endurance.call(text, work)

    def complete_rollback(work: Path) -> int:
        code = endurance.call("recover", work)
        return code or (0 if (work / "serving/net/3").is_dir() else endurance.call("rollback net", work))

    same = {"gc": "gc --keep-last 1", "promote": "promote one", "recover": "recover"}
    begin = {"recover": copy_without_store}
    commands = [Command(name, begin.get(name, copy), words(text), words(text)) for name, text in same.items()]
    commands.append(Command("rollback", copy, words("rollback net"), complete_rollback))
    return [*commands, Command("run-due", schedule, due, due)]


def _make_nothing(work: Path) -> int:
    return 0


def _base(recipe: Path, scratch: Path) -> Path:
    """Make a workspace with two served models, a run that gc removes, and what a killed step left."""
    made = Finished(Workspace(scratch / "base"), recipe)
    made.workspace.root.mkdir()

    def make() -> int:
        codes = [
            made.run(made.workspace, "three", settings=["train.epochs=2"], until="evaluate"),
            made.run(made.workspace, "one"),
            made.run(made.workspace, "two", settings=["evaluate.overlays=5"]),
        ]
        return max(codes)

    endurance.require_success(make, scratch / "log", "the workspace")
    unfinished = made.workspace.partial("train", "dead")
    unfinished.mkdir()
    (unfinished / "checkpoint").write_bytes(b"half")
    return made.workspace.root


def _whole(command: Command, scratch: Path) -> Whole:
    """Call a command twice, with nothing killed; count its points."""
    file, log, both = scratch / "points", scratch / "log", []
    for name in ("counted", "repeated"):
        work = scratch / name
        command.begin(work)
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
        hook = _counter(work, descriptor)
        endurance.require_success(partial(command.call, work), log, command.name, hook)
        os.close(descriptor)
        both.append(endurance.results(Workspace(work)))
    same = {name: digest for name, digest in both[0].items() if both[1].get(name) == digest}
    assert any(name.endswith("weights.h5") for name in same), "weights differ from run to run"
    made = Workspace(scratch / "repeated")
    whole = Whole(file.stat().st_size, same, endurance.versions(made), _folders(made), endurance.files(made))
    for name in ("counted", "repeated"):
        shutil.rmtree(scratch / name)
    return whole


def _folders(work: Workspace) -> list[str]:
    return [f"{path.parent.name}/{path.name}" for path in endurance.published(work)]


def _counter(work: Path, descriptor: int) -> Hook:
    def count(event: str, given: tuple[object, ...]) -> None:
        if _is_point(event, given, work):
            os.write(descriptor, b".")

    return count


def _killer(point: int, work: Path) -> Hook:
    """Return a hook that kills its process before the nth change of names in a workspace."""
    seen = itertools.count(1)

    def kill(event: str, given: tuple[object, ...]) -> None:
        if _is_point(event, given, work) and next(seen) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


def _is_point(event: str, given: tuple[object, ...], work: Path) -> bool:
    """Whether an event is a point in a workspace; the names that rmtree removes are relative to a folder."""
    return event in POINTS and (str(given[0]).startswith(str(work)) or not str(given[0]).startswith("/"))


def _require_recovered(work: Workspace, whole: Whole, what: str, log: Path) -> int:
    """Require what a command leaves that was not killed, a sound workspace, and nothing else once gc has run.

    Returns:
        Number of files that gc had to remove.
    """
    endurance.require_nothing_half(work)
    endurance.require_sound(work)
    results = endurance.results(work)
    other = [name for name, digest in whole.results.items() if results.get(name) != digest]
    assert not other, f"{what}: {other} differ from those of a command that was not killed"
    assert endurance.versions(work) == whole.versions, f"{what}: served are {endurance.versions(work)}"
    assert _folders(work) == whole.folders, f"{what}: {sorted({*_folders(work)} ^ {*whole.folders})}"
    left = endurance.files(work) - whole.files
    endurance.require_success(lambda: endurance.call("gc --keep-last 9", work.root), log, what)
    still = {name for name in endurance.files(work) - whole.files if not name.endswith(".lock")}
    assert not still, f"{what}: gc leaves {sorted(still)}"
    endurance.require_sound(work)
    return len(left)
