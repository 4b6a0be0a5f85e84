"""Durations as people write them, in a recipe and on the command line."""

import re
from typing import Any

UNITS = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}

_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(h|min|m|s)\s*")


def parse_seconds(value: Any) -> float:
    """Return the seconds of a duration; a number is one in seconds.

    >>> parse_seconds("38m"), parse_seconds("1h 30m"), parse_seconds(90)
    (2280.0, 5400.0, 90.0)

    Raises:
        ValueError: It is no duration above 0.
    """
    seconds = 0.0
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and re.fullmatch(f"(?:{_PART.pattern})+", value):
        seconds = sum(float(number) * UNITS[unit] for number, unit in _PART.findall(value))
    if not 0 < seconds < float("inf"):
        raise ValueError(f"must be a duration above 0, such as 38m, 1h 30m or 90s. Received: {value!r}.")
    return seconds
