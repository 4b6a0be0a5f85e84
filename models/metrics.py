"""Measures of a segmentation, all from one integer confusion matrix: rows are the truth, columns the prediction.

A class without a single pixel of truth is absent: its own measures are NaN and it is left out of every mean. Pixels
that are wrongly given to it still count as misses of their true classes.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tensorflow as tf

IGNORE = 255
"""The label of pixels that do not count; the same number as datasets.spec.IGNORE."""

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
    counts = labels != IGNORE
    truth, predicted = labels[counts].astype(np.int64), predictions[counts].astype(np.int64)
    for name, values in (("labels", truth), ("predictions", predicted)):
        if values.size and (values.min() < 0 or values.max() >= num_classes):
            raise ValueError(
                f"`{name}` must be in 0..{num_classes - 1}, or 255 in labels. Received: {values.min()}..{values.max()}."
            )
    return np.bincount(truth * num_classes + predicted, minlength=num_classes**2).reshape(num_classes, num_classes)


def confusion_tensor(labels: "tf.Tensor", predictions: "tf.Tensor", num_classes: int) -> "tf.Tensor":
    """Do what `confusion_matrix` does, on tensors: usable inside a tf.function and under a strategy. int64 [C,C]."""
    import tensorflow as tf  # here, so that those who have counted already need not wait for TensorFlow

    labels, predictions = tf.cast(labels, tf.int32), tf.cast(predictions, tf.int32)
    counts = labels != IGNORE
    for name, values in (("labels", labels), ("predictions", predictions)):
        inside = tf.reduce_all(~counts | ((values >= 0) & (values < num_classes)))
        tf.debugging.Assert(inside, [f"`{name}` must be in 0..{num_classes - 1}, or 255 in labels."])
    cells = tf.where(counts, labels * num_classes + predictions, num_classes**2)
    bins = tf.math.bincount(tf.reshape(cells, [-1]), minlength=num_classes**2 + 1, maxlength=num_classes**2 + 1)
    return tf.cast(tf.reshape(bins[:-1], [num_classes, num_classes]), tf.int64)


def iou(matrix: Counts) -> Values:
    """Intersection over union of each class, float64 [C] in 0..1; NaN for absent classes."""
    hits, truth, predicted = _margins(matrix)
    return _share(hits, truth + predicted - hits, truth > 0)


def class_accuracy(matrix: Counts) -> Values:
    """Share of each class's pixels that are found (recall), float64 [C] in 0..1; NaN for absent classes."""
    hits, truth, _ = _margins(matrix)
    return _share(hits, truth, truth > 0)


def mean_iou(matrix: Counts) -> float:
    """Mean of `iou` over the classes that are there; NaN if no pixel counts."""
    return _mean(iou(matrix))


def mean_class_accuracy(matrix: Counts) -> float:
    """Mean of `class_accuracy` over the classes that are there; NaN if no pixel counts."""
    return _mean(class_accuracy(matrix))


def pixel_accuracy(matrix: Counts) -> float:
    """Share of all pixels that are right; NaN if no pixel counts."""
    hits, truth, _ = _margins(matrix)
    return float(hits.sum() / truth.sum()) if truth.sum() else float("nan")


def frequency_weighted_iou(matrix: Counts) -> float:
    """Mean of `iou`, each class weighted by its share of the pixels (Long et al. 2015); NaN if no pixel counts."""
    _, truth, _ = _margins(matrix)
    return float(np.nansum(iou(matrix) * truth) / truth.sum()) if truth.sum() else float("nan")


def _margins(matrix: Counts) -> tuple[Values, Values, Values]:
    """Give pixels that are right, of truth, and of prediction, each float64 [C] (exact up to 2**53 pixels)."""
    return (
        np.diag(matrix).astype(np.float64),
        matrix.sum(axis=1).astype(np.float64),
        matrix.sum(axis=0).astype(np.float64),
    )


def _share(part: Values, whole: Values, present: NDArray[np.bool_]) -> Values:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=present)


def _mean(values: Values) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")
