"""Masks in MATLAB files -> raw ids."""

import io
import struct

import numpy as np
import scipy.io

from datasets import labels
from datasets.audit import BadFileError, Kind

HEADER = 128
"""Bytes before the first element of a .mat file of version 5; byte 126 tells the order of bytes."""

MATRIX, COMPRESSED = 14, 15

TYPES = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13, MATRIX, COMPRESSED, 16, 17, 18})
"""Types of elements. Source: MathWorks, MAT-File Format, table 1-1."""


def read(content: bytes, key: str) -> np.ndarray:
    """Read one variable of a .mat file (v4 to v7.2) as raw ids.

    Args:
        content: The file's bytes.
        key: Name of the variable: whole numbers, [H, W].

    Returns:
        The numbers as they are stored: an integer dtype, [H, W].

    Raises:
        BadFileError: No .mat file, damaged, no such variable, or it holds no [H, W] of whole numbers.
    """
    _check_tags(content)
    try:
        found = scipy.io.loadmat(io.BytesIO(content), variable_names=[key])
        there = () if key in found else [name for name, _, _ in scipy.io.whosmat(io.BytesIO(content))]
    except NotImplementedError as error:  # v7.3 is HDF5
        raise BadFileError(Kind.DAMAGED, "a .mat file of version 7.3 (HDF5); save it with -v7") from error
    except Exception as error:  # what SciPy raises depends on where the damage lies
        raise BadFileError(Kind.DAMAGED, f"as a .mat file: {error or type(error).__name__}") from error
    if key not in found:
        raise BadFileError(Kind.MASK_KEY, f"no {key!r}; it holds {', '.join(there) or 'nothing'}")
    values: np.ndarray = found[key]
    if values.ndim != 2:
        shape = "x".join(map(str, values.shape))
        raise BadFileError(Kind.MASK_DIMENSIONS, f"{key} is {shape}; allowed is height x width")
    return labels.whole_numbers(values, key)


def _check_tags(content: bytes) -> None:
    """Refuse a file of version 5 that holds an element of a type that does not exist: SciPy (1.17) crashes on it.

    Only what is not compressed is looked at; the rest has a checksum.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    places = [(HEADER, len(content))] if order else []
    while places:
        begin, end = places.pop()
        if begin + 8 > end:
            continue
        kind, size = struct.unpack_from(f"{order}II", content, begin)
        if kind >> 16:  # up to four bytes, in the tag itself
            kind, begin, after = kind & 0xFFFF, begin + 4, begin + 8
        else:
            begin, after = begin + 8, begin + 8 + (size if kind == COMPRESSED else -(-size // 8) * 8)
        if kind not in TYPES:
            raise BadFileError(Kind.DAMAGED, f"as a .mat file: there is an element of type {kind}")
        places.append((after, end))
        if kind == MATRIX:
            places.append((begin, min(begin + size, end)))
