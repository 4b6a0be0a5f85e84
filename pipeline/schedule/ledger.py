"""What a schedule did, in the store: the truth for every engine that calls `segline run-due`.

An attempt is one try at one slot. States: running, done, unchanged, failed, refused, interrupted, killed (the process
ended without a word), missed (passed over by `catch_up`), skipped (another process held the schedule's lock, or the
clock was far ahead).
"""

import json
import socket
from collections.abc import Mapping

from pipeline.config.schedule import ScheduleConfig
from pipeline.schedule import slots
from pipeline.workspace.store import Row, Store

COUNTED = ("failed", "killed")
"""States of attempts that `retries` limits; an interrupted one was somebody's wish."""

OPEN = (*COUNTED, "interrupted", "running")
"""States of attempts at a slot that is not settled and was begun."""


class Ledger:
    """Attempts of one schedule, which is known by its recipe's name."""

    def __init__(self, store: Store, name: str) -> None:
        self.name = name
        self._store = store

    def open(self, schedule: ScheduleConfig, now: float) -> float:
        """Give the moment up to which all slots are settled.

        A schedule that is new or has other times than before begins now, with the slot that is just due if there is
        one: slots of the past were never promised. What was settled under the other times stays so.
        """
        settled = self._settled(schedule)
        if settled is None:
            settled = self.foresee(schedule, now)
            values = (self.name, schedule.cron, schedule.timezone, settled)
            self._store.rows("INSERT OR REPLACE INTO schedules VALUES (?, ?, ?, ?)", *values)
        return settled

    def foresee(self, schedule: ScheduleConfig, now: float) -> float:
        """Give what `open` would give, and record nothing."""
        settled = self._settled(schedule)
        if settled is not None:
            return settled
        known = self._known()
        just_due = slots.between(schedule.cron, schedule.timezone, now - schedule.grace_seconds, now)
        if just_due and not (known and just_due[-1] <= known["settled"]):
            return just_due[-1] - 1
        return now

    def settle(self, moment: float) -> None:
        """Note that every slot up to `moment` is done with."""
        self._store.rows("UPDATE schedules SET settled = ? WHERE name = ?", moment, self.name)

    def forgive(self, now: float) -> None:
        """Settle up to now what was settled by a clock that was far ahead: slots that are to come run when they do."""
        self.settle(now)
        self._store.rows(
            "UPDATE attempts SET state = 'skipped', reason = state || ' while the clock was far ahead' "
            "WHERE schedule = ? AND slot > ? AND state NOT IN ('skipped', 'missed')",
            self.name,
            now,
        )

    def mark_killed(self, now: float) -> None:
        """Record as killed what no process can be working on, since the caller holds the schedule's lock."""
        self._store.rows(
            "UPDATE attempts SET state = 'killed', finished = ?, reason = 'its process ended without a word' "
            "WHERE schedule = ? AND state = 'running'",
            now,
            self.name,
        )

    def begin(self, slot: float, now: float, until: str | None = None) -> int:
        """Record an attempt that begins; give its id. `until` is the last step that it does, None: it does all."""
        return self._add(slot, "running", "", now, until=until)

    def name_run(self, attempt: int, run: str) -> None:
        """Record the run of an attempt as soon as it has a name: should it be killed, one knows where to look."""
        self._store.rows("UPDATE attempts SET run = ? WHERE id = ?", run, attempt)

    def end(self, attempt: int, result: Mapping[str, object], now: float) -> None:
        """Record how an attempt ended: state, reason, run, code, and again (when to try once more, or None)."""
        self._store.rows(
            "UPDATE attempts SET state = ?, reason = ?, run = coalesce(?, run), code = ?, again = ?, finished = ? "
            "WHERE id = ?",
            *(result[key] for key in ("state", "reason", "run", "code", "again")),
            now,
            attempt,
        )

    def note(self, slot: float, state: str, reason: str, now: float) -> None:
        """Record that nothing ran for a slot, and why. The same state of the same slot is recorded once."""
        if not any(found["state"] == state for found in self.attempts(slot)):
            self._add(slot, state, reason, now, finished=now)

    def attempts(self, slot: float) -> list[Row]:
        """Attempts at a slot in the order they began."""
        return self._store.rows("SELECT * FROM attempts WHERE schedule = ? AND slot = ? ORDER BY id", self.name, slot)

    def begun(self, settled: float) -> list[float]:
        """Slots after `settled` that were begun and not ended."""
        query = (
            "SELECT DISTINCT slot FROM attempts WHERE schedule = ? AND slot > ? "
            "AND state IN (SELECT value FROM json_each(?))"
        )
        return [row["slot"] for row in self._store.rows(query, self.name, settled, json.dumps(OPEN))]

    def last(self, limit: int) -> list[Row]:
        """Newest attempts, newest first."""
        return self._store.rows("SELECT * FROM attempts WHERE schedule = ? ORDER BY id DESC LIMIT ?", self.name, limit)

    def done(self, slot: float, until: str | None = None) -> bool:
        """Whether a slot has ended well with all steps, or with those until `until`."""
        ended = [found for found in self.attempts(slot) if found["state"] in ("done", "unchanged")]
        return any(found["until"] in (None, until) for found in ended)

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
        found = self._one("SELECT last_insert_rowid() AS id")
        return int(found["id"]) if found else 0

    def _settled(self, schedule: ScheduleConfig) -> float | None:
        known = self._known()
        same = known and (known["cron"], known["timezone"]) == (schedule.cron, schedule.timezone)
        return float(known["settled"]) if known and same else None

    def _known(self) -> Row | None:
        return self._one("SELECT * FROM schedules WHERE name = ?", self.name)

    def _one(self, query: str, *values: object) -> Row | None:
        found = self._store.rows(query, *values)
        return found[0] if found else None
