"""The metrics of an artifact that the store keeps, so that they are known when the artifact is gone."""

from pathlib import Path
from typing import Any

from pipeline.workspace import json_file

METRICS = ("miou", "pixel_accuracy", "mean_class_accuracy", "frequency_weighted_iou")


def of(folder: Path) -> dict[str, Any]:
    """Read the metrics of a finished step's folder; {} for one that measures nothing.

    Returns:
        Of evaluate: split, images, METRICS, iou {class: 0..1 or None}. Of gate: passed. Of validate: images {split:
        number}. Of train, where the recipe said `batch_size: auto`: batch_size, devices; where it
        said `precision: auto`: precision; where it said `budget`: epochs.
    """
    if (folder / "metrics.json").is_file():
        metrics = json_file.read(folder / "metrics.json")
        iou = {row["name"]: row["iou"] for row in metrics["per_class"]}
        return {name: metrics[name] for name in ("split", "images", *METRICS)} | {"iou": iou}
    if (folder / "verdict.json").is_file():
        return {"passed": json_file.read(folder / "verdict.json")["passed"]}
    if (folder / "statistics.json").is_file():
        splits = json_file.read(folder / "statistics.json")["splits"]
        return {"images": {name: split["images"] for name, split in splits.items()}}
    chosen: dict[str, Any] = {}
    for name in ("batch_size.json", "precision.json", "budget.json"):
        if (folder / name).is_file():
            chosen |= json_file.read(folder / name)
    return chosen
