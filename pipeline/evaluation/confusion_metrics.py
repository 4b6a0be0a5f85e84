"""From a confusion matrix to the figures that are reported."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.metrics import Margins
from pipeline.evaluation.image_counts import ImageCounts


def summarise(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Compute every figure of an evaluation.

    Args:
        confusion: int64 [C,C], rows truth, columns prediction, ignored pixels out.
        classes: C names.

    Returns:
        Plain values, all fractions in 0..1, None where a figure does not exist: miou, pixel_accuracy,
        mean_class_accuracy, frequency_weighted_iou, mean_f1, per_class [{name, iou, accuracy (recall), precision, f1,
        pixels}], absent (names of classes without a pixel in the truth), majority_class and majority_baseline_miou (the
        mIoU that always answering the most frequent class of this very truth would give), confusion.
    """
    pixels, margins = confusion.sum(axis=1), Margins.of(confusion)
    measures = {
        "iou": margins.iou(),
        "accuracy": margins.recall(),
        "precision": margins.precision(),
        "f1": margins.f1(),
    }
    return {
        **{name: plain(float(value)) for name, value in totals(margins).items()},
        **_majority(pixels, classes),
        "absent": [name for name, count in zip(classes, pixels, strict=True) if not count],
        "per_class": [
            {
                "name": name,
                **{key: plain(values[index]) for key, values in measures.items()},
                "pixels": int(pixels[index]),
            }
            for index, name in enumerate(classes)
        ],
        "confusion": confusion.tolist(),
    }


def totals(margins: Margins) -> dict[str, np.ndarray]:
    """Every figure of a whole split, by the name that the recipe's gate and metrics.json give it; NaN where none is."""
    return {
        "miou": margins.mean_iou(),
        "pixel_accuracy": margins.pixel_accuracy(),
        "mean_class_accuracy": margins.mean_class_accuracy(),
        "frequency_weighted_iou": margins.frequency_weighted_iou(),
        "mean_f1": margins.mean_f1(),
    }


def slices(counts: ImageCounts, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Measure each group of images by itself.

    Returns:
        [{"group", "images", "pixels", the figures of `totals`, "iou": {class: IoU}}], the weakest mIoU first.
    """
    found = []
    for group, of_group in counts.by_group().items():
        margins = of_group.total()
        named = {name: plain(value) for name, value in zip(classes, margins.iou(), strict=True)}
        figures = {name: plain(float(value)) for name, value in totals(margins).items()}
        found.append(
            {"group": group, "images": len(of_group.ids), "pixels": int(margins.truth.sum()), **figures, "iou": named}
        )
    return sorted(found, key=lambda slice_: (slice_["miou"] is None, slice_["miou"]))


def confused(confusion: np.ndarray, classes: Sequence[str], count: int) -> list[dict[str, Any]]:
    """Name the `count` pairs of classes that cost most pixels.

    Returns:
        [{"truth", "prediction", "pixels", "share": of the true class's pixels}], most pixels first.
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


def brief(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what grows with the square of the classes or with the images: what a served model says of itself."""
    long = ("confusion", "image_miou", "slices", "calibration", "confused")
    return {key: value for key, value in figures.items() if key not in long}


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
