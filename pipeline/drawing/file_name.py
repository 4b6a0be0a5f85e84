"""Names of pictures after what they show: without what some file system refuses, and not too long for any."""

import re

LONGEST = 200
"""Bytes. A file system allows 255; the rest is for what stands before and after, which tells the files apart."""


def plain(text: str) -> str:
    """Give letters, digits, `_`, `.` and `-` of ASCII alone, at most LONGEST of them; any other becomes `_`."""
    return shortened(re.sub(r"[^A-Za-z0-9_.-]", "_", text))


def shortened(text: str) -> str:
    """Cut after LONGEST bytes of UTF-8, between two characters."""
    return text.encode()[:LONGEST].decode(errors="ignore")
