"""Exceptions of this package: one that users can cause, and one for faults of Segline or of the machine."""

import difflib
from collections.abc import Iterable


class DatasetError(Exception):
    """Raw data or a data setting is invalid. The text names the files, what is wrong and what to do."""


class ConversionError(Exception):
    """A worker or the Beam runner failed through no fault of the data. The text names the file, if known."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the hint " Did you mean 'x'?" with the most similar known name, or "" where none is similar.

    >>> did_you_mean("camvit", ["camvid", "ccp"])
    " Did you mean 'camvid'?"
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
