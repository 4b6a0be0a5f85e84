"""From a confusion matrix to the figures that are reported."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models import metrics


def summarise(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Compute every figure of an evaluation.

    Args:
        confusion: int64 [C,C], rows truth, columns prediction, ignored pixels out.
        classes: C names.

    Returns:
        Plain values, all fractions in 0..1, None where a figure does not exist: miou, pixel_accuracy,
        mean_class_accuracy, frequency_weighted_iou, per_class [{name, iou, accuracy, pixels}], absent (names of
        classes without a pixel in the truth), majority_class and majority_baseline_miou (the mIoU that always
        answering the most frequent class of this very truth would give), confusion.
    """
    pixels = confusion.sum(axis=1)
    rows = zip(classes, metrics.iou(confusion), metrics.class_accuracy(confusion), pixels, strict=True)
    return {
        "miou": plain(metrics.mean_iou(confusion)),
        "pixel_accuracy": plain(metrics.pixel_accuracy(confusion)),
        "mean_class_accuracy": plain(metrics.mean_class_accuracy(confusion)),
        "frequency_weighted_iou": plain(metrics.frequency_weighted_iou(confusion)),
        **_majority(pixels, classes),
        "absent": [name for name, count in zip(classes, pixels, strict=True) if not count],
        "per_class": [
            {"name": name, "iou": plain(iou), "accuracy": plain(share), "pixels": int(count)}
            for name, iou, share, count in rows
        ],
        "confusion": confusion.tolist(),
    }


class ImageScores:
    """mIoU of each image by itself. Its mean over the images is not the split's mIoU; it ranks images.

    Attributes:
        image_miou: {id: mIoU over the classes that the image shows}, None where all its pixels are ignored.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.image_miou: dict[str, float | None] = {}

    def add(
        self, ids: np.ndarray | Sequence[Any], images: np.ndarray, labels: np.ndarray, predictions: np.ndarray
    ) -> None:
        """Score a batch: ids [B], images (unused), labels and predictions uint8 [B,H,W]."""
        for name, label, prediction in zip(ids, labels, predictions, strict=True):
            confusion = metrics.confusion_matrix(label, prediction, self.num_classes)
            text = name.decode() if isinstance(name, bytes) else str(name)
            self.image_miou[text] = plain(metrics.mean_iou(confusion))


def brief(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what grows with the square of the classes or with the images: what a served model says of itself."""
    return {key: value for key, value in figures.items() if key not in ("confusion", "image_miou")}


def _majority(pixels: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    if not pixels.sum():
        return {"majority_class": None, "majority_baseline_miou": None}
    # Always answering one class: its IoU is its share of the pixels, that of every other class present is 0.
    share = pixels.max() / pixels.sum()
    return {
        "majority_class": classes[int(pixels.argmax())],
        "majority_baseline_miou": float(share / np.count_nonzero(pixels)),
    }


def plain(value: float) -> float | None:
    """JSON has no NaN: a figure that does not exist is null."""
    return None if np.isnan(value) else float(value)
