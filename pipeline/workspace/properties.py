"""The figures of an artifact that the store keeps, so that they are known when the artifact is gone."""

import json
from pathlib import Path
from typing import Any

FIGURES = ("miou", "pixel_accuracy", "mean_class_accuracy", "frequency_weighted_iou")


def of(folder: Path) -> dict[str, Any]:
    """Read the figures of a finished step's folder; {} for one that measures nothing.

    Returns:
        Of evaluate: split, images, FIGURES, iou {class: 0..1 or None}, passed (the gate). Of validate: images {split:
        number}. Of train, where the recipe said `batch_size: auto`: batch_size, devices.
    """
    if (folder / "metrics.json").is_file():
        metrics, verdict = _read(folder / "metrics.json"), _read(folder / "verdict.json")
        figures = {name: metrics[name] for name in ("split", "images", *FIGURES)}
        return figures | {
            "iou": {row["name"]: row["iou"] for row in metrics["per_class"]},
            "passed": verdict["passed"],
        }
    if (folder / "statistics.json").is_file():
        splits = _read(folder / "statistics.json")["splits"]
        return {"images": {name: split["images"] for name, split in splits.items()}}
    if (folder / "batch_size.json").is_file():
        found: dict[str, Any] = _read(folder / "batch_size.json")
        return found
    return {}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
