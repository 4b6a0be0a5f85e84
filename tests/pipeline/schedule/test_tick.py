"""Turns of a schedule with a clock of the test's own: attempts, retries, locks, and what the store says afterwards."""

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
from pipeline.schedule.tick import HELD, Outcome, Turn
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store

PROJECT = Path(__file__).parents[3]
HOUR, DAY = 3600.0, 86400.0
START = datetime.fromisoformat("2026-07-05T12:00:00+00:00").timestamp()
FIRST = datetime.fromisoformat("2026-07-06T02:30:00+00:00").timestamp()


@dataclass
class Bench:
    """A schedule with a fake clock and work whose outcomes the test sets."""

    root: Path
    now: float = START
    codes: list[int] = field(default_factory=list)
    ran: list[tuple[float, float]] = field(default_factory=list)
    naps: list[float] = field(default_factory=list)
    told: list[Outcome] = field(default_factory=list)
    notice: str | Exception | None = None
    takes: Callable[[], None] = lambda: None

    def turn(self, **settings: object) -> Turn:
        schedule = ScheduleConfig.model_validate({"cron": "30 2 * * *", **settings})
        workspace = Workspace(self.root)
        ledger = Ledger(Store(workspace.store), "nightly")
        return Turn("nightly", schedule, workspace, ledger, self.work, self.tell, Clock(lambda: self.now, self.nap))

    def work(self, slot: float, name_run: Callable[[str], None]) -> Outcome:
        self.ran.append((slot, self.now))
        name_run(f"run{len(self.ran)}")
        self.takes()
        code = self.codes.pop(0) if self.codes else 0
        state = {0: "done", 3: "refused", 130: "interrupted"}.get(code, "failed")
        return Outcome(state, f"code {code}" if code else "", f"run{len(self.ran)}", code)

    def tell(self, slot: float, outcome: Outcome) -> str | None:
        self.told.append(outcome)
        if isinstance(self.notice, Exception):
            raise self.notice
        return self.notice

    def nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    def states(self) -> list[str]:
        return [row["state"] for row in reversed(self.turn().ledger.last(99))]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    assert made.turn().run_due() == 0 and not made.ran, "a new schedule begins now"
    return made


def test_each_slot_runs_once(bench: Bench) -> None:
    bench.now = FIRST + 20
    for _ in range(3):
        assert bench.turn().run_due() == 0
    bench.now = FIRST + DAY
    bench.turn().run_due()
    assert [slot for slot, _ in bench.ran] == [FIRST, FIRST + DAY]
    assert bench.states() == ["done", "done"]


def test_a_first_call_on_time_runs_and_the_past_was_never_promised(tmp_path: Path) -> None:
    bench = Bench(tmp_path, now=FIRST + 30)
    bench.turn(catch_up="all").run_due()
    assert [slot for slot, _ in bench.ran] == [FIRST]


def test_other_times_count_from_the_call_that_sees_them(bench: Bench) -> None:
    bench.now = FIRST + 6 * HOUR
    bench.turn(cron="0 * * * *", catch_up="all", grace_seconds=60).run_due()
    assert not bench.ran


@pytest.mark.parametrize("code", [0, 2])
def test_a_slot_that_was_settled_is_not_due_again_under_other_times(bench: Bench, code: int) -> None:
    bench.now, bench.codes = FIRST + 60, [code]
    assert bench.turn().run_due() == code
    for other in ({"cron": "*/30 * * * *"}, {"cron": "20,50 * * * *"}, {"timezone": "Europe/Lisbon"}):
        assert bench.turn(**other).run_due() == 0 and len(bench.ran) == 1
    bench.now = FIRST + 31 * 60
    bench.turn(cron="*/20 * * * *").run_due()
    assert [slot for slot, _ in bench.ran] == [FIRST, FIRST + 30 * 60], "03:00 is just due, and was never settled"


def test_a_week_asleep_with_all_runs_oldest_first_and_with_latest_says_what_it_passed_over(bench: Bench) -> None:
    bench.now = FIRST + 6 * DAY + HOUR
    assert bench.turn().run_due() == 0
    assert [slot for slot, _ in bench.ran] == [FIRST + 6 * DAY] and bench.states() == ["missed", "done"]
    assert "6 slots" in bench.turn().ledger.last(9)[1]["reason"]
    bench.now += 3 * DAY
    bench.turn(catch_up="all").run_due()
    assert [slot for slot, _ in bench.ran[1:]] == [FIRST + day * DAY for day in (7, 8, 9)]


def test_a_passing_error_is_tried_again_after_growing_waits(bench: Bench) -> None:
    bench.now, bench.codes = FIRST, [1, 137, 0]
    assert bench.turn().run_due() == 0
    assert [when - FIRST for _, when in bench.ran] == [0, 300, 900]
    assert bench.states() == ["failed", "failed", "done"] and not bench.told
    assert max(bench.naps) <= 20


