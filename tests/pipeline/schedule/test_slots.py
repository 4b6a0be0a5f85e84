"""Slots, and what is due: daylight saving, a machine asleep, a clock that is set."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from pipeline.config.schedule import ScheduleConfig
from pipeline.schedule import slots
from pipeline.schedule.due import Due, decide

BERLIN = "Europe/Berlin"


def at(text: str, timezone: str = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone), fold=fold).timestamp()


def told(found: list[float], timezone: str = BERLIN) -> list[str]:
    return [slots.told(slot, timezone) for slot in found]


def test_a_time_that_the_change_to_summer_skips_comes_right_after_it() -> None:
    found = slots.between("30 2 * * *", BERLIN, at("2026-03-28T12:00"), at("2026-03-30T12:00"))
    assert told(found) == ["2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"]


def test_a_time_that_the_change_to_winter_repeats_comes_once() -> None:
    found = slots.between("30 2 * * *", BERLIN, at("2026-10-24T12:00"), at("2026-10-26T12:00"))
    assert told(found) == ["2026-10-25 02:30 CEST", "2026-10-26 02:30 CET"]
    in_the_second_hour = at("2026-10-25T02:10", fold=1)
    assert told(slots.between("30 2 * * *", BERLIN, in_the_second_hour, at("2026-10-26T12:00"))) == [
        "2026-10-26 02:30 CET"
    ]


@pytest.mark.parametrize(("day", "count"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-05", 24)])
def test_every_hour_is_every_hour_that_passes(day: str, count: int) -> None:
    found = slots.between("0 * * * *", BERLIN, at(f"{day}T00:00") - 1, at(f"{day}T23:59"))
    assert len(found) == count
    assert {later - earlier for earlier, later in pairwise(found)} == {3600.0}


@pytest.mark.parametrize(
    ("cron", "timezone", "says"),
    [
        ("30 25 * * *", "UTC", "Bad hour"),
        ("30 2 * *", "UTC", "five fields"),
        ("0 30 2 * * *", "UTC", "five fields"),
        ("0 0 30 2 *", "UTC", "cron"),
        ("30 2 * * *", "Mars/Olympus", "IANA"),
        ("30 2 * * *", "../etc/passwd", "IANA"),
    ],
)
def test_a_wrong_schedule_is_told(cron: str, timezone: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ScheduleConfig(cron=cron, timezone=timezone)


NIGHTLY = {"cron": "30 2 * * *", "timezone": BERLIN}
WEEK = [at(f"2026-07-{day:02d}T02:30") for day in range(6, 13)]
ASLEEP = (at("2026-07-05T12:00"), at("2026-07-12T09:00"))


@pytest.mark.parametrize(
    ("catch_up", "due"),
    [
        ("all", Due(tuple(WEEK))),
        ("latest", Due((WEEK[-1],), tuple(WEEK[:-1]))),
        ("none", Due((), tuple(WEEK))),
    ],
)
def test_a_machine_asleep_for_a_week(catch_up: str, due: Due) -> None:
    schedule = ScheduleConfig.model_validate({**NIGHTLY, "catch_up": catch_up})
    assert decide(schedule, *ASLEEP) == due


def test_without_catching_up_a_slot_on_time_runs_and_one_begun_goes_on() -> None:
    schedule = ScheduleConfig.model_validate({**NIGHTLY, "catch_up": "none"})
    assert decide(schedule, WEEK[-2], WEEK[-1] + 599) == Due((WEEK[-1],))
    assert decide(schedule, WEEK[-2], WEEK[-1] + 601) == Due((), (WEEK[-1],))
    assert decide(schedule, WEEK[-2], WEEK[-1] + 3 * 3600, begun=[WEEK[-1]]) == Due((WEEK[-1],))


def test_a_clock_that_goes_back_repeats_no_slot() -> None:
    schedule = ScheduleConfig.model_validate(NIGHTLY)
    assert decide(schedule, WEEK[-1], WEEK[-1] - 3600) == Due()
    assert decide(schedule, WEEK[-1], WEEK[-1] + 5) == Due()
