"""Values of the sections on metrics: result and gate, classes, confusion, slices, calibration, protocols."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.drawing.charts import reliability
from pipeline.evaluation import confusion_metrics, gate
from pipeline.evaluation.score_table import absent_notes
from pipeline.report.contents import Material

WEAKEST = 3
"""Most classes that are named as the weakest."""

MOST_SLICES = 60
"""Most groups that are listed, the lowest mIoU first."""

MOST_PAIRS = 8
"""Most pairs of confused classes in each ranking."""

EVEN = 0.01
"""Difference of mean confidence and accuracy up to which a model counts as neither over- nor underconfident."""

TOTALS = (
    ("mIoU", "miou", "Mean over the classes."),
    ("Pixel accuracy", "pixel_accuracy", "Share of correct pixels."),
    ("Mean class accuracy", "mean_class_accuracy", "Recall, mean over the classes."),
    ("Frequency-weighted IoU", "frequency_weighted_iou", "Classes weighted by pixels."),
    ("Mean F1", "mean_f1", "Dice, mean over the classes."),
)
"""Title, key in metrics.json, and what it means."""


def result(material: Material) -> Mapping[str, Any]:
    """The metrics of the whole split, where the model fails, and the gate."""
    metrics = material.metrics
    weak = sorted((row["iou"], row["name"]) for row in metrics["per_class"] if row["iou"] is not None)
    groups = [group for group in metrics["slices"] if group["miou"] is not None]
    images = sorted((miou, name) for name, miou in metrics["image_miou"].items() if miou is not None)
    return {
        "totals": TOTALS,
        "weakest": weak[: min(WEAKEST, max(1, len(weak) - 1))],
        "confused": metrics["confused"][:1],
        "weakest_group": groups[0] if len(groups) > 1 else None,
        "worst_image": images[0] if len(images) > 1 else None,
        "outcome": gate.outcome(material.verdict) if material.verdict else "",
    }


def classes(material: Material) -> Mapping[str, Any]:
    """IoU with its interval, precision, recall, F1 and share of each class."""
    metrics = material.metrics
    total = sum(row["pixels"] for row in metrics["per_class"]) or 1
    return {"total": total, "note": " ".join(absent_notes(metrics)), "ranges": metrics["intervals"]["figures"]}


def confused(material: Material) -> Mapping[str, Any]:
    """The most confused pairs of classes, by pixels and by share of the true class, and crops of the former."""
    matrix, names = np.array(material.metrics["confusion"], np.int64), material.spec.classes
    pairs = confusion_metrics.confused(matrix, names, matrix.size)
    by_share = sorted(pairs, key=lambda pair: -pair["share"])
    rankings = {"most pixels": pairs[:MOST_PAIRS], "largest share of the true class": by_share[:MOST_PAIRS]}
    return {"rankings": rankings, "crops": material.pictures["confused"]}


def confusion(material: Material) -> Mapping[str, Any]:
    """The whole confusion matrix, as counts and totals of the rows."""
    rows = [(counts, sum(counts)) for counts in material.metrics["confusion"]]
    return {"rows": rows, "width": next(name for most, name in _WIDTHS if len(rows) <= most)}


_WIDTHS = ((12, "few"), (24, "some"), (40, "many"), (256, "most"))
"""Largest number of classes of each size of print, by which the matrix fits one sheet of paper."""


def slices(material: Material) -> Mapping[str, Any]:
    """Every group of images, the lowest mIoU first, with the IoU of its classes."""
    groups = material.metrics["slices"]
    return {"groups": groups[:MOST_SLICES], "more": len(groups) - MOST_SLICES, "names": material.metrics["classes"]}


def calibration(material: Material) -> Mapping[str, Any]:
    """Whether the model's accuracy equals its confidence."""
    outcome = material.metrics["calibration"]
    bins = [part for part in outcome["bins"] if part["pixels"]]
    if not bins:
        return {"chart": None}
    total = sum(part["pixels"] for part in bins)
    confidence, accuracy = (
        sum(part[key] * part["pixels"] for part in bins) / total for key in ("confidence", "accuracy")
    )
    words = {True: "overconfident", False: "underconfident"}
    even = abs(confidence - accuracy) <= EVEN
    return {
        "chart": reliability([(part["confidence"], part["accuracy"], part["pixels"] / total) for part in bins]),
        "confidence": confidence,
        "accuracy": accuracy,
        "tendency": "as sure as it is right" if even else words[confidence > accuracy],
        "bins": len(outcome["bins"]),
    }


def protocols(material: Material) -> Mapping[str, Any]:
    """The metrics of the official protocols."""
    return {"protocols": material.metrics["protocols"], "columns": _columns}


def _columns(rows: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """Return the columns of {row: {column: value}}, each once, in the order of their first row."""
    return list(dict.fromkeys(name for cells in rows.values() for name in cells))
