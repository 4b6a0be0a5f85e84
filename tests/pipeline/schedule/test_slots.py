"""Slots, and which are due: daylight saving, a suspended machine, a clock that is set."""

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


def described(moments: list[float], timezone: str = BERLIN) -> list[str]:
    return [slots.describe(slot, timezone) for slot in moments]


def test_a_time_skipped_by_the_change_to_summer_runs_right_after_it() -> None:
    moments = slots.between("30 2 * * *", BERLIN, at("2026-03-28T12:00"), at("2026-03-30T12:00"))
    assert described(moments) == ["2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"]


def test_a_time_repeated_by_the_change_to_winter_runs_once() -> None:
    moments = slots.between("30 2 * * *", BERLIN, at("2026-10-24T12:00"), at("2026-10-26T12:00"))
    assert described(moments) == ["2026-10-25 02:30 CEST", "2026-10-26 02:30 CET"]
    in_the_second_hour = at("2026-10-25T02:10", fold=1)
    assert described(slots.between("30 2 * * *", BERLIN, in_the_second_hour, at("2026-10-26T12:00"))) == [
        "2026-10-26 02:30 CET"
    ]


@pytest.mark.parametrize(("day", "count"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-05", 24)])
def test_every_hour_follows_real_time(day: str, count: int) -> None:
    moments = slots.between("0 * * * *", BERLIN, at(f"{day}T00:00") - 1, at(f"{day}T23:59"))
    assert len(moments) == count
    assert {later - earlier for earlier, later in pairwise(moments)} == {3600.0}


@pytest.mark.parametrize(
    ("cron", "timezone", "message"),
    [
        ("30 25 * * *", "UTC", "Bad hour"),
        ("30 2 * *", "UTC", "five fields"),
        ("0 30 2 * * *", "UTC", "five fields"),
        ("0 0 30 2 *", "UTC", "cron"),
        ("30 2 * * *", "Mars/Olympus", "IANA"),
        ("30 2 * * *", "../etc/passwd", "IANA"),
    ],
)
def test_an_invalid_schedule_is_refused(cron: str, timezone: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScheduleConfig(cron=cron, timezone=timezone)


NIGHTLY = {"cron": "30 2 * * *", "timezone": BERLIN}
WEEK = [at(f"2026-07-{day:02d}T02:30") for day in range(6, 13)]
SUSPENDED = (at("2026-07-05T12:00"), at("2026-07-12T09:00"))


@pytest.mark.parametrize(
    ("catch_up", "due"),
    [
        ("all", Due(tuple(WEEK))),
        ("latest", Due((WEEK[-1],), tuple(WEEK[:-1]))),
        ("none", Due((), tuple(WEEK))),
    ],
)
def test_a_machine_suspended_for_a_week(catch_up: str, due: Due) -> None:
    schedule = ScheduleConfig.model_validate({**NIGHTLY, "catch_up": catch_up})
    assert decide(schedule, *SUSPENDED) == due


def test_without_catching_up_a_slot_on_time_runs_and_an_unfinished_one_resumes() -> None:
    schedule = ScheduleConfig.model_validate({**NIGHTLY, "catch_up": "none"})
    assert decide(schedule, WEEK[-2], WEEK[-1] + 599) == Due((WEEK[-1],))
    assert decide(schedule, WEEK[-2], WEEK[-1] + 601) == Due((), (WEEK[-1],))
    assert decide(schedule, WEEK[-2], WEEK[-1] + 3 * 3600, unfinished=[WEEK[-1]]) == Due((WEEK[-1],))


def test_a_clock_set_back_repeats_no_slot() -> None:
    schedule = ScheduleConfig.model_validate(NIGHTLY)
    assert decide(schedule, WEEK[-1], WEEK[-1] - 3600) == Due()
    assert decide(schedule, WEEK[-1], WEEK[-1] + 5) == Due()
