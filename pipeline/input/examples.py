"""Single decoded examples, for pictures and for comparing models; training reads batches."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from models.image_file import decode
from pipeline.input import record_dataset


@dataclass(frozen=True)
class Example:
    """One labelled image.

    Attributes:
        id: The record's id.
        encoded: Bytes of the image file.
        image: uint8 [H,W,3] RGB.
        truth: uint8 [H,W] of train ids, 255 = ignored.
    """

    id: str
    encoded: bytes
    image: np.ndarray
    truth: np.ndarray


def read(data: Path, split: str, *, ids: Collection[str] | None = None) -> Iterator[Example]:
    """Read the examples of a split in the order of its records, one at a time.

    Args:
        data: The records folder.
        split: One of records.splits(data).
        ids: Record ids to read; only these are decoded. None: all.
    """
    missing = None if ids is None else set(ids)
    if missing is not None and not missing:
        return
    for record in record_dataset.encoded(data, split).as_numpy_iterator():
        name = record["id"].decode()
        if missing is None or name in missing:
            truth = tf.io.decode_png(record["label"], channels=1).numpy()[..., 0]
            yield Example(name, record["image"], decode(record["image"]).numpy(), truth)
            if missing is not None and not (missing := missing - {name}):
                return
