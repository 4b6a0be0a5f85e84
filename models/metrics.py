"""Segmentation metrics, all from an integer confusion matrix: rows are the truth, columns the predictions.

As in cityscapesScripts, mmsegmentation and torchmetrics: the metrics of a class that neither truth nor prediction shows
are NaN, and the means skip it. One that is predicted and never true has IoU, F1 and precision 0, which count in the
means; its recall is NaN.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.labels import IGNORE

IDS = 256
"""Number of values of a byte, the type of labels and predictions."""

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> Counts:
    """Count pixels by (true class, predicted class).

    >>> confusion_matrix(np.array([0, 0, 1, 255]), np.array([0, 1, 1, 1]), num_classes=2).tolist()
    [[1, 1], [0, 1]]

    Args:
        labels: Integers of any shape in 0..C-1, or 255 for ignored pixels.
        predictions: Integers of the same shape in 0..C-1.
        num_classes: C.

    Returns:
        int64 [C,C]. The matrices of parts of a split add up to that of the split.

    Raises:
        ValueError: The shapes differ, or a pixel that is not ignored has a class outside 0..C-1.
    """
    if labels.shape != predictions.shape:
        raise ValueError(f"`predictions` must be of `labels`' shape {labels.shape}. Received: {predictions.shape}.")
    if not labels.size:
        return np.zeros((num_classes, num_classes), np.int64)
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.dtype != np.uint8 and (values.min() < 0 or values.max() > IGNORE):
            raise ValueError(_outside(name, num_classes, values.min(), values.max()))
    table = _table(labels, predictions.astype(np.uint8, copy=False))[:IGNORE]
    for name, counts in (("labels", table.sum(axis=1)), ("predictions", table.sum(axis=0))):
        if counts[num_classes:].any():
            present = np.flatnonzero(counts)
            raise ValueError(_outside(name, num_classes, present[0], present[-1]))
    return table[:num_classes, :num_classes].copy()


def _table(labels: np.ndarray, predictions: np.ndarray) -> Counts:
    """Count every pair of bytes in one pass over the pixels: int64 [256,256].

    Labels come in patches: where few neighbours differ, runs of equal pairs are counted by their lengths instead.
    """
    pairs = labels.astype(np.uint16).ravel()
    pairs <<= 8
    pairs |= predictions.ravel()
    ends = np.flatnonzero(pairs[1:] != pairs[:-1])
    if ends.size > pairs.size // 4:
        return np.bincount(pairs, minlength=IDS**2).reshape(IDS, IDS)
    ends = np.append(ends, pairs.size - 1)
    # With weights, bincount adds in float64, which is exact up to 2**53 pixels.
    counts = np.bincount(pairs[ends], np.diff(ends, prepend=-1), minlength=IDS**2)
    return counts.astype(np.int64).reshape(IDS, IDS)


@dataclass(frozen=True)
class Margins:
    """Diagonal and marginal sums of confusion matrices, and the metrics computed from them.

    Attributes:
        hits, truth, predicted: Pixels of each class that are correct, in the truth, and in the prediction; float64
            [..., C], exact up to 2**53 pixels. Leading axes (images, groups, resamples) are kept.
    """

    hits: Values
    truth: Values
    predicted: Values

    @classmethod
    def of(cls, matrix: Counts) -> "Margins":
        """Compute the sums of confusion matrices [..., C, C]."""
        hits = np.diagonal(matrix, axis1=-2, axis2=-1)
        return cls(*(part.astype(np.float64) for part in (hits, matrix.sum(axis=-1), matrix.sum(axis=-2))))

    def iou(self) -> Values:
        """Return the intersection over union of each class, [..., C] in 0..1; NaN if neither true nor predicted."""
        return _share(self.hits, self.truth + self.predicted - self.hits)

    def recall(self) -> Values:
        """Return the correct share of each class's pixels (class accuracy), [..., C] in 0..1; NaN if never true."""
        return _share(self.hits, self.truth)

    def precision(self) -> Values:
        """Return the correct share of each class's predictions, [..., C] in 0..1; NaN if never predicted."""
        return _share(self.hits, self.predicted)

    def f1(self) -> Values:
        """Return the Dice coefficient of each class, [..., C] in 0..1; NaN if neither true nor predicted."""
        return _share(2 * self.hits, self.truth + self.predicted)

    def mean_iou(self) -> Values:
        """Return the mean of `iou` over the classes that have one, [...]; NaN if all pixels are ignored."""
        return _means(self.iou())

    def mean_class_accuracy(self) -> Values:
        """Return the mean of `recall` over the classes in the truth, [...]; NaN if all pixels are ignored."""
        return _means(self.recall())

    def mean_f1(self) -> Values:
        """Return the mean of `f1` over the classes that have one, [...]; NaN if all pixels are ignored."""
        return _means(self.f1())

    def pixel_accuracy(self) -> Values:
        """Return the correct share of all pixels, [...]; NaN if all pixels are ignored."""
        return _share(self.hits.sum(axis=-1), self.truth.sum(axis=-1))

    def frequency_weighted_iou(self) -> Values:
        """Return the mean of `iou` weighted by class frequency (Long et al. 2015); NaN if all pixels are ignored."""
        return _share((np.nan_to_num(self.iou()) * self.truth).sum(axis=-1), self.truth.sum(axis=-1))


def iou(matrix: Counts) -> Values:
    """Return the intersection over union of each class, float64 [C] in 0..1; NaN if neither true nor predicted.

    >>> iou(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).round(3).tolist()
    [0.5, 0.667, nan]
    """
    return Margins.of(matrix).iou()


def class_accuracy(matrix: Counts) -> Values:
    """Return the correct share of each class's pixels (recall), float64 [C] in 0..1; NaN if never true."""
    return Margins.of(matrix).recall()


def mean_iou(matrix: Counts) -> float:
    """Return the mean of `iou` over the classes that have one; NaN if all pixels are ignored."""
    return float(Margins.of(matrix).mean_iou())


def mean_class_accuracy(matrix: Counts) -> float:
    """Return the mean of `class_accuracy` over the classes in the truth; NaN if all pixels are ignored."""
    return float(Margins.of(matrix).mean_class_accuracy())


def pixel_accuracy(matrix: Counts) -> float:
    """Return the correct share of all pixels; NaN if all pixels are ignored."""
    return float(Margins.of(matrix).pixel_accuracy())


def frequency_weighted_iou(matrix: Counts) -> float:
    """Return the mean of `iou` weighted by class frequency (Long et al. 2015); NaN if all pixels are ignored."""
    return float(Margins.of(matrix).frequency_weighted_iou())


def _outside(name: str, num_classes: int, low: int, high: int) -> str:
    return f"`{name}` must be in 0..{num_classes - 1}, or 255 in labels. Received: {low}..{high}."


def _share(part: Values, whole: Values) -> Values:
    """Return part / whole; NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole > 0))


def _means(values: Values) -> Values:
    """Return the mean over the last axis, skipping NaN."""
    present = ~np.isnan(values)
    return _share(np.where(present, values, 0.0).sum(axis=-1), present.sum(axis=-1))
