"""What adds up over images, and comes out the same in whatever order and by whatever worker it is added.

Counts are int64. A sum of floats depends on the order of its terms, so each float is kept as the whole number of
2^-1074 that it is, the finest step of float64: such sums are exact, and rounded once, when they are read.
"""

import json
from collections.abc import Mapping

import numpy as np

Sums = dict[str, np.ndarray]
"""Arrays by name: int64, or of `exact`."""

STEP = 1074
"""Every finite float64 is a whole number of 2^-1074."""


def exact(values: np.ndarray) -> np.ndarray:
    """Give finite floats as whole numbers of 2^-1074: Python's own, in an array of objects of the same shape."""
    return np.asarray(_whole(np.asarray(values, np.float64)), object)


def value(total: np.ndarray) -> np.ndarray:
    """Read a sum of what `exact` gave: float64, the nearest to the true sum."""
    return np.asarray(_read(total), np.float64)


def add(first: Sums, second: Mapping[str, np.ndarray]) -> None:
    """Add the second to the first, in place, name by name."""
    for name, array in second.items():
        first[name] = first[name] + array if name in first else array


def to_json(sums: Mapping[str, np.ndarray]) -> str:
    """Write them as text; `from_json` gives the same back, to the last bit."""
    return json.dumps({name: [array.dtype.kind, array.tolist()] for name, array in sums.items()})


def from_json(text: str) -> Sums:
    """Read what `to_json` wrote."""
    kinds = {"i": np.int64, "O": object}
    return {name: np.array(values, kinds[kind]) for name, (kind, values) in json.loads(text).items()}


def _one(number: float) -> int:
    numerator, denominator = number.as_integer_ratio()
    return numerator << (STEP + 1 - denominator.bit_length())


_whole = np.frompyfunc(_one, 1, 1)
_read = np.frompyfunc(lambda total: total / (1 << STEP), 1, 1)
