"""The interface of a protocol: its definition, the image that it counts, and its result."""

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datasets.spec import DatasetSpec
from pipeline.evaluation.exact_sums import Sums

Table = Mapping[str, Mapping[str, float | None]]
"""{row: {column: value}}; None where a metric is undefined."""


@dataclass(frozen=True)
class ScoredImage:
    """One image and the model's predictions for it.

    Attributes:
        id, group: As in the record.
        truth: uint8 [H,W] of train ids, 255 = ignored.
        prediction: uint8 [H,W] of train ids.
        positive: float32 [H,W], probability of class 1 in 0..1.
        confusion: int64 [C,C], rows truth, columns prediction.
    """

    id: str
    group: str
    truth: np.ndarray
    prediction: np.ndarray
    positive: np.ndarray
    confusion: np.ndarray


@dataclass(frozen=True)
class Result:
    """The result of a protocol.

    Attributes:
        metrics: Its metrics by name; None where one is undefined.
        tables: {title: {row: {column: value}}}.
        note: A remark for the reader, such as what could not be measured.
    """

    metrics: Mapping[str, float | None]
    tables: Mapping[str, Table] = field(default_factory=dict)
    note: str = ""


class Protocol(typing.Protocol):
    """Counts image by image; memory does not grow with the number of images.

    Attributes:
        sums: The whole state. Where several workers share a split, theirs are added up.
    """

    sums: Sums

    def add(self, image: ScoredImage) -> None:
        """Count an image."""
        ...

    def result(self) -> Result:
        """Compute the metrics of all images so far."""
        ...


class ConfusionSum:
    """Base of protocols that need only the confusion matrix of the split.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        self.sums: Sums = {"confusion": np.zeros((num_classes, num_classes), np.int64)}

    def add(self, image: ScoredImage) -> None:
        """Count an image."""
        self.sums["confusion"] += image.confusion


@dataclass(frozen=True)
class Definition:
    """Description of a protocol for the pipeline: the DEFINITION of every protocol's file.

    Attributes:
        metrics: Names of the metrics in its result, so that a recipe's gate is checked before anything runs.
        default: Whether it is used with a dataset if the recipe names no protocols.
        build: Makes it ready to count, from the dataset's spec, the records folder and the split that is measured.
        misfit: Why it cannot be used with a dataset; None if it can.
    """

    metrics: tuple[str, ...]
    default: Callable[[DatasetSpec], bool]
    build: Callable[[DatasetSpec, Path, str], Protocol]
    misfit: Callable[[DatasetSpec], str | None] = lambda spec: None
