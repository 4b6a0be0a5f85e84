"""What a protocol is given of each image, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol as Interface

import numpy as np

from pipeline.evaluation.exact_sums import Sums

Table = Mapping[str, Mapping[str, float | None]]
"""{row: {column: value}}; None where a figure does not exist."""


@dataclass(frozen=True)
class Scored:
    """One image and what the model made of it.

    Attributes:
        id, group: As in the record.
        truth: uint8 [H,W] of train ids, 255 = ignored.
        prediction: uint8 [H,W] of train ids.
        positive: float32 [H,W]: probability of class 1.
        confusion: int64 [C,C], rows truth, columns prediction.
    """

    id: str
    group: str
    truth: np.ndarray
    prediction: np.ndarray
    positive: np.ndarray
    confusion: np.ndarray


@dataclass(frozen=True)
class Findings:
    """What a protocol found.

    Attributes:
        figures: Its figures by name; None where one does not exist.
        tables: {title: {row: {column: value}}}.
        note: What a reader should know.
    """

    figures: Mapping[str, float | None]
    tables: Mapping[str, Table] = field(default_factory=dict)
    note: str = ""


class Protocol(Interface):
    """Collects image by image; memory does not grow with the number of images.

    Attributes:
        sums: All that it keeps of the images so far. Where several workers share a split, theirs are added up.
    """

    sums: Sums

    def add(self, image: Scored) -> None:
        """Count an image."""
        ...

    def findings(self) -> Findings:
        """Give the figures of all images so far."""
        ...
