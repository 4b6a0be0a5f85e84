"""Which slots are due: a pure function of the schedule, the clock and what is settled."""

from collections.abc import Collection
from dataclasses import dataclass

from pipeline.config.schedule import ScheduleConfig
from pipeline.schedule import slots

CLOCK_WENT_BACK = 24 * 3600.0
"""Seconds. If slots further ahead than this are settled, the clock was wrong when they were."""


@dataclass(frozen=True)
class Due:
    """Slots to run and slots to pass over, each oldest first."""

    run: tuple[float, ...] = ()
    missed: tuple[float, ...] = ()


def decide(schedule: ScheduleConfig, settled: float, now: float, unfinished: Collection[float] = ()) -> Due:
    """Return the slots to run and those missed, by the schedule's `catch_up`.

    Args:
        schedule: The recipe's section.
        settled: Slots up to this moment need nothing more; seconds since 1970.
        now: The wall clock, seconds since 1970. If it is behind `settled`, nothing is due: no slot runs twice.
        unfinished: Slots after `settled` that were started and not ended: killed, interrupted, or waiting for a retry.
    """
    pending = slots.between(schedule.cron, schedule.timezone, settled, now)
    if not pending or schedule.catch_up == "all":
        return Due(tuple(pending))
    newest = pending[-1]
    runs = schedule.catch_up == "latest" or newest in unfinished or now - newest <= schedule.grace_seconds
    return Due((newest,), tuple(pending[:-1])) if runs else Due((), tuple(pending))
