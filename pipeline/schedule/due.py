"""What is due: a decision from the schedule, the clock and what is settled. It reads and writes nothing."""

from collections.abc import Collection
from dataclasses import dataclass

from pipeline.config.schedule import ScheduleConfig
from pipeline.schedule import slots

CLOCK_WENT_BACK = 24 * 3600.0
"""Seconds. Settled slots that lie further ahead than this were settled by a clock that was wrong."""


@dataclass(frozen=True)
class Due:
    """What a call has to do.

    Attributes:
        run: Slots to run, oldest first.
        missed: Slots that are passed over, oldest first.
    """

    run: tuple[float, ...] = ()
    missed: tuple[float, ...] = ()


def decide(schedule: ScheduleConfig, settled: float, now: float, begun: Collection[float] = ()) -> Due:
    """Work out which slots to run.

    Args:
        schedule: The recipe's section.
        settled: Slots up to this moment are done with.
        now: The wall clock. Where it went back behind `settled`, nothing is due until it is there again: no slot twice.
        begun: Slots after `settled` that were begun and not ended: killed, interrupted, or waiting for another attempt.
    """
    found = slots.between(schedule.cron, schedule.timezone, settled, now)
    if not found or schedule.catch_up == "all":
        return Due(tuple(found))
    newest = found[-1]
    wanted = schedule.catch_up == "latest" or newest in begun or now - newest <= schedule.grace_seconds
    return Due((newest,), tuple(found[:-1])) if wanted else Due((), tuple(found))
