"""Runs that are killed or meet a full disk, schedulers that meet, and a clock that jumps (endurance.py)."""

import functools
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.lineage import verification
from pipeline.orchestration import promotion, runner, served_origin
from pipeline.orchestration.graph import STEPS
from pipeline.schedule import actions
from pipeline.schedule.clock import Clock
from pipeline.schedule.due import CLOCK_WENT_BACK
from pipeline.schedule.tick import HELD, Outcome
from pipeline.workspace import integrity
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import read_seal
from pipeline.workspace.store import Store
from tests.pipeline import finished

PROJECT = Path(__file__).parents[2]
POINTS = ("os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.mkdir")
"""Events of Python's audit hooks before which a process is killed; os.replace is reported as os.rename."""

REAL = False
"""Whether the steps are the true ones; set by the command line."""

Result = dict[str, str]
"""{step/file: digest} of all results."""


def kills(number: int, scratch: Path) -> str:
    """Kill a run at so many of its points (all, where there are fewer), and give the same command again."""
    with pytest.MonkeyPatch.context() as patch:
        recipe = _prepare(patch, scratch)
        total = _count_points(recipe, scratch)
        same = _reproducible(recipe, scratch)
        points = range(1, total + 1)
        chosen = sorted(random.Random(0).sample(points, number)) if number < total else list(points)
        left = 0
        for number_of, point in enumerate(chosen):
            work = scratch / f"killed{number_of}"
            status, log = _child(lambda work=work: _run(recipe, work), scratch / "log", _killer(point, work))
            assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, f"point {point}: {log}"
            _require_nothing_half(Workspace(work), f"after the kill at point {point}")
            status, log = _child(lambda work=work: _run(recipe, work), scratch / "log")
            assert status == 0 and "Traceback" not in log, f"point {point}: {log}"
            left += _require_recovered(Workspace(work), same, f"point {point}")
            shutil.rmtree(work)
    return f"{len(chosen)} of {total} points, all recovered by the same command; {left} files are left over"


