"""The moments that a cron expression names. Moments are seconds since 1970, UTC.

Where clocks change, a slot is treated as Debian's cron treats it (cronsim does so): a time of day that a change skips
comes at the first moment after it, one that a change repeats comes once; `*` in hours or minutes follows real time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


def problem(cron: str, timezone: str) -> str | None:
    """Say what is wrong with a schedule, or None."""
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        return f"`timezone` must be a name of the IANA data base, such as Europe/Berlin or UTC. Received: {timezone!r}."
    fields = "`cron` must hold five fields: minute, hour, day of month, month, day of week, such as '30 2 * * *'"
    if len(cron.split()) != 5:
        return f"{fields}. Received: {cron!r}."
    try:
        CronSim(cron, datetime.now(UTC))
        next(CronSim(cron, datetime.now(ZoneInfo(timezone))))
    except CronSimError as error:
        return f"{fields}. Received: {cron!r} ({error})."
    except StopIteration:
        return f"`cron` names no day within 50 years. Received: {cron!r}."
    return None


def after(cron: str, timezone: str, moment: float) -> Iterator[float]:
    """Give the slots later than `moment`, in order."""
    for found in CronSim(cron, datetime.fromtimestamp(moment, ZoneInfo(timezone))):
        slot = found.timestamp()
        # In the hour that a change repeats, cronsim begins by the hands of the clock and may name a moment gone by.
        if slot > moment:
            yield slot


def between(cron: str, timezone: str, first: float, last: float) -> list[float]:
    """Give the slots with first < slot <= last, oldest first."""
    found = []
    for slot in after(cron, timezone, first):
        if slot > last:
            break
        found.append(slot)
    return found


def local(slot: float, timezone: str) -> datetime:
    """Give the slot as a date and time of the schedule's own zone."""
    return datetime.fromtimestamp(slot, ZoneInfo(timezone))


def told(slot: float, timezone: str) -> str:
    """Write a slot for people: 2026-07-05 02:30 CEST."""
    return local(slot, timezone).strftime("%Y-%m-%d %H:%M %Z")
