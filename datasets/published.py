"""Which of the published examples a split holds."""

from collections.abc import Iterable

from datasets.audit import listed


def difference(ids: frozenset[str], published: frozenset[str]) -> str:
    """Name the ids that are missing and those that are not published: sentences with a space before each, or nothing.

    Nothing is said where `published` is empty: then they are not known.
    """
    missing, others = published - ids, ids - published if published else frozenset()
    told = f" Missing: {listed(_in_order(missing))}." if missing else ""
    return told + (f" Not published: {listed(_in_order(others))}." if others else "")


def _in_order(ids: Iterable[str]) -> list[str]:
    """Sort ids, and those that are numbers as numbers."""
    return sorted(ids, key=lambda id_: (int(id_) if id_.isdecimal() else 0, id_))
