"""Colours of classes as tools write them."""

from collections.abc import Mapping
from typing import Any


def colour_of(text: Any) -> tuple[int, int, int] | None:
    """Return the colour of "#RRGGBB" or [r, g, b]; None for anything else."""
    if isinstance(text, list) and len(text) >= 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in text[:3]):
        return text[0], text[1], text[2]
    try:
        value = int(str(text).removeprefix("#")[:6], 16) if str(text).startswith("#") and len(str(text)) >= 7 else None
    except ValueError:
        return None
    return None if value is None else (value >> 16, value >> 8 & 255, value & 255)


def distinct(colours: Mapping[str, Any]) -> dict[str, tuple[int, int, int] | None]:
    """Return {label: colour}, with None where a colour is given twice or is none."""
    read = {label: colour_of(colour) for label, colour in colours.items()}
    seen = list(read.values())
    return {label: colour if seen.count(colour) == 1 else None for label, colour in read.items()}
