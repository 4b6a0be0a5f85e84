"""Masks in MATLAB files: decode them to raw ids."""

import io
import struct

import numpy as np
import scipy.io

from datasets import labels
from datasets.audit import BadFileError, Kind

HEADER = 128
"""Bytes before the first element of a .mat file of version 5; bytes 126 and 127 are the byte order mark."""

MATRIX, COMPRESSED = 14, 15

TYPES = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13, MATRIX, COMPRESSED, 16, 17, 18})
"""Types of data elements. Source: MathWorks, MAT-File Format, table 1-1."""


def read(content: bytes, key: str) -> np.ndarray:
    """Read one variable of a .mat file (v4 to v7.2) as raw ids.

    Args:
        content: The file's bytes.
        key: Name of the variable: whole numbers, [H, W].

    Returns:
        Raw ids as stored: [H, W], bool or an integer dtype.

    Raises:
        BadFileError: Not a .mat file, damaged, no such variable, or not [H, W] of whole numbers.
    """
    _check_tags(content)
    try:
        variables = scipy.io.loadmat(io.BytesIO(content), variable_names=[key])
        others = () if key in variables else [name for name, _, _ in scipy.io.whosmat(io.BytesIO(content))]
    except NotImplementedError as error:  # v7.3 is HDF5
        raise BadFileError(Kind.DAMAGED, "a .mat file of version 7.3 (HDF5); save it with -v7") from error
    except Exception as error:  # the type of SciPy's exception depends on where the damage is
        raise BadFileError(Kind.DAMAGED, f"as a .mat file: {error or type(error).__name__}") from error
    if key not in variables:
        raise BadFileError(Kind.MASK_KEY, f"no {key!r}; it holds {', '.join(others) or 'nothing'}")
    values: np.ndarray = variables[key]
    if values.ndim != 2:
        shape = "x".join(map(str, values.shape))
        raise BadFileError(Kind.MASK_DIMENSIONS, f"{key} is {shape}; allowed is height x width")
    return labels.to_integers(values, key)


def _check_tags(content: bytes) -> None:
    """Raise BadFileError for a file of version 5 with an element of unknown type, on which SciPy (1.17) crashes.

    Only uncompressed elements are checked; compressed ones have a checksum.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    spans = [(HEADER, len(content))] if order else []
    while spans:
        begin, end = spans.pop()
        if begin + 8 > end:
            continue
        kind, size = struct.unpack_from(f"{order}II", content, begin)
        if kind >> 16:  # small data element: up to four bytes, inside the tag itself
            kind, begin, after = kind & 0xFFFF, begin + 4, begin + 8
        else:
            begin, after = begin + 8, begin + 8 + (size if kind == COMPRESSED else -(-size // 8) * 8)
        if kind not in TYPES:
            raise BadFileError(Kind.DAMAGED, f"as a .mat file: there is an element of type {kind}")
        spans.append((after, end))
        if kind == MATRIX:
            spans.append((begin, min(begin + size, end)))
