"""Text for a terminal of 80 columns. Imports no library."""

import os
import textwrap
import time

from pipeline.console.json_lines import VARIABLE

WIDTH = 80


def wrapped(text: str) -> str:
    """Break lines of more than WIDTH columns between words; a path or another long word stays whole.

    Lines that fit, as those of tables do, stay as they are. The continuation of an indented line is indented by two
    more columns. For programs (--log-json) nothing is broken: there a line is a record.
    """
    if os.environ.get(VARIABLE) == "1":
        return text
    return "\n".join(part for line in text.split("\n") for part in _parts(line))


def _parts(line: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip(" "))]
    return textwrap.wrap(
        line,
        WIDTH,
        subsequent_indent=f"{indent}  " if indent else "",
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def cut(text: str, width: int) -> str:
    """Shorten a name to at most `width` columns; both ends stay, as both tell names apart.

    >>> cut("2026-07-05_berlin_000123", 12)
    '2026-..00123'
    """
    if len(text) <= width:
        return text
    end = (width - 2) // 2
    return f"{text[: width - 2 - end]}..{text[len(text) - end :]}"


def when(seconds: float) -> str:
    """Format seconds since 1970 as local time: 2026-07-05 02:30:00."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def duration(seconds: float) -> str:
    """Format a time span as a person would say it.

    >>> [duration(seconds) for seconds in (0.42, 12, 200, 7500)]
    ['0.4 s', '12 s', '3 min 20 s', '2 h 5 min']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