def disk(number: int, scratch: Path) -> str:
    """Run on a file system with too little room, from none to nearly enough, then with enough. Needs unshare(1)."""
    if "SEGLINE_ENDURANCE_DISK" not in os.environ:  # in a namespace of its own, where anyone may mount
        command = [sys.executable, "-m", "tests.benchmarks.endurance", "disk", str(number), *(["--real"] * REAL)]
        environment = {**os.environ, "SEGLINE_ENDURANCE_DISK": "1"}
        shown = subprocess.run(
            ["unshare", "-rm", *command], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
        )
        assert shown.returncode == 0, shown.stdout + shown.stderr
        return shown.stdout.strip().partition(": ")[2]
    with pytest.MonkeyPatch.context() as patch:
        recipe = _prepare(patch, scratch)
        same = _reproducible(recipe, scratch)
        needed = sum(path.stat().st_size for path in (scratch / "whole0").rglob("*") if path.is_file()) + 2_000_000
        place = scratch / "disk"
        place.mkdir()
        codes: Counter[int] = Counter()
        for index in range(number):
            free = 4096 * (needed * index // (number * 4096))
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={needed}", "none", str(place)], check=True)
            ballast = place / "ballast"
            ballast.write_bytes(bytes(max(0, needed // 4096 * 4096 - free - 4096)))
            status, log = _child(lambda: _run(recipe, place / "work"), scratch / "log")
            code = os.waitstatus_to_exitcode(status)
            assert code in (0, 2) and "Traceback" not in log, f"{free} bytes free: {code}: {log[-3000:]}"
            assert code == 0 or "disk is full" in " ".join(log.split()), f"{free} bytes free: {log[-3000:]}"
            codes[code] += 1
            ballast.unlink()
            status, log = _child(lambda: _run(recipe, place / "work"), scratch / "log")
            assert status == 0, f"{free} bytes free, then enough: {log[-3000:]}"
            _require_recovered(Workspace(place / "work"), same, f"{free} bytes free")
            subprocess.run(["umount", str(place)], check=True)
    return f"{codes[2]} runs ended with exit code 2, {codes[0]} had room; all finished when there was room"


def schedulers(number: int, scratch: Path) -> str:
    """Have four processes run what is due at the same moment, for so many slots that all have something to do."""
    with pytest.MonkeyPatch.context() as patch:
        recipe = _prepare(patch, scratch)
        recipe.write_text(recipe.read_text().replace('"30 2 * * *"', '"* * * * *"'))
        work = Workspace(scratch / "work")
        work.root.mkdir()
        moment = 1_800_000_030.0  # between two slots: a schedule counts from its first call

        def due(settings: list[str], now: float) -> int:
            return actions.make_tick(str(recipe), settings, work, clock=Clock(lambda: now)).run_due()

        assert _child(lambda: due([], moment), scratch / "log")[0] == 0
        codes: Counter[int] = Counter()
        for index in range(number):
            moment += 60
            call = functools.partial(due, [f"train.epochs={index + 2}"], moment)
            children = [_start(call, scratch / f"log{one}") for one in range(4)]
            ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
            texts = "".join((scratch / f"log{one}").read_text() for one in range(4))
            assert set(ended) <= {0, HELD} and 0 in ended and "Traceback" not in texts, f"{ended}\n{texts}"
            codes.update(ended)
        rows = Store(work.store)
        tick = actions.make_tick(str(recipe), [], work, clock=Clock(lambda: moment))
        states = Counter((row["slot"], row["state"]) for row in tick.ledger.newest(100 * number))
        done = [slot for (slot, state), count in states.items() for _ in range(count) if state == "done"]
        assert len(done) == len(set(done)) == number, f"{len(done)} runs of {len(set(done))} slots"
        assert len(list((work.root / "runs").iterdir())) == number
        rows.close()
        verification.require_sound(list(verification.verify(work)))
    return f"{len(done)} slots, each run once; of {4 * number} calls {codes[HELD]} met another and ended with {HELD}"


def clock(number: int, scratch: Path) -> str:
    """Watch a schedule until so many slots were run, while the clock jumps by minutes, hours and days, both ways."""
    draw, ran, counted = random.Random(0), list[float](), set[float]()
    jumps: Counter[str] = Counter()
    moment, repeated = [1_800_000_000.0], list[float]()

    def sleep(seconds: float) -> None:
        if len(ran) >= number:
            raise KeyboardInterrupt
        moment[0] += seconds
        if draw.random() < 0.002:
            far = draw.choice((60.0, 3600.0, 30 * 3600.0)) * draw.uniform(-1, 1.1)
            jumps["back" if far < 0 else "forward"] += 1
            moment[0] += far
        if max(counted, default=0.0) - moment[0] > CLOCK_WENT_BACK:  # what ran while it was far ahead may run again
            counted.difference_update([slot for slot in counted if slot > moment[0]])

    def run_slot(slot: float, name: Callable[[str], None]) -> Outcome:
        name(f"run{len(ran)}")
        repeated.extend([slot] if slot in counted else [])
        ran.append(slot)
        counted.add(slot)
        return Outcome("done", run=f"run{len(ran)}")

    with pytest.MonkeyPatch.context() as patch:
        recipe = _prepare(patch, scratch)
        recipe.write_text(recipe.read_text().replace('"30 2 * * *"', '"*/10 * * * *"'))
        patch.setattr(actions, "ScheduledRun", lambda *_: run_slot)
        patch.setattr("sys.stdout", (scratch / "log").open("w"))
        (scratch / "work").mkdir()
        with pytest.raises(KeyboardInterrupt):
            actions.watch(str(recipe), [], Workspace(scratch / "work"), Clock(lambda: moment[0], sleep))
    assert not repeated, f"slots were run twice: {repeated}"
    assert all(slot % 600 == 0 for slot in ran), "a run was at no slot"
    return f"{len(ran)} slots, none twice; {jumps['forward']} jumps forward, {jumps['back']} back"


def _prepare(patch: pytest.MonkeyPatch, scratch: Path) -> Path:
    """Put the steps in place, in this process; return the recipe."""
    os.environ["SEGLINE_REVISION"] = "endurance"  # asks git for nothing
    if not REAL:
        finished.use_small_steps(patch)
        (scratch / "raw/train").mkdir(parents=True)
        (scratch / "raw/train/a.png").write_bytes(b"a")
        (scratch / "net.yaml").write_text(finished.RECIPE.format(raw=scratch / "raw"))
        return scratch / "net.yaml"
    import tensorflow  # noqa: F401 - once, before the forks

    from datasets.camvid import sample

    sample.write(scratch / "raw", count=14, seed=3, size=(72, 96))
    text = (PROJECT / "tests/tiny.yaml").read_text().replace("set-by-the-test", str(scratch / "raw"))
    (scratch / "net.yaml").write_text(text.replace("samples: 2", "samples: 2, deterministic: true"))

    def run_child(run: RunFolder, workspace: Workspace, name: str, *, again: bool, **_: object) -> None:
        step = next(step for step in STEPS if step.name == name)
        runner.Runner(workspace, run.recipe(), run, Store(workspace.store), wait=True).execute(step, again=again)

    patch.setattr(runner, "run_child", run_child)
    return scratch / "net.yaml"


def _run(recipe: Path, work: Path) -> int:
    return main(["run", str(recipe), "--workspace", str(work)])


def _start(call: Callable[[], int], log: Path, hook: Callable[[str, tuple[object, ...]], None] | None = None) -> int:
    """Fork a process that makes a call, with its output in a file; return its id."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        if hook:
            sys.addaudithook(hook)
        code = call()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _child(
    call: Callable[[], int], log: Path, hook: Callable[[str, tuple[object, ...]], None] | None = None
) -> tuple[int, str]:
    """Make a call in a process of its own; return its status and its output."""
    return os.waitpid(_start(call, log, hook), 0)[1], log.read_text(errors="replace")


def _killer(point: int, work: Path) -> Callable[[str, tuple[object, ...]], None]:
    """Return a hook that kills its process before the nth change of names in a workspace."""
    seen = itertools.count(1)
    return lambda event, given: (
        os.kill(os.getpid(), signal.SIGKILL) if _is_point(event, given, work) and next(seen) == point else None
    )


def _is_point(event: str, given: tuple[object, ...], work: Path) -> bool:
    """Whether an event is a point in a workspace; the names that rmtree removes are relative to a folder."""
    return event in POINTS and (str(given[0]).startswith(str(work)) or not str(given[0]).startswith("/"))


def _count_points(recipe: Path, scratch: Path) -> int:
    work, file = scratch / "counted", scratch / "points"

    def count(event: str, given: tuple[object, ...]) -> None:
        if _is_point(event, given, work):
            os.write(descriptor, b".")

    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    status, log = _child(lambda: _run(recipe, work), scratch / "log", count)
    os.close(descriptor)
    assert status == 0, log
    return file.stat().st_size


def _reproducible(recipe: Path, scratch: Path) -> Result:
    """Return the digests of the files that two whole runs write alike."""
    both = []
    for number in range(2):
        status, log = _child(lambda number=number: _run(recipe, scratch / f"whole{number}"), scratch / "log")
        assert status == 0, log
        both.append(_results(Workspace(scratch / f"whole{number}")))
    same = {name: digest for name, digest in both[0].items() if both[1].get(name) == digest}
    assert any(name.endswith("weights.h5") for name in same), "weights differ from run to run"
    return same


def _results(work: Workspace) -> Result:
    artifacts = [path for path in work.root.glob("artifacts/*/[!.]*") if path.suffix != ".partial"]
    return {f"{path.parent.name}/{file}": it for path in artifacts for file, it in read_seal(path)["files"].items()}


def _require_nothing_half(work: Workspace, when: str) -> None:
    """Require that each published folder is whole."""
    for artifact in work.root.glob("artifacts/*/[!.]*"):
        if artifact.suffix != ".partial":
            integrity.require_intact(work, artifact, contents=True)
    for served in work.serving.glob("*"):
        for version in promotion.versions(served):
            served_origin.require_intact(served / str(version))
    assert not work.store.exists() or Store.reading(work.store), when


def _require_recovered(work: Workspace, same: Result, what: str) -> int:
    """Require the results of a whole run, one served version and a sound workspace; return what is left over."""
    _require_nothing_half(work, what)
    verification.require_sound(list(verification.verify(work)))
    results = _results(work)
    other = [name for name, digest in same.items() if results.get(name) != digest]
    assert not other, f"{what}: {other} differ from those of a run that was not killed"
    versions = [number for served in work.serving.glob("[!.]*") for number in promotion.versions(served)]
    assert versions == [1], f"{what}: versions {versions} are served"
    kept = [path for place in ("artifacts", "serving") for path in work.root.glob(f"{place}/*/*")]
    return sum(path.suffix == ".partial" or path.name == ".partial" for path in kept)
