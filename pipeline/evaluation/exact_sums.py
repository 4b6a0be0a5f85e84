"""Sums over images that do not depend on the order of the terms, nor on how workers share them.

Counts are int64. A sum of floats depends on the order of its terms, so each float is kept as a whole multiple of
2^-1074, the smallest step of float64: such sums are exact, and rounded once, when they are read.
"""

import json
from collections.abc import Mapping

import numpy as np

Sums = dict[str, np.ndarray]
"""Arrays by name: int64, or as `exact` returns them."""

STEP = 1074
"""Every finite float64 is a whole multiple of 2^-1074."""


def exact(values: np.ndarray) -> np.ndarray:
    """Return finite floats as multiples of 2^-1074: Python integers in an object array of the same shape.

    >>> value(exact(np.array(1e17)) + exact(np.array(0.5)) + exact(np.array(-1e17))).item()  # 0.0 in float64
    0.5
    """
    return np.asarray(_whole(np.asarray(values, np.float64)), object)


def value(total: np.ndarray) -> np.ndarray:
    """Round a sum of arrays of `exact` to the nearest float64."""
    return np.asarray(_read(total), np.float64)


def add(first: Sums, second: Mapping[str, np.ndarray]) -> None:
    """Add the arrays of `second` to those of `first`, in place, by name; new names are added too."""
    for name, array in second.items():
        first[name] = first[name] + array if name in first else array


def to_json(sums: Mapping[str, np.ndarray]) -> str:
    """Write sums as JSON text; `from_json` restores them exactly."""
    return json.dumps({name: [array.dtype.kind, array.tolist()] for name, array in sums.items()})


def from_json(text: str) -> Sums:
    """Restore sums that `to_json` wrote."""
    kinds = {"i": np.int64, "O": object}
    return {name: np.array(values, kinds[kind]) for name, (kind, values) in json.loads(text).items()}


def _one(number: float) -> int:
    numerator, denominator = number.as_integer_ratio()
    return numerator << (STEP + 1 - denominator.bit_length())


_whole = np.frompyfunc(_one, 1, 1)
_read = np.frompyfunc(lambda total: total / (1 << STEP), 1, 1)
