"""Runs that meet a full disk, schedulers that meet each other, and a clock that jumps (endurance.py)."""

import functools
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config.step_names import STEP_NAMES
from pipeline.schedule import actions
from pipeline.schedule.clock import Clock
from pipeline.schedule.due import CLOCK_WENT_BACK
from pipeline.schedule.ledger import Ledger
from pipeline.schedule.tick import HELD, Outcome
from pipeline.workspace.layout import Workspace
from tests.benchmarks import endurance_workspace as endurance

PAGE = 4096
"""Bytes; tmpfs gives room in pages."""

INSIDE = "SEGLINE_ENDURANCE_DISK"
"""Environment variable that is set in the namespace in which disks are mounted."""


def disk(number: int, scratch: Path, *, real: bool = False) -> str:
    """Run on a file system with too little room, from none to just enough, then with enough. Needs unshare(1)."""
    if INSIDE not in os.environ:  # in a namespace of its own, where anyone may mount
        command = [sys.executable, "-m", "tests.benchmarks.endurance", "disk", str(number), *(["--real"] * real)]
        environment = {**os.environ, INSIDE: "1"}
        ended = subprocess.run(
            ["unshare", "-rm", *command],
            cwd=endurance.PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout.strip().partition(": ")[2]
    with pytest.MonkeyPatch.context() as patch:
        recipe = endurance.prepare(patch, scratch, real=real)
        work, log = scratch / "disk/work", scratch / "log"
        work.parent.mkdir()

        def run() -> int:
            return endurance.call(f"run {recipe}", work)

        _mount(work.parent, 2**32)
        endurance.require_success(run, log, "on a large disk")
        statistics = os.statvfs(work.parent)
        needed = (statistics.f_blocks - statistics.f_bfree) * statistics.f_frsize
        whole, folders = endurance.results(Workspace(work)), endurance.published(Workspace(work))
        subprocess.run(["umount", str(work.parent)], check=True)
        steps: Counter[str] = Counter()
        for index in range(number):
            free = needed * index // number // PAGE * PAGE
            _mount(work.parent, needed * 2 + 2**20)
            ballast = work.parent / "ballast"
            ballast.write_bytes(bytes(needed * 2 + 2**20 - free - PAGE))
            code, shown = endurance.wait(run, log)
            assert code in (0, 2) and "Traceback" not in shown, f"{free} bytes free: {code}: {shown[-3000:]}"
            assert code == 0 or "disk is full" in " ".join(shown.split()), f"{free} bytes free: {shown[-3000:]}"
            steps[_last_step(shown) if code else "none"] += 1
            endurance.require_nothing_half(Workspace(work))
            ballast.unlink()
            endurance.require_success(run, log, f"{free} bytes free, then enough")
            made = Workspace(work)
            endurance.require_nothing_half(made)
            endurance.require_sound(made)
            results = endurance.results(made)
            assert results.keys() == whole.keys() and endurance.published(made) == folders, f"{free} bytes free"
            assert real or results == whole, f"{free} bytes free: other results"
            subprocess.run(["umount", str(work.parent)], check=True)
    missing = [name for name in STEP_NAMES if not steps[name]]
    assert real or not missing, f"no disk was full in {', '.join(missing)}"
    where = ", ".join(f"{steps[name]} {name}" for name in ("before", *STEP_NAMES) if steps[name])
    return f"full in {where}; in {steps['none']} there was room; all finished when there was enough, nothing was half"


def schedulers(number: int, scratch: Path) -> str:
    """Have four processes run what is due at the same moment, for so many slots that all have something to do."""
    with pytest.MonkeyPatch.context() as patch:
        recipe = endurance.with_times(endurance.prepare(patch, scratch), "* * * * *")
        work = Workspace(scratch / "work")
        work.root.mkdir()
        moment = 1_800_000_030.0  # between two slots: a schedule counts from its first call

        def due(settings: list[str], now: float) -> int:
            return actions.make_tick(str(recipe), settings, work, clock=Clock(lambda: now)).run_due()

        endurance.require_success(lambda: due([], moment), scratch / "log", "the first call")
        codes: Counter[int] = Counter()
        for index in range(number):
            moment += 60
            call = functools.partial(due, [f"train.epochs={index + 2}"], moment)
            children = [endurance.start(call, scratch / f"log{one}") for one in range(4)]
            ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
            texts = "".join((scratch / f"log{one}").read_text() for one in range(4))
            assert set(ended) <= {0, HELD} and 0 in ended and "Traceback" not in texts, f"{ended}\n{texts}"
            codes.update(ended)
        tick = actions.make_tick(str(recipe), [], work, clock=Clock(lambda: moment))
        done = [row["slot"] for row in tick.ledger.newest(100 * number) if row["state"] == "done"]
        assert len(done) == len(set(done)) == number, f"{len(done)} runs of {len(set(done))} slots"
        assert len(list((work.root / "runs").iterdir())) == number
        endurance.require_sound(work)
    return f"{len(done)} slots, each run once; of {4 * number} calls {codes[HELD]} met another and ended with {HELD}"


def clock(number: int, scratch: Path) -> str:
    """Watch a schedule until so many slots were run, while the clock jumps by minutes, hours and days, both ways."""
    draw, ran, counted = random.Random(0), list[float](), set[float]()
    jumps: Counter[str] = Counter()
    moment, repeated = [1_800_000_000.0], list[float]()
    latest, reset = list(moment), Ledger.reset

    def sleep(seconds: float) -> None:
        if len(ran) >= number:
            raise KeyboardInterrupt
        moment[0] += seconds
        if draw.random() < 0.02:
            far = draw.choice((60.0, 3600.0, 30 * 3600.0)) * draw.uniform(-1, 1.1)
            jumps["back" if far < 0 else "forward"] += 1
            moment[0] += far
        latest[0] = max(latest[0], moment[0])

    def resume(ledger: Ledger, now: float) -> None:
        assert latest[0] - now > CLOCK_WENT_BACK, "a schedule resumed, and its clock was not a day behind"
        counted.difference_update([slot for slot in counted if slot > now])  # what ran while it was ahead may run again
        latest[0], jumps["resumed"] = now, jumps["resumed"] + 1
        reset(ledger, now)

    def run_slot(slot: float, name: Callable[[str], None]) -> Outcome:
        name(f"run{len(ran)}")
        repeated.extend([slot] if slot in counted else [])
        ran.append(slot)
        counted.add(slot)
        return Outcome("done", run=f"run{len(ran)}")

    with pytest.MonkeyPatch.context() as patch:
        recipe = endurance.with_times(endurance.prepare(patch, scratch), "*/10 * * * *")
        patch.setattr(actions, "ScheduledRun", lambda *_: run_slot)
        patch.setattr(Ledger, "reset", resume)
        patch.setattr("sys.stdout", (scratch / "log").open("w"))
        (scratch / "work").mkdir()
        with pytest.raises(KeyboardInterrupt):
            actions.watch(str(recipe), [], Workspace(scratch / "work"), Clock(lambda: moment[0], sleep))
    assert not repeated, f"slots were run twice: {repeated}"
    assert all(slot % 600 == 0 for slot in ran), "a run was at no slot"
    jumped = f"{jumps['forward']} jumps forward, {jumps['back']} back"
    return f"{len(ran)} slots, none twice; {jumped}; {jumps['resumed']} times a day behind, and resumed"


def _mount(place: Path, size: int) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size // PAGE * PAGE}", "none", str(place)], check=True)


def _last_step(shown: str) -> str:
    """Return the last step that a run began, as it printed."""
    words = [line.split() for line in shown.splitlines()]
    begun = [line[0] for line in words if len(line) > 1 and line[0] in STEP_NAMES and line[1] in ("runs", "reused")]
    return begun[-1] if begun else "before"
