"""One turn of a schedule: take the lock, work out what is due, run it, record it.

Safe to call at any time, from any host of the workspace, by any number of timers: a slot is settled once.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field

from pipeline.config.schedule import ScheduleConfig
from pipeline.errors import GateError, Interrupted, UserError
from pipeline.schedule import slots
from pipeline.schedule.clock import Clock
from pipeline.schedule.due import CLOCK_WENT_BACK, decide
from pipeline.schedule.ledger import COUNTED, Ledger
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace

HELD = 75
"""Exit code where another process holds the schedule: EX_TEMPFAIL of sysexits.h, "try again later"."""

LONGEST_WAIT = 6 * 3600.0
"""Seconds that doubling the wait between two attempts may lead to."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        state: done, unchanged, failed, refused or interrupted.
        reason: Why, in a line or a few; "" where it went well.
        run: Name of the run, or None where none began.
        code: Exit code, as `segline run` gives it.
        again: When the next attempt may begin, or None for no further attempt.
    """

    state: str
    reason: str = ""
    run: str | None = None
    code: int = 0
    again: float | None = None


@dataclass(frozen=True)
class Turn:
    """What a turn needs.

    Attributes:
        name: The recipe's name, which is the schedule's.
        schedule: The recipe's section.
        workspace: Where the lock lies.
        ledger: Where it is recorded.
        work: Runs the recipe for a slot; tells the name of its run as soon as there is one.
        notice: Tells whom the recipe names of a slot that failed; gives what went wrong in telling, or None.
        clock: What time it is.
        until: Last step that `work` does; None: it does all.
    """

    name: str
    schedule: ScheduleConfig
    workspace: Workspace
    ledger: Ledger
    work: Callable[[float, Callable[[str], None]], Outcome]
    notice: Callable[[float, Outcome], str | None]
    clock: Clock = field(default_factory=Clock)
    until: str | None = None

    def run_due(self) -> int:
        """Run what is due. Gives 0, HELD, or the exit code of the first slot that failed."""
        try:
            with self._lock():
                return self._due()
        except lock.LockHeldError:
            return self._held()

    def foresee(self) -> list[str]:
        """Say what `run_due` would do now; records nothing and waits for nobody."""
        path, now = self.workspace.lock("schedule", self.name), self.clock.now()
        if lock.is_held(path):
            return [f"skipped   {lock.holder(path)} holds the schedule"]
        settled = self.ledger.foresee(self.schedule, now)
        settled = now if settled - now > CLOCK_WENT_BACK else settled
        due = decide(self.schedule, settled, now, self.ledger.begun(settled))
        said = [f"missed    {self._passing(due.missed)}"] if due.missed else []
        coming = [slot for slot in due.run if not self.ledger.done(slot)]
        said += [f"due       {self._told(slot)}" for slot in coming]
        return said if coming else [*said, self._nothing()]

    def backfill(self, wanted: list[float]) -> int:
        """Run these slots, oldest first, but for those that ended well before. What is settled stays as it is.

        Somebody wishes it, so each slot has all its attempts, however many it had before.
        """
        try:
            with self._lock():
                self.ledger.mark_killed(self.clock.now())
                codes = [self._slot(slot, forgiven=self._tried(slot)) for slot in wanted if not self._passed(slot)]
        except lock.LockHeldError:
            return self._held()
        return next((code for code in codes if code), 0)

    def _lock(self) -> AbstractContextManager[None]:
        path = self.workspace.lock("schedule", self.name)
        return lock.hold(path, self.name, wait=False, on_wait=print)

    def _due(self) -> int:
        now = self.clock.now()
        self.ledger.mark_killed(now)
        settled = self._settled(now)
        due = decide(self.schedule, settled, now, self.ledger.begun(settled))
        if due.missed:
            self._pass_over(due.missed)
        if not due.run:
            print(self._nothing())
        codes = []
        for slot in due.run:
            # By `segline backfill`, or by a process that was killed before it could settle the slot.
            codes.append(0 if self._passed(slot) else self._slot(slot))
            self.ledger.settle(slot)
        return next((code for code in codes if code), 0)

    def _nothing(self) -> str:
        return f"nothing is due; next {self._told(self.next_slot(self.clock.now()))}"

    def next_slot(self, moment: float) -> float:
        """The first slot later than `moment`."""
        return next(slots.after(self.schedule.cron, self.schedule.timezone, moment))

    def _settled(self, now: float) -> float:
        settled = self.ledger.open(self.schedule, now)
        if settled - now > CLOCK_WENT_BACK:
            print(f"the clock went back from {self._told(settled)}: the schedule goes on from {self._told(now)}")
            self.ledger.forgive(now)
            return now
        return settled

    def _pass_over(self, missed: tuple[float, ...]) -> None:
        last, reason = missed[-1], self._passing(missed)
        print(f"missed    {self._told(last)}: {reason}")
        self.ledger.note(last, "missed", reason, self.clock.now())
        self.ledger.settle(last)

    def _passing(self, missed: tuple[float, ...]) -> str:
        many = f"{len(missed)} slots from {self._told(missed[0])} on" if len(missed) > 1 else "1 slot"
        return f"{many} passed over (catch_up: {self.schedule.catch_up})"

    def _passed(self, slot: float) -> bool:
        if self.ledger.done(slot, self.until):
            print(f"slot      {self._told(slot)} ended well before")
            return True
        return False

    def _slot(self, slot: float, forgiven: int = 0) -> int:
        """Try a slot until it ends well, cannot, or has had its attempts, those forgiven apart. Gives its exit code."""
        print(f"slot      {self._told(slot)}")
        again = max((found["again"] or 0.0 for found in self.ledger.attempts(slot)), default=0.0)
        self.clock.wait_until(min(again, self.clock.now() + LONGEST_WAIT))  # it may come of a clock that was wrong
        while (tried := self._tried(slot) - forgiven) <= self.schedule.retries:
            outcome = self._attempt(slot, tried)
            if outcome.again is None:
                break
            print(f"slot      {self._told(slot)} failed; once more at {self._told(outcome.again)}", flush=True)
            self.clock.wait_until(outcome.again)
        else:
            outcome = Outcome("failed", f"{tried} attempts were killed or failed", code=1)
            self._tell(slot, outcome)
        return outcome.code

    def _tried(self, slot: float) -> int:
        return sum(found["state"] in COUNTED for found in self.ledger.attempts(slot))

    def _attempt(self, slot: float, tried: int) -> Outcome:
        attempt = self.ledger.begin(slot, self.clock.now(), self.until)
        try:
            outcome = self.work(slot, lambda run: self.ledger.name_run(attempt, run))
        except KeyboardInterrupt:
            outcome = Outcome("interrupted", "interrupted", code=Interrupted.exit_code)
        if outcome.state == "failed" and can_pass(outcome.code) and tried < self.schedule.retries:
            wait = min(self.schedule.retry_seconds * 2**tried, LONGEST_WAIT)
            outcome = Outcome(**{**asdict(outcome), "again": self.clock.now() + wait})
        self.ledger.end(attempt, asdict(outcome), self.clock.now())
        if outcome.state == "interrupted":
            raise KeyboardInterrupt  # the slot is not settled: the next turn goes on with it
        if outcome.code and outcome.again is None:
            self._tell(slot, outcome)
        return outcome

    def _tell(self, slot: float, outcome: Outcome) -> None:
        try:
            problem = self.notice(slot, outcome)
        except Exception as error:  # whatever it is: a slot that is not settled would be told again, and so for ever
            problem = f"could not be sent ({type(error).__name__})"  # its text may hold a secret
        if problem:
            print(f"notice    {problem}")
            self.ledger.note(slot, "notice failed", problem, self.clock.now())

    def _held(self) -> int:
        """Record that another process is at work; which slots stay due, `catch_up` decides when it has ended."""
        now = self.clock.now()
        settled = self.ledger.open(self.schedule, now)
        reason = f"{lock.holder(self.workspace.lock('schedule', self.name))} holds the schedule"
        due = slots.between(self.schedule.cron, self.schedule.timezone, settled, now)
        self.ledger.note(due[-1] if due else now, "skipped", reason, now)
        print(f"skipped   {reason}")
        return HELD

    def _told(self, slot: float) -> str:
        return slots.told(slot, self.schedule.timezone)


def can_pass(code: int) -> bool:
    """Whether another attempt may help: a fault of the machine, a step that was killed, a lock that is held.

    What a user has to put right, and a model that the gate refused, stay as they are however often one tries.
    """
    return code not in (0, UserError.exit_code, GateError.exit_code, Interrupted.exit_code)
