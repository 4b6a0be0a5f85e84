"""How a dataset reads its files: the one place where one dataset's bytes differ from another's."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def as_it_came(content: bytes) -> bytes:
    """Give the bytes of an image file unchanged."""
    return content


@dataclass(frozen=True)
class Reader:
    """Two functions that can be pickled: functions of a module, or functools.partial of such.

    Attributes:
        mask: From the bytes of a mask file to train ids, uint8 [H, W], IGNORE for pixels that do not count. Raises
            BadFileError.
        image: From the bytes of an image file to those of the PNG or JPEG that the record holds. It encodes anew,
            without loss, only what cannot be in a record as it is. Raises BadFileError.
    """

    mask: Callable[[bytes], np.ndarray]
    image: Callable[[bytes], bytes] = as_it_came
