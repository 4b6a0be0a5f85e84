"""The moments that a cron expression names, in seconds since 1970, UTC.

When clocks change for daylight saving, slots follow Debian's cron (as cronsim does): a time of day that the change
skips runs at the first moment after it, one that the change repeats runs once; `*` in hours or minutes follows real
time.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim


def after(cron: str, timezone: str, moment: float) -> Iterator[float]:
    """Yield the slots later than `moment`, in order."""
    for time in CronSim(cron, datetime.fromtimestamp(moment, ZoneInfo(timezone))):
        slot = time.timestamp()
        # In the hour that a change repeats, cronsim starts from local time and may return a moment already past.
        if slot > moment:
            yield slot


def between(cron: str, timezone: str, first: float, last: float) -> list[float]:
    """Return the slots with first < slot <= last, oldest first.

    >>> [describe(slot, "Europe/Berlin") for slot in between("30 2 * * *", "Europe/Berlin", 0, 100_000)]
    ['1970-01-01 02:30 CET', '1970-01-02 02:30 CET']
    """
    return list(takewhile(lambda slot: slot <= last, after(cron, timezone, first)))


def local(slot: float, timezone: str) -> datetime:
    """Return the slot as date and time in the schedule's time zone."""
    return datetime.fromtimestamp(slot, ZoneInfo(timezone))


def describe(slot: float, timezone: str) -> str:
    """Format a slot for people: 2026-07-05 02:30 CEST."""
    return local(slot, timezone).strftime("%Y-%m-%d %H:%M %Z")