def test_attempts_end_and_the_failure_is_told_once(bench: Bench) -> None:
    bench.now, bench.codes = FIRST, [1, 1, 1]
    assert bench.turn().run_due() == 1
    assert len(bench.ran) == 3 and [outcome.run for outcome in bench.told] == ["run3"]
    assert bench.turn().run_due() == 0 and len(bench.ran) == 3


@pytest.mark.parametrize(("code", "state"), [(2, "failed"), (3, "refused")])
def test_what_cannot_pass_is_not_tried_again(bench: Bench, code: int, state: str) -> None:
    bench.now, bench.codes = FIRST, [code]
    assert bench.turn().run_due() == code
    assert bench.states() == [state] and len(bench.told) == 1 and not bench.naps


def test_a_notice_that_fails_is_recorded_and_changes_nothing(bench: Bench) -> None:
    bench.now, bench.codes, bench.notice = FIRST, [2], "the webhook answered 500"
    assert bench.turn().run_due() == 2
    assert bench.states() == ["failed", "notice failed"]


def test_a_notice_that_breaks_is_recorded_without_its_text_and_the_slot_is_settled(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.now, bench.codes, bench.notice = FIRST, [2, 2], ValueError("of https://hook/s3cret")
    assert bench.turn().run_due() == 2
    assert bench.states() == ["failed", "notice failed"]
    assert "notice    could not be sent (ValueError)" in capsys.readouterr().out
    bench.now += 60
    assert bench.turn().run_due() == 0 and len(bench.told) == 1, "told once"


def test_an_interrupted_slot_goes_on_whatever_catch_up_says_and_costs_no_attempt(bench: Bench) -> None:
    bench.now, bench.codes = FIRST, [130]
    with pytest.raises(KeyboardInterrupt):
        bench.turn(catch_up="none", retries=0).run_due()
    bench.now += 3 * HOUR
    assert bench.turn(catch_up="none", retries=0).run_due() == 0
    assert bench.states() == ["interrupted", "done"] and not bench.told


def test_a_process_killed_while_it_waits_leaves_the_wait_to_the_next(bench: Bench) -> None:
    bench.now, bench.codes = FIRST, [1]

    def die(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(bench.turn(), clock=Clock(lambda: bench.now, die)).run_due()
    bench.now += 60
    assert bench.turn().run_due() == 0
    assert [when - FIRST for _, when in bench.ran] == [0, 300] and bench.states() == ["failed", "done"]


def test_a_clock_that_was_wrong_makes_no_wait_longer(bench: Bench) -> None:
    """Set back while a retry waits; and a retry that was put off by a clock far ahead."""
    bench.now, bench.codes = FIRST, [1]

    def set_back(seconds: float) -> None:
        bench.nap(seconds - 3 * DAY if not bench.naps else seconds)

    assert replace(bench.turn(), clock=Clock(lambda: bench.now, set_back)).run_due() == 0
    assert sum(bench.naps) + 3 * DAY == 300 and bench.states() == ["failed", "done"]
    bench.now, bench.naps = FIRST + DAY, []
    ledger = bench.turn().ledger
    ahead = {"state": "failed", "reason": "", "run": None, "code": 1, "again": FIRST + 9 * DAY}
    ledger.end(ledger.begin(FIRST + DAY, bench.now), ahead, bench.now)
    assert bench.turn().run_due() == 0 and sum(bench.naps) == 6 * HOUR


def test_kill_9_in_the_work_counts_as_an_attempt(bench: Bench) -> None:
    bench.now = FIRST
    for state in ("killed", "killed"):
        turn = bench.turn(retries=1)
        turn.ledger.name_run(turn.ledger.begin(FIRST, bench.now), "lost")  # and not a word more
        turn.ledger.mark_killed(bench.now)
        assert bench.states()[-1] == state and turn.ledger.last(1)[0]["run"] == "lost"
    assert bench.turn(retries=1).run_due() == 1
    assert not bench.ran and len(bench.told) == 1
    assert bench.turn(retries=1).run_due() == 0, "settled"


def test_a_clock_set_back_a_little_repeats_nothing_and_one_that_was_far_ahead_is_forgiven(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.now = FIRST
    bench.turn().run_due()
    bench.now -= HOUR
    bench.turn().run_due()
    bench.now += 2 * HOUR
    bench.turn().run_due()
    assert len(bench.ran) == 1
    bench.now = FIRST + 400 * DAY
    bench.turn().run_due()
    bench.now = FIRST + DAY - HOUR
    bench.turn().run_due()
    assert "the clock went back from 2027-08-10 02:30 UTC" in capsys.readouterr().out
    bench.now = FIRST + DAY
    bench.turn().run_due()
    assert [slot for slot, _ in bench.ran] == [FIRST, FIRST + 400 * DAY, FIRST + DAY]
    bench.now = FIRST + 400 * DAY
    assert bench.turn().foresee()[-1] == "due       2027-08-10 02:30 UTC"
    bench.turn().run_due()
    assert bench.ran[-1][0] == FIRST + 400 * DAY and len(bench.ran) == 4, "it runs when it really comes"


def test_foreseeing_says_what_is_due_and_records_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.turn().foresee() == ["nothing is due; next 2026-07-06 02:30 UTC"]
    assert not Store(tmp_path / "store.sqlite").rows("SELECT * FROM schedules"), "a look does not begin a schedule"
    bench.turn().run_due()
    bench.now = FIRST + 2 * DAY
    said = [
        "missed    2 slots from 2026-07-06 02:30 UTC on passed over (catch_up: latest)",
        "due       2026-07-08 02:30 UTC",
    ]
    assert bench.turn().foresee() == bench.turn().foresee() == said
    assert bench.turn(catch_up="none", grace_seconds=1).foresee()[-1] == said[1]
    bench.now += HOUR
    assert bench.turn(catch_up="none").foresee()[-1] == "nothing is due; next 2026-07-09 02:30 UTC"
    with lock.hold(Workspace(tmp_path).lock("schedule", "nightly"), "other", wait=False, on_wait=print):
        assert bench.turn().foresee()[0].endswith("holds the schedule")
    assert not bench.ran and not bench.states()


def test_a_held_lock_is_a_skip_that_is_recorded_and_made_up_for(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.now = FIRST

    def second_timer() -> None:
        bench.now = FIRST + DAY + 5
        other = bench.turn()
        assert other.run_due() == HELD == 75
        assert other.run_due() == 75

    bench.takes = second_timer
    assert bench.turn().run_due() == 0
    bench.takes = lambda: None
    assert bench.states() == ["done", "skipped"]
    assert "skipped   run nightly (process" in capsys.readouterr().out
    assert bench.turn(catch_up="latest").run_due() == 0
    assert [slot for slot, _ in bench.ran] == [FIRST, FIRST + DAY]


def test_backfill_runs_oldest_first_what_did_not_end_well_and_settles_nothing(bench: Bench) -> None:
    wanted = [FIRST - 3 * DAY, FIRST - 2 * DAY, FIRST - DAY]
    bench.codes = [0, 2]
    assert bench.turn().backfill(wanted) == 2
    assert bench.turn().backfill(wanted) == 0
    assert [slot for slot, _ in bench.ran] == [*wanted, wanted[1]]
    bench.now = FIRST
    bench.turn().run_due()
    assert bench.ran[-1][0] == FIRST


def test_backfill_gives_a_slot_all_its_attempts_again(bench: Bench) -> None:
    bench.now, bench.codes = FIRST, [1, 1, 1]
    assert bench.turn().run_due() == 1
    bench.codes = [1, 0]
    assert bench.turn().backfill([FIRST]) == 0
    assert bench.states() == [*["failed"] * 4, "done"] and len(bench.told) == 1


def test_what_backfill_did_to_the_end_is_not_done_again_and_what_it_did_in_part_is(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.now = FIRST + 30
    until_evaluate = replace(bench.turn(), until="evaluate")
    assert until_evaluate.backfill([FIRST]) == until_evaluate.backfill([FIRST]) == 0 and len(bench.ran) == 1
    assert bench.turn().foresee() == ["due       2026-07-06 02:30 UTC"]
    assert bench.turn().run_due() == 0 and len(bench.ran) == 2, "it is not promoted yet"
    bench.now = FIRST + DAY
    assert bench.turn().backfill([FIRST + DAY]) == 0 and len(bench.ran) == 3
    assert bench.turn().foresee() == ["nothing is due; next 2026-07-08 02:30 UTC"]
    capsys.readouterr()
    assert bench.turn().run_due() == until_evaluate.backfill([FIRST + DAY]) == 0 and len(bench.ran) == 3
    assert capsys.readouterr().out == "slot      2026-07-07 02:30 UTC ended well before\n" * 2


def test_a_process_killed_before_it_could_settle_a_slot_does_not_have_it_run_again(bench: Bench) -> None:
    bench.now = FIRST + 30
    ledger = bench.turn().ledger
    ended = {"state": "done", "reason": "", "run": "run0", "code": 0, "again": None}
    ledger.end(ledger.begin(FIRST, bench.now), ended, bench.now)
    assert bench.turn().run_due() == 0 and not bench.ran
    assert bench.turn().ledger.open(bench.turn().schedule, bench.now) == FIRST


HOST = """
import socket, sys, time
from pathlib import Path
sys.path[:0] = [{project!r}, {tests!r}]
socket.gethostname = lambda: sys.argv[1]
from test_turn import FIRST, Bench
bench = Bench(Path({root!r}), now=FIRST + 10, takes=lambda: time.sleep(1))
sys.stdin.readline()
print(bench.turn().run_due(), len(bench.ran))
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
    said = sorted(host.communicate()[0].splitlines()[-1] for host in hosts)
    assert said == ["0 1", "75 0"]
    assert sorted(bench.states()) == ["done", "skipped"]
    assert not lock.is_held(Workspace(bench.root).lock("schedule", "nightly"))
