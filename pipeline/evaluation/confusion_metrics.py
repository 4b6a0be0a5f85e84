"""The metrics of an evaluation, from its confusion matrix."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.metrics import Margins
from pipeline.evaluation.image_counts import ImageCounts


def summarise(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Compute every metric of a confusion matrix.

    >>> metrics = summarise(np.array([[6, 2], [1, 3]]), ["road", "sky"])
    >>> round(metrics["miou"], 4), metrics["pixel_accuracy"], metrics["majority_class"]
    (0.5833, 0.75, 'road')
    >>> round(metrics["per_class"][1]["iou"], 4), metrics["per_class"][1]["pixels"]
    (0.5, 4)
    >>> without_sky = summarise(np.array([[6, 2], [0, 0]]), ["road", "sky"])
    >>> without_sky["per_class"][1]["iou"], without_sky["miou"], without_sky["only_predicted"]
    (0.0, 0.375, ['sky'])

    Args:
        confusion: int64 [C,C], rows truth, columns prediction, ignored pixels left out.
        classes: C names.

    Returns:
        Plain values, all fractions in 0..1, None where a metric is undefined: miou, pixel_accuracy,
        mean_class_accuracy, frequency_weighted_iou, mean_f1, per_class [{name, iou, accuracy (recall), precision, f1,
        pixels}], absent (names of classes without a pixel in the truth), only_predicted (those of them that were
        predicted, so that their IoU is 0 and counts in miou; the IoU of the others is None), majority_class and
        majority_baseline_miou (the mIoU of always predicting the most frequent class of this truth), confusion.
    """
    pixels, margins = confusion.sum(axis=1), Margins.of(confusion)
    absent = [name for name, count in zip(classes, pixels, strict=True) if not count]
    predicted = {name for name, count in zip(classes, margins.predicted, strict=True) if count}
    by_class = {
        "iou": margins.iou(),
        "accuracy": margins.recall(),
        "precision": margins.precision(),
        "f1": margins.f1(),
    }
    return {
        **{name: plain(float(value)) for name, value in totals(margins).items()},
        **_majority(pixels, classes),
        "absent": absent,
        "only_predicted": [name for name in absent if name in predicted],
        "per_class": [
            {"name": name, **dict(zip(by_class, map(plain, values), strict=True)), "pixels": int(count)}
            for name, count, *values in zip(classes, pixels, *by_class.values(), strict=True)
        ],
        "confusion": confusion.tolist(),
    }


def totals(margins: Margins) -> dict[str, np.ndarray]:
    """Return the metrics over all classes, by their names in metrics.json: float64 [...] each, NaN where undefined."""
    return {
        "miou": margins.mean_iou(),
        "pixel_accuracy": margins.pixel_accuracy(),
        "mean_class_accuracy": margins.mean_class_accuracy(),
        "frequency_weighted_iou": margins.frequency_weighted_iou(),
        "mean_f1": margins.mean_f1(),
    }


def slices(counts: ImageCounts, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Compute the metrics of each group of images.

    Returns:
        [{"group", "images", "pixels", the metrics of `totals`, "iou": {class: IoU}}], the lowest mIoU first.
    """
    rows = []
    for group, of_group in counts.by_group().items():
        margins = of_group.total()
        iou = {name: plain(value) for name, value in zip(classes, margins.iou(), strict=True)}
        metrics = {name: plain(float(value)) for name, value in totals(margins).items()}
        counted = {"group": group, "images": len(of_group.ids), "pixels": int(margins.truth.sum())}
        rows.append({**counted, **metrics, "iou": iou})
    return sorted(rows, key=lambda row: (row["miou"] is None, row["miou"]))


def confused(confusion: np.ndarray, classes: Sequence[str], count: int) -> list[dict[str, Any]]:
    """Find the `count` pairs of classes that are confused most often.

    Args:
        confusion: int64 [C,C], rows truth, columns prediction.
        classes: C names.
        count: Most pairs to return.

    Returns:
        [{"truth", "prediction", "pixels", "share": of the true class's pixels, 0..1}], most pixels first.
    """
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    pairs = [divmod(int(cell), len(classes)) for cell in order if wrong.flat[cell]]
    return [
        {
            "truth": classes[truth],
            "prediction": classes[predicted],
            "pixels": int(wrong[truth, predicted]),
            "share": float(wrong[truth, predicted] / confusion[truth].sum()),
        }
        for truth, predicted in pairs
    ]


def brief(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics that a served model carries: without those as long as the images or the classes squared."""
    long = ("confusion", "image_miou", "slices", "calibration", "confused")
    return {key: value for key, value in metrics.items() if key not in long}


def _majority(pixels: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    if not pixels.sum():
        return {"majority_class": None, "majority_baseline_miou": None}
    # Always predicting one class: its IoU is its share of the pixels, that of every other class present is 0.
    share = pixels.max() / pixels.sum()
    return {
        "majority_class": classes[int(pixels.argmax())],
        "majority_baseline_miou": float(share / np.count_nonzero(pixels)),
    }


def plain(value: float) -> float | None:
    """Return None for NaN, which JSON does not have."""
    return None if np.isnan(value) else float(value)
