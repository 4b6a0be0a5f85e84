"""One tick of a schedule: take the lock, decide what is due, run it, record it.

Safe to call at any time, from any host of the workspace, by any number of timers: each slot is settled once.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace

from pipeline.config.schedule import ScheduleConfig
from pipeline.errors import GateError, Interrupted, Paused, UserError
from pipeline.schedule import slots
from pipeline.schedule.clock import Clock
from pipeline.schedule.due import CLOCK_WENT_BACK, decide
from pipeline.schedule.ledger import COUNTED, Ledger
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace

HELD = 75
"""Exit code if another process holds the schedule: EX_TEMPFAIL of sysexits.h, "try again later"."""

LONGEST_WAIT = 6 * 3600.0
"""Seconds. Upper limit of the wait between two attempts, which doubles each time."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        state: done, unchanged, failed, refused or interrupted.
        reason: Why, in one line or a few; "" after success.
        run: Name of the run; None: it failed before it had one, or nothing had changed.
        code: Exit code, as `segline run` would return it.
        retry_at: Start of the next attempt, seconds since 1970; None: no further attempt.
    """

    state: str
    reason: str = ""
    run: str | None = None
    code: int = 0
    retry_at: float | None = None


@dataclass(frozen=True)
class Tick:
    """A recipe's schedule and what a tick of it calls.

    Attributes:
        name: The recipe's name, which is also the schedule's.
        schedule: The recipe's section.
        workspace: Holds the lock.
        ledger: Records the attempts.
        run_slot: Runs the recipe for a slot; calls its second argument with the run's name before the run starts.
        notify: Reports a failed slot to the receivers in the recipe; returns what went wrong in doing so, or None.
        clock: Wall clock and sleep.
        until: Last step that `run_slot` executes; None: all steps.
    """

    name: str
    schedule: ScheduleConfig
    workspace: Workspace
    ledger: Ledger
    run_slot: Callable[[float, Callable[[str], None]], Outcome]
    notify: Callable[[float, Outcome], str | None]
    clock: Clock = field(default_factory=Clock)
    until: str | None = None

    def run_due(self) -> int:
        """Run what is due. Return 0, HELD, or the exit code of the first slot that failed."""
        try:
            with self._lock():
                return self._run_due()
        except lock.LockHeldError:
            return self._skip()

    def preview(self) -> list[str]:
        """Describe what `run_due` would do now; record nothing and wait for no lock."""
        path, now = self.workspace.lock("schedule", self.name), self.clock.now()
        if lock.is_held(path):
            return [f"skipped   {lock.holder(path)} holds the schedule"]
        settled = self.ledger.peek(self.schedule, now)
        settled = now if settled - now > CLOCK_WENT_BACK else settled
        due = decide(self.schedule, settled, now, self.ledger.unfinished(settled))
        lines = [f"missed    {self._missed(due.missed)}"] if due.missed else []
        pending = [slot for slot in due.run if not self.ledger.is_done(slot)]
        lines += [f"due       {self._describe(slot)}" for slot in pending]
        return lines if pending else [*lines, self._nothing_due()]

    def backfill(self, wanted: list[float]) -> int:
        """Run these slots, oldest first, except those that succeeded before. What is settled stays as it is.

        A user requests it, so each slot has all its attempts again, however many it had before.
        """
        try:
            with self._lock():
                self.ledger.mark_killed(self.clock.now())
                codes = [self._run(slot, earlier=self._counted(slot)) for slot in wanted if not self._is_done(slot)]
        except lock.LockHeldError:
            return self._skip()
        return next((code for code in codes if code), 0)

    def next_slot(self, moment: float) -> float:
        """Return the first slot later than `moment`."""
        return next(slots.after(self.schedule.cron, self.schedule.timezone, moment))

    def _lock(self) -> AbstractContextManager[None]:
        path = self.workspace.lock("schedule", self.name)
        return lock.hold(path, self.name, wait=False, on_wait=print)

    def _run_due(self) -> int:
        now = self.clock.now()
        self.ledger.mark_killed(now)
        settled = self._settled(now)
        due = decide(self.schedule, settled, now, self.ledger.unfinished(settled))
        if due.missed:
            self._pass_over(due.missed)
        if not due.run:
            print(self._nothing_due())
        codes = []
        for slot in due.run:
            # Done before by `segline backfill`, or by a process that was killed before it could settle the slot.
            codes.append(0 if self._is_done(slot) else self._run(slot))
            self.ledger.settle(slot)
        return next((code for code in codes if code), 0)

    def _nothing_due(self) -> str:
        return f"nothing is due; next {self._describe(self.next_slot(self.clock.now()))}"

    def _settled(self, now: float) -> float:
        """Open the ledger; reset it if its settled slots lie so far ahead that the clock was wrong."""
        settled = self.ledger.open(self.schedule, now)
        if settled - now > CLOCK_WENT_BACK:
            print(f"the clock went back from {self._describe(settled)}: the schedule resumes at {self._describe(now)}")
            self.ledger.reset(now)
            return now
        return settled

    def _pass_over(self, missed: tuple[float, ...]) -> None:
        last, reason = missed[-1], self._missed(missed)
        print(f"missed    {self._describe(last)}: {reason}")
        self.ledger.note(last, "missed", reason, self.clock.now())
        self.ledger.settle(last)

    def _missed(self, missed: tuple[float, ...]) -> str:
        count = f"{len(missed)} slots from {self._describe(missed[0])} on" if len(missed) > 1 else "1 slot"
        return f"{count} passed over (catch_up: {self.schedule.catch_up})"

    def _is_done(self, slot: float) -> bool:
        if self.ledger.is_done(slot, self.until):
            print(f"slot      {self._describe(slot)} already done")
            return True
        return False

    def _run(self, slot: float, earlier: int = 0) -> int:
        """Attempt a slot until it succeeds, fails for good, or has no attempts left; `earlier` ones do not count.

        Returns the exit code of the last attempt.
        """
        print(f"slot      {self._describe(slot)}")
        retry_at = max((attempt["again"] or 0.0 for attempt in self.ledger.attempts(slot)), default=0.0)
        # Never longer than LONGEST_WAIT: the recorded moment may come from a clock that was wrong.
        self.clock.wait_until(min(retry_at, self.clock.now() + LONGEST_WAIT))
        while (tried := self._counted(slot) - earlier) <= self.schedule.retries:
            outcome = self._attempt(slot, tried)
            if outcome.retry_at is None:
                break
            print(f"slot      {self._describe(slot)} failed; retry at {self._describe(outcome.retry_at)}", flush=True)
            self.clock.wait_until(outcome.retry_at)
        else:
            outcome = Outcome("failed", f"{tried} attempts were killed or failed", code=1)
            self._notify(slot, outcome)
        return outcome.code

    def _counted(self, slot: float) -> int:
        return sum(attempt["state"] in COUNTED for attempt in self.ledger.attempts(slot))

    def _attempt(self, slot: float, tried: int) -> Outcome:
        attempt = self.ledger.begin(slot, self.clock.now(), self.until)
        try:
            outcome = self.run_slot(slot, lambda run: self.ledger.name_run(attempt, run))
        except KeyboardInterrupt:
            outcome = Outcome("interrupted", "interrupted", code=Interrupted.exit_code)
        if outcome.state == "failed" and is_transient(outcome.code) and tried < self.schedule.retries:
            wait = min(self.schedule.retry_seconds * 2**tried, LONGEST_WAIT)
            outcome = replace(outcome, retry_at=self.clock.now() + wait)
        self.ledger.end(attempt, asdict(outcome), self.clock.now())
        if outcome.state == "interrupted":
            raise KeyboardInterrupt  # the slot is not settled: the next tick resumes it
        if outcome.code and outcome.retry_at is None:
            self._notify(slot, outcome)
        return outcome

    def _notify(self, slot: float, outcome: Outcome) -> None:
        try:
            problem = self.notify(slot, outcome)
        except Exception as error:  # of any kind: it would leave the slot unsettled, and notify again at every tick
            problem = f"could not be sent ({type(error).__name__})"  # without its text, which may hold a secret
        if problem:
            print(f"notice    {problem}")
            self.ledger.note(slot, "notice failed", problem, self.clock.now())

    def _skip(self) -> int:
        """Record that another process holds the schedule; `catch_up` decides later which slots are still due."""
        now = self.clock.now()
        settled = self.ledger.open(self.schedule, now)
        reason = f"{lock.holder(self.workspace.lock('schedule', self.name))} holds the schedule"
        due = slots.between(self.schedule.cron, self.schedule.timezone, settled, now)
        self.ledger.note(due[-1] if due else now, "skipped", reason, now)
        print(f"skipped   {reason}")
        return HELD

    def _describe(self, slot: float) -> str:
        return slots.describe(slot, self.schedule.timezone)


def is_transient(code: int) -> bool:
    """Whether another attempt may help after this exit code: a machine's fault, a killed step, a held lock.

    A user's mistake, a model that the gate refused and a paused training stay the same however often they are retried.

    >>> is_transient(137), is_transient(UserError.exit_code)
    (True, False)
    """
    return code not in (0, UserError.exit_code, GateError.exit_code, Paused.exit_code, Interrupted.exit_code)
