"""The functions with which a dataset reads its files: the only place where the formats of datasets differ."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def unchanged(content: bytes) -> bytes:
    """Return the bytes of an image file unchanged."""
    return content


@dataclass(frozen=True)
class Reader:
    """Two picklable functions: functions of a module, or functools.partial of them.

    Attributes:
        mask: Bytes of a mask file -> train ids, uint8 [H, W], IGNORE where no class counts. Raises BadFileError.
        image: Bytes of an image file -> bytes of the PNG or JPEG for the record. It re-encodes, without loss, only what
            a record cannot hold. Raises BadFileError.
    """

    mask: Callable[[bytes], np.ndarray]
    image: Callable[[bytes], bytes] = unchanged
