"""Ticks of a schedule with a fake clock: attempts, retries, locks, and what the store holds afterwards."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.config.schedule import ScheduleConfig
from pipeline.schedule.clock import Clock
from pipeline.schedule.ledger import Ledger
from pipeline.schedule.tick import HELD, Outcome, Tick
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store

PROJECT = Path(__file__).parents[3]
HOUR, DAY = 3600.0, 86400.0
START = datetime.fromisoformat("2026-07-05T12:00:00+00:00").timestamp()
FIRST = datetime.fromisoformat("2026-07-06T02:30:00+00:00").timestamp()


@dataclass
class Bench:
    """A schedule with a fake clock, and runs whose exit codes the test sets."""

    root: Path
    now: float = START
    codes: list[int] = field(default_factory=list)
    ran: list[tuple[float, float]] = field(default_factory=list)
    naps: list[float] = field(default_factory=list)
    notified: list[Outcome] = field(default_factory=list)
    notice: str | Exception | None = None
    meanwhile: Callable[[], None] = lambda: None

    def tick(self, **settings: object) -> Tick:
        schedule = ScheduleConfig.model_validate({"cron": "30 2 * * *", **settings})
        workspace = Workspace(self.root)
        ledger = Ledger(Store(workspace.store), "nightly")
        clock = Clock(lambda: self.now, self.sleep)
        return Tick("nightly", schedule, workspace, ledger, self.run_slot, self.notify, clock)

    def run_slot(self, slot: float, name_run: Callable[[str], None]) -> Outcome:
        self.ran.append((slot, self.now))
        name_run(f"run{len(self.ran)}")
        self.meanwhile()
        code = self.codes.pop(0) if self.codes else 0
        state = {0: "done", 3: "refused", 130: "interrupted"}.get(code, "failed")
        return Outcome(state, f"code {code}" if code else "", f"run{len(self.ran)}", code)

    def notify(self, slot: float, outcome: Outcome) -> str | None:
        self.notified.append(outcome)
        if isinstance(self.notice, Exception):
            raise self.notice
        return self.notice

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    def states(self) -> list[str]:
        return [row["state"] for row in reversed(self.tick().ledger.newest(99))]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    assert made.tick().run_due() == 0 and not made.ran, "a new schedule starts now"
    return made


def test_each_slot_runs_once(bench: Bench) -> None:
    bench.now = FIRST + 20
    for _ in range(3):
        assert bench.tick().run_due() == 0
    bench.now = FIRST + DAY
    bench.tick().run_due()
    assert [slot for slot, _ in bench.ran] == [FIRST, FIRST + DAY]
    assert bench.states() == ["done", "done"]


def test_a_first_call_on_time_runs_its_slot_and_none_before(tmp_path: Path) -> None:
    bench = Bench(tmp_path, now=FIRST + 30)
    bench.tick(catch_up="all").run_due()
    assert [slot for slot, _ in bench.ran] == [FIRST]


def test_changed_times_count_from_the_first_call_with_them(bench: Bench) -> None:
    bench.now = FIRST + 6 * HOUR
    bench.tick(cron="0 * * * *", catch_up="all", grace_seconds=60).run_due()
    assert not bench.ran


@pytest.mark.parametrize("code", [0, 2])
def test_a_settled_slot_is_not_due_again_under_changed_times(bench: Bench, code: int) -> None:
    bench.now, bench.codes = FIRST + 60, [code]
    assert bench.tick().run_due() == code
    for other in ({"cron": "*/30 * * * *"}, {"cron": "20,50 * * * *"}, {"timezone": "Europe/Lisbon"}):
        assert bench.tick(**other).run_due() == 0 and len(bench.ran) == 1
    bench.now = FIRST + 31 * 60
    bench.tick(cron="*/20 * * * *").run_due()
    assert [slot for slot, _ in bench.ran] == [FIRST, FIRST + 30 * 60], "03:00 is just due, and is not settled"


def test_after_a_week_suspended_catch_up_all_runs_oldest_first_and_latest_records_what_it_missed(bench: Bench) -> None:
    bench.now = FIRST + 6 * DAY + HOUR
    assert bench.tick().run_due() == 0
    assert [slot for slot, _ in bench.ran] == [FIRST + 6 * DAY] and bench.states() == ["missed", "done"]
    assert "6 slots" in bench.tick().ledger.newest(9)[1]["reason"]
    bench.now += 3 * DAY
    bench.tick(catch_up="all").run_due()
    assert [slot for slot, _ in bench.ran[1:]] == [FIRST + day * DAY for day in (7, 8, 9)]


def test_a_transient_error_is_retried_after_growing_waits(bench: Bench) -> None:
    bench.now, bench.codes = FIRST, [1, 137, 0]
    assert bench.tick().run_due() == 0
    assert [when - FIRST for _, when in bench.ran] == [0, 300, 900]
    assert bench.states() == ["failed", "failed", "done"] and not bench.notified
    assert max(bench.naps) <= 20


def test_attempts_are_limited_and_the_failure_is_notified_once(bench: Bench) -> None:
    bench.now, bench.codes = FIRST, [1, 1, 1]
    assert bench.tick().run_due() == 1
    assert len(bench.ran) == 3 and [outcome.run for outcome in bench.notified] == ["run3"]
    assert bench.tick().run_due() == 0 and len(bench.ran) == 3


@pytest.mark.parametrize(("code", "state"), [(2, "failed"), (3, "refused")])
def test_a_lasting_error_is_not_retried(bench: Bench, code: int, state: str) -> None:
    bench.now, bench.codes = FIRST, [code]
    assert bench.tick().run_due() == code
    assert bench.states() == [state] and len(bench.notified) == 1 and not bench.naps


def test_a_notification_that_fails_is_recorded_and_changes_nothing(bench: Bench) -> None:
    bench.now, bench.codes, bench.notice = FIRST, [2], "the webhook answered 500"
    assert bench.tick().run_due() == 2
    assert bench.states() == ["failed", "notice failed"]


def test_a_notification_that_raises_is_recorded_without_its_text_and_the_slot_is_settled(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.now, bench.codes, bench.notice = FIRST, [2, 2], ValueError("of https://hook/s3cret")
    assert bench.tick().run_due() == 2
    assert bench.states() == ["failed", "notice failed"]
    assert "notice    could not be sent (ValueError)" in capsys.readouterr().out
    bench.now += 60
    assert bench.tick().run_due() == 0 and len(bench.notified) == 1, "notified once"


def test_an_interrupted_slot_resumes_with_any_catch_up_and_costs_no_attempt(bench: Bench) -> None:
    bench.now, bench.codes = FIRST, [130]
    with pytest.raises(KeyboardInterrupt):
        bench.tick(catch_up="none", retries=0).run_due()
    bench.now += 3 * HOUR
    assert bench.tick(catch_up="none", retries=0).run_due() == 0
    assert bench.states() == ["interrupted", "done"] and not bench.notified


def test_a_process_killed_while_it_waits_leaves_the_wait_to_the_next_tick(bench: Bench) -> None:
    bench.now, bench.codes = FIRST, [1]

    def die(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(bench.tick(), clock=Clock(lambda: bench.now, die)).run_due()
    bench.now += 60
    assert bench.tick().run_due() == 0
    assert [when - FIRST for _, when in bench.ran] == [0, 300] and bench.states() == ["failed", "done"]


def test_a_clock_that_was_wrong_makes_no_wait_longer(bench: Bench) -> None:
    """A clock set back while a retry waits; and a retry that a clock far ahead postponed."""
    bench.now, bench.codes = FIRST, [1]

    def set_back(seconds: float) -> None:
        bench.sleep(seconds - 3 * DAY if not bench.naps else seconds)

    assert replace(bench.tick(), clock=Clock(lambda: bench.now, set_back)).run_due() == 0
    assert sum(bench.naps) + 3 * DAY == 300 and bench.states() == ["failed", "done"]
    bench.now, bench.naps = FIRST + DAY, []
    ledger = bench.tick().ledger
    ahead = {"state": "failed", "reason": "", "run": None, "code": 1, "retry_at": FIRST + 9 * DAY}
    ledger.end(ledger.begin(FIRST + DAY, bench.now), ahead, bench.now)
    assert bench.tick().run_due() == 0 and sum(bench.naps) == 6 * HOUR


def test_kill_9_in_a_run_counts_as_an_attempt(bench: Bench) -> None:
    bench.now = FIRST
    for state in ("killed", "killed"):
        tick = bench.tick(retries=1)
        tick.ledger.name_run(tick.ledger.begin(FIRST, bench.now), "lost")  # and no end
        tick.ledger.mark_killed(bench.now)
        assert bench.states()[-1] == state and tick.ledger.newest(1)[0]["run"] == "lost"
    assert bench.tick(retries=1).run_due() == 1
    assert not bench.ran and len(bench.notified) == 1
    assert bench.tick(retries=1).run_due() == 0, "settled"


def test_a_clock_set_back_a_little_repeats_nothing_and_one_that_was_far_ahead_resets_the_ledger(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.now = FIRST
    bench.tick().run_due()
    bench.now -= HOUR
    bench.tick().run_due()
    bench.now += 2 * HOUR
    bench.tick().run_due()
    assert len(bench.ran) == 1
    bench.now = FIRST + 400 * DAY
    bench.tick().run_due()
    bench.now = FIRST + DAY - HOUR
    bench.tick().run_due()
    assert "the clock went back from 2027-08-10 02:30 UTC" in capsys.readouterr().out
    bench.now = FIRST + DAY
    bench.tick().run_due()
    assert [slot for slot, _ in bench.ran] == [FIRST, FIRST + 400 * DAY, FIRST + DAY]
    bench.now = FIRST + 400 * DAY
    assert bench.tick().preview()[-1] == "due       2027-08-10 02:30 UTC"
    bench.tick().run_due()
    assert bench.ran[-1][0] == FIRST + 400 * DAY and len(bench.ran) == 4, "it runs when its time really comes"


def test_a_preview_lists_what_is_due_and_records_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.tick().preview() == ["nothing is due; next 2026-07-06 02:30 UTC"]
    assert not Store(tmp_path / "store.sqlite").rows("SELECT * FROM schedules"), "a preview does not start a schedule"
    bench.tick().run_due()
    bench.now = FIRST + 2 * DAY
    expected = [
        "missed    2 slots from 2026-07-06 02:30 UTC on passed over (catch_up: latest)",
        "due       2026-07-08 02:30 UTC",
    ]
    assert bench.tick().preview() == bench.tick().preview() == expected
    assert bench.tick(catch_up="none", grace_seconds=1).preview()[-1] == expected[1]
    bench.now += HOUR
    assert bench.tick(catch_up="none").preview()[-1] == "nothing is due; next 2026-07-09 02:30 UTC"
    with lock.hold(Workspace(tmp_path).lock("schedule", "nightly"), "other", wait=False, on_wait=print):
        assert bench.tick().preview()[0].endswith("holds the schedule")
    assert not bench.ran and not bench.states()


def test_a_held_lock_is_recorded_as_a_skip_and_the_slot_runs_later(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.now = FIRST

    def second_timer() -> None:
        bench.now = FIRST + DAY + 5
        other = bench.tick()
        assert other.run_due() == HELD == 75
        assert other.run_due() == 75

    bench.meanwhile = second_timer
    assert bench.tick().run_due() == 0
    bench.meanwhile = lambda: None
    assert bench.states() == ["done", "skipped"]
    assert "skipped   run nightly (process" in capsys.readouterr().out
    assert bench.tick(catch_up="latest").run_due() == 0
    assert [slot for slot, _ in bench.ran] == [FIRST, FIRST + DAY]


def test_backfill_runs_oldest_first_what_did_not_succeed_and_settles_nothing(bench: Bench) -> None:
    wanted = [FIRST - 3 * DAY, FIRST - 2 * DAY, FIRST - DAY]
    bench.codes = [0, 2]
    assert bench.tick().backfill(wanted) == 2
    assert bench.tick().backfill(wanted) == 0
    assert [slot for slot, _ in bench.ran] == [*wanted, wanted[1]]
    bench.now = FIRST
    bench.tick().run_due()
    assert bench.ran[-1][0] == FIRST


def test_backfill_gives_a_slot_all_its_attempts_again(bench: Bench) -> None:
    bench.now, bench.codes = FIRST, [1, 1, 1]
    assert bench.tick().run_due() == 1
    bench.codes = [1, 0]
    assert bench.tick().backfill([FIRST]) == 0
    assert bench.states() == [*["failed"] * 4, "done"] and len(bench.notified) == 1


def test_a_complete_backfill_is_not_repeated_and_a_partial_one_is_completed(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.now = FIRST + 30
    until_evaluate = replace(bench.tick(), until="evaluate")
    assert until_evaluate.backfill([FIRST]) == until_evaluate.backfill([FIRST]) == 0 and len(bench.ran) == 1
    assert bench.tick().preview() == ["due       2026-07-06 02:30 UTC"]
    assert bench.tick().run_due() == 0 and len(bench.ran) == 2, "it is not promoted yet"
    bench.now = FIRST + DAY
    assert bench.tick().backfill([FIRST + DAY]) == 0 and len(bench.ran) == 3
    assert bench.tick().preview() == ["nothing is due; next 2026-07-08 02:30 UTC"]
    capsys.readouterr()
    assert bench.tick().run_due() == until_evaluate.backfill([FIRST + DAY]) == 0 and len(bench.ran) == 3
    assert capsys.readouterr().out == "slot      2026-07-07 02:30 UTC already done\n" * 2


def test_a_slot_whose_process_was_killed_before_it_settled_is_not_repeated(bench: Bench) -> None:
    bench.now = FIRST + 30
    ledger = bench.tick().ledger
    ended = {"state": "done", "reason": "", "run": "run0", "code": 0, "retry_at": None}
    ledger.end(ledger.begin(FIRST, bench.now), ended, bench.now)
    assert bench.tick().run_due() == 0 and not bench.ran
    assert bench.tick().ledger.open(bench.tick().schedule, bench.now) == FIRST


HOST = """
import socket, sys, time
from pathlib import Path
sys.path[:0] = [{project!r}, {tests!r}]
socket.gethostname = lambda: sys.argv[1]
from test_tick import FIRST, Bench
bench = Bench(Path({root!r}), now=FIRST + 10, meanwhile=lambda: time.sleep(1))
sys.stdin.readline()
print(bench.tick().run_due(), len(bench.ran))
"""


def test_two_hosts_on_one_workspace_run_a_slot_once(bench: Bench) -> None:
    code = HOST.format(project=str(PROJECT), tests=str(Path(__file__).parent), root=str(bench.root))
    pipe = subprocess.PIPE
    hosts = [
        subprocess.Popen([sys.executable, "-c", code, host], stdin=pipe, stdout=pipe, text=True)
        for host in ("north", "south")
    ]
    for host in hosts:
        assert host.stdin
        host.stdin.write("go\n")
        host.stdin.flush()
    printed = sorted(host.communicate()[0].splitlines()[-1] for host in hosts)
    assert printed == ["0 1", "75 0"]
    assert sorted(bench.states()) == ["done", "skipped"]
    assert not lock.is_held(Workspace(bench.root).lock("schedule", "nightly"))
