"""Comparison of a split with its published list of ids."""

from collections.abc import Iterable

from datasets.audit import join_names


def describe_difference(ids: frozenset[str], published: frozenset[str]) -> str:
    """Name the missing and the unpublished ids, in sentences with a space before each.

    Returns:
        An empty string where there are none, or where `published` is empty because the ids are unknown.
    """
    missing, others = published - ids, ids - published if published else frozenset()
    text = f" Missing: {join_names(_sorted(missing))}." if missing else ""
    return text + (f" Not published: {join_names(_sorted(others))}." if others else "")


def _sorted(ids: Iterable[str]) -> list[str]:
    """Sort ids; ids that are numbers are sorted by value."""
    return sorted(ids, key=lambda id_: (int(id_) if id_.isdecimal() else 0, id_))
