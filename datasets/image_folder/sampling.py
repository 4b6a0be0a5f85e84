"""Look at some of many files, evenly spaced, without those that cannot be read: ingest reports these by name."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

from datasets.audit import BadFileError, lift_pillow_limit
from datasets.raw import RawFolder

T = TypeVar("T")


def sample(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many of the items, evenly spaced."""
    number = min(most, len(items))
    return [items[index * len(items) // number] for index in range(number)]


def read_each(raw: RawFolder, names: Sequence[str], most: int, read: Callable[[bytes], T]) -> Iterator[tuple[str, T]]:
    """Yield (name, what `read` returns of its bytes) of at most so many files; those that raise BadFileError are none.

    They may have MAX_PIXELS, whatever Pillow's own limit is.
    """
    for name in sample(names, most):
        with suppress(BadFileError):
            with lift_pillow_limit():
                result = read(raw.read(name))
            yield name, result
