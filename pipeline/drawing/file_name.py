"""File names made of ids and class names: portable characters, and short enough for every file system."""

import re

LONGEST = 200
"""Bytes. File systems allow 255; the rest is for the prefix and suffix that make a name unique."""


def sanitize(text: str) -> str:
    """Replace all but ASCII letters, digits, `_`, `.` and `-` by `_`, and truncate.

    >>> sanitize("aachen/a 1")
    'aachen_a_1'
    """
    return truncate(re.sub(r"[^A-Za-z0-9_.-]", "_", text))


def truncate(text: str) -> str:
    """Truncate to LONGEST bytes of UTF-8, between two characters."""
    return text.encode()[:LONGEST].decode(errors="ignore")
