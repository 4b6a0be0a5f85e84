"""What a schedule did, recorded in the store: the one truth for every timer that calls `segline run-due`.

An attempt is one try at one slot. States: running, done, unchanged, failed, refused, interrupted, killed (the process
ended without recording an end), missed (passed over by `catch_up`), skipped (another process held the schedule's lock,
or the clock was far ahead).
"""

import json
import socket
from collections.abc import Mapping

from pipeline.config.schedule import ScheduleConfig
from pipeline.schedule import slots
from pipeline.workspace.store import Row, Store

COUNTED = ("failed", "killed")
"""States of attempts that `retries` limits. An interruption is a user's decision and does not count."""

UNFINISHED = (*COUNTED, "interrupted", "running")
"""States of attempts at a slot that was started and is not settled."""


class Ledger:
    """Attempts of one schedule, identified by its recipe's name."""

    def __init__(self, store: Store, name: str) -> None:
        self.name = name
        self._store = store

    def open(self, schedule: ScheduleConfig, now: float) -> float:
        """Return the moment up to which all slots are settled; record it for a new schedule.

        A schedule that is new, or whose times changed, starts now, including the slot that is just due if there is one:
        slots before the schedule existed do not run. What was settled under the old times stays settled.
        """
        settled = self._settled(schedule)
        if settled is None:
            settled = self.peek(schedule, now)
            values = (self.name, schedule.cron, schedule.timezone, settled)
            self._store.rows("INSERT OR REPLACE INTO schedules VALUES (?, ?, ?, ?)", *values)
        return settled

    def peek(self, schedule: ScheduleConfig, now: float) -> float:
        """Return what `open` would return, and record nothing."""
        settled = self._settled(schedule)
        if settled is not None:
            return settled
        previous = self._previous()
        just_due = slots.between(schedule.cron, schedule.timezone, now - schedule.grace_seconds, now)
        if just_due and not (previous and just_due[-1] <= previous["settled"]):
            return just_due[-1] - 1
        return now

    def settle(self, moment: float) -> None:
        """Record that every slot up to `moment` needs nothing more."""
        self._store.rows("UPDATE schedules SET settled = ? WHERE name = ?", moment, self.name)

    def reset(self, now: float) -> None:
        """Reset `settled` to now after the clock was far ahead; attempts at slots after now no longer count."""
        self.settle(now)
        self._store.rows(
            "UPDATE attempts SET state = 'skipped', reason = state || ' while the clock was far ahead' "
            "WHERE schedule = ? AND slot > ? AND state NOT IN ('skipped', 'missed')",
            self.name,
            now,
        )

    def mark_killed(self, now: float) -> None:
        """Record running attempts as killed. The caller holds the schedule's lock, so no process works on them."""
        self._store.rows(
            "UPDATE attempts SET state = 'killed', finished = ?, reason = 'its process was killed' "
            "WHERE schedule = ? AND state = 'running'",
            now,
            self.name,
        )

    def begin(self, slot: float, now: float, until: str | None = None) -> int:
        """Record the start of an attempt and return its id. `until` is its last step; None: all steps."""
        return self._add(slot, "running", "", now, until=until)

    def name_run(self, attempt: int, run: str) -> None:
        """Record the run of an attempt before it starts, so that its log is known if it is killed."""
        self._store.rows("UPDATE attempts SET run = ? WHERE id = ?", run, attempt)

    def end(self, attempt: int, outcome: Mapping[str, object], now: float) -> None:
        """Record the end of an attempt. `outcome` holds the fields of tick.Outcome."""
        self._store.rows(
            "UPDATE attempts SET state = ?, reason = ?, run = coalesce(?, run), code = ?, again = ?, finished = ? "
            "WHERE id = ?",
            *(outcome[key] for key in ("state", "reason", "run", "code", "retry_at")),
            now,
            attempt,
        )

    def note(self, slot: float, state: str, reason: str, now: float) -> None:
        """Record why nothing ran for a slot. The same state of the same slot is recorded once."""
        if not any(attempt["state"] == state for attempt in self.attempts(slot)):
            self._add(slot, state, reason, now, finished=now)

    def attempts(self, slot: float) -> list[Row]:
        """Return the attempts at a slot in the order of their start."""
        return self._store.rows("SELECT * FROM attempts WHERE schedule = ? AND slot = ? ORDER BY id", self.name, slot)

    def unfinished(self, settled: float) -> list[float]:
        """Return the slots after `settled` that were started and not ended."""
        query = (
            "SELECT DISTINCT slot FROM attempts WHERE schedule = ? AND slot > ? "
            "AND state IN (SELECT value FROM json_each(?))"
        )
        return [row["slot"] for row in self._store.rows(query, self.name, settled, json.dumps(UNFINISHED))]

    def newest(self, limit: int) -> list[Row]:
        """Return the newest attempts, newest first."""
        return self._store.rows("SELECT * FROM attempts WHERE schedule = ? ORDER BY id DESC LIMIT ?", self.name, limit)

    def is_done(self, slot: float, until: str | None = None) -> bool:
        """Whether an attempt at the slot succeeded with all steps, or with those up to `until`."""
        succeeded = [attempt for attempt in self.attempts(slot) if attempt["state"] in ("done", "unchanged")]
        return any(attempt["until"] in (None, until) for attempt in succeeded)

    def _add(
        self,
        slot: float,
        state: str,
        reason: str,
        now: float,
        *,
        finished: float | None = None,
        until: str | None = None,
    ) -> int:
        self._store.rows(
            "INSERT INTO attempts (schedule, slot, state, reason, host, started, finished, until) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *(self.name, slot, state, reason, socket.gethostname(), now, finished, until),
        )
        (row,) = self._store.rows("SELECT last_insert_rowid() AS id")
        return int(row["id"])

    def _settled(self, schedule: ScheduleConfig) -> float | None:
        """Settled moment as recorded, unless the schedule is new or has other times."""
        row = self._previous()
        same = row and (row["cron"], row["timezone"]) == (schedule.cron, schedule.timezone)
        return float(row["settled"]) if row and same else None

    def _previous(self) -> Row | None:
        """The schedule as it was recorded last."""
        rows = self._store.rows("SELECT * FROM schedules WHERE name = ?", self.name)
        return rows[0] if rows else None
