"""The functions with which a dataset reads its files: the only place where the formats of datasets differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


def unchanged(content: bytes) -> bytes:
    """Return the bytes of an image file unchanged."""
    return content


class Drawing(NamedTuple):
    """What a label is drawn from.

    Attributes:
        image: Name of the image's file.
        size: (height, width) of the image as it is in the record, pixels.
        files: (name, bytes) of each part of the annotations; none: an image without annotations.
        notes: What is drawn and still worth a look is appended to it.
    """

    image: str
    size: tuple[int, int]
    files: Sequence[tuple[str, bytes]]
    notes: list[str] | None = None


@dataclass(frozen=True)
class Reader:
    """Picklable functions: functions of a module, or functools.partial of them.

    Attributes:
        mask: Bytes of a mask file -> train ids, uint8 [H, W], IGNORE where no class counts. Raises BadFileError.
        image: Bytes of an image file -> bytes of the PNG or JPEG for the record. It re-encodes, without loss, only what
            a record cannot hold. Raises BadFileError.
        check: Bytes of an image file and of its mask -> None, where what each is does not contradict the other. Raises
            BadFileError. Where labels are drawn, the bytes of the mask are none.
        drawn: For labels that are drawn from annotations: a Drawing -> train ids, in place of `mask`. Raises
            BadFileError.
    """

    mask: Callable[[bytes], np.ndarray]
    image: Callable[[bytes], bytes] = unchanged
    check: Callable[[bytes, bytes], None] | None = None
    drawn: Callable[[Drawing], np.ndarray] | None = None
