"""Measures of a segmentation, all from one integer confusion matrix: rows are the truth, columns the prediction.

A class without a single pixel of truth is absent: its own measures are NaN and it is left out of every mean. Pixels
that are wrongly given to it still count as misses of their true classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IGNORE = 255
"""The label of pixels that do not count; the same number as datasets.spec.IGNORE."""

IDS = 256
"""Number of values of a byte: what labels and predictions are."""

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> Counts:
    """Count pixels by (true class, predicted class).

    Args:
        labels: Integers of any shape in 0..C-1, or 255 for pixels that do not count.
        predictions: Integers of the same shape in 0..C-1.
        num_classes: C.

    Returns:
        int64 [C,C]. Matrices of parts of a split add up to the matrix of the split.

    Raises:
        ValueError: The shapes differ, or a pixel that counts has a class outside 0..C-1.
    """
    if labels.shape != predictions.shape:
        raise ValueError(f"`predictions` must be of `labels`' shape {labels.shape}. Received: {predictions.shape}.")
    if not labels.size:
        return np.zeros((num_classes, num_classes), np.int64)
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.dtype != np.uint8 and (values.min() < 0 or values.max() > IGNORE):
            raise ValueError(_outside(name, num_classes, values.min(), values.max()))
    table = _table(labels, predictions.astype(np.uint8, copy=False))[:IGNORE]
    for name, found in (("labels", table.sum(axis=1)), ("predictions", table.sum(axis=0))):
        if found[num_classes:].any():
            there = np.flatnonzero(found)
            raise ValueError(_outside(name, num_classes, there[0], there[-1]))
    return table[:num_classes, :num_classes].copy()


def _table(labels: np.ndarray, predictions: np.ndarray) -> Counts:
    """Count every pair of bytes, int64 [256,256]: one pass over the pixels, no mask.

    Masks are patches: where few neighbours differ, it is the runs of equal pairs that are counted, by their lengths.
    """
    pairs = labels.astype(np.uint16).ravel()
    pairs <<= 8
    pairs |= predictions.ravel()
    ends = np.flatnonzero(pairs[1:] != pairs[:-1])
    if ends.size > pairs.size // 4:
        return np.bincount(pairs, minlength=IDS**2).reshape(IDS, IDS)
    ends = np.append(ends, pairs.size - 1)
    # The weights make it a count in float64, exact up to 2**53 pixels.
    counts = np.bincount(pairs[ends], np.diff(ends, prepend=-1), minlength=IDS**2)
    return counts.astype(np.int64).reshape(IDS, IDS)


@dataclass(frozen=True)
class Margins:
    """All that every measure below needs of a confusion matrix. Leading axes (images, groups, resamples) are kept.

    Attributes:
        hits, truth, predicted: Of each class the pixels that are right, of truth, of prediction; float64 [..., C],
            exact up to 2**53 pixels.
    """

    hits: Values
    truth: Values
    predicted: Values

    @classmethod
    def of(cls, matrix: Counts) -> "Margins":
        """Take them from confusion matrices [..., C, C]."""
        hits = np.diagonal(matrix, axis1=-2, axis2=-1)
        return cls(*(part.astype(np.float64) for part in (hits, matrix.sum(axis=-1), matrix.sum(axis=-2))))

    def iou(self) -> Values:
        """Intersection over union of each class, 0..1; NaN for absent classes."""
        return _share(self.hits, self.truth + self.predicted - self.hits, self.truth > 0)

    def recall(self) -> Values:
        """Share of each class's pixels that are found (class accuracy), 0..1; NaN for absent classes."""
        return _share(self.hits, self.truth, self.truth > 0)

    def precision(self) -> Values:
        """Share of what is given to each class that is right, 0..1; NaN for absent classes and those never given."""
        return _share(self.hits, self.predicted, (self.truth > 0) & (self.predicted > 0))

    def f1(self) -> Values:
        """Harmonic mean of precision and recall (Dice), 0..1; NaN for absent classes."""
        return _share(2 * self.hits, self.truth + self.predicted, self.truth > 0)

    def mean_iou(self) -> Values:
        """Mean of `iou` over the classes that are there, [...]; NaN if no pixel counts."""
        return _means(self.iou())

    def mean_class_accuracy(self) -> Values:
        """Mean of `recall` over the classes that are there, [...]; NaN if no pixel counts."""
        return _means(self.recall())

    def mean_f1(self) -> Values:
        """Mean of `f1` over the classes that are there, [...]; NaN if no pixel counts."""
        return _means(self.f1())

    def pixel_accuracy(self) -> Values:
        """Share of all pixels that are right, [...]; NaN if no pixel counts."""
        total = self.truth.sum(axis=-1)
        return _share(self.hits.sum(axis=-1), total, total > 0)

    def frequency_weighted_iou(self) -> Values:
        """Mean of `iou`, each class weighted by its share of the pixels (Long et al. 2015); NaN if no pixel counts."""
        total = self.truth.sum(axis=-1)
        return _share((np.nan_to_num(self.iou()) * self.truth).sum(axis=-1), total, total > 0)


def iou(matrix: Counts) -> Values:
    """Intersection over union of each class, float64 [C] in 0..1; NaN for absent classes."""
    return Margins.of(matrix).iou()


def class_accuracy(matrix: Counts) -> Values:
    """Share of each class's pixels that are found (recall), float64 [C] in 0..1; NaN for absent classes."""
    return Margins.of(matrix).recall()


def mean_iou(matrix: Counts) -> float:
    """Mean of `iou` over the classes that are there; NaN if no pixel counts."""
    return float(Margins.of(matrix).mean_iou())


def mean_class_accuracy(matrix: Counts) -> float:
    """Mean of `class_accuracy` over the classes that are there; NaN if no pixel counts."""
    return float(Margins.of(matrix).mean_class_accuracy())


def pixel_accuracy(matrix: Counts) -> float:
    """Share of all pixels that are right; NaN if no pixel counts."""
    return float(Margins.of(matrix).pixel_accuracy())


def frequency_weighted_iou(matrix: Counts) -> float:
    """Mean of `iou`, each class weighted by its share of the pixels (Long et al. 2015); NaN if no pixel counts."""
    return float(Margins.of(matrix).frequency_weighted_iou())


def _outside(name: str, num_classes: int, low: int, high: int) -> str:
    return f"`{name}` must be in 0..{num_classes - 1}, or 255 in labels. Received: {low}..{high}."


def _share(part: Values, whole: Values, present: NDArray[np.bool_]) -> Values:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=present)


def _means(values: Values) -> Values:
    """Mean over the last axis of what is not NaN."""
    present = ~np.isnan(values)
    count = present.sum(axis=-1)
    return _share(np.where(present, values, 0.0).sum(axis=-1), count, np.asarray(count > 0))
