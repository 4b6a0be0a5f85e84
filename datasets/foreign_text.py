"""Text that comes with data: which of its characters act on a terminal or a page instead of being seen."""

import re

ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line ends, what turns the direction of writing, and halves of characters (no valid text).

A line that is turned (U+202E) shows another name than it holds: Trojan Source, CVE-2021-42574.
"""

SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def escape(text: str, *, keep: str = "") -> str:
    r"""Replace the characters that act by escapes, as JSON writes them; those of `keep` stay.

    >>> escape("a\x1b[2Jb\n")
    'a\\u001b[2Jb\\n'
    """

    def written(match: re.Match[str]) -> str:
        sign = match[0]
        return sign if sign in keep else SHORT.get(sign, f"\\u{ord(sign):04x}")

    return ACTING.sub(written, text)


def fault(name: str) -> str | None:
    """Say why a text cannot be the name of anything; None where it can."""
    acting = ACTING.search(name)
    return f"it holds U+{ord(acting[0]):04X}, which is no visible character" if acting else None
