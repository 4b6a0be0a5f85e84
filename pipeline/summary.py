"""What a run ends with: the figures, and where to look."""

import json
import os
from pathlib import Path

from pipeline.config import Recipe
from pipeline.run_folder import RunFolder
from pipeline.runner import serving_name
from pipeline.serving import versions
from pipeline.workspace import Workspace


def summary(workspace: Workspace, recipe: Recipe, run: RunFolder) -> list[str]:
    """Lines of at most 80 columns, paths apart: IoU of each class, mIoU beside the baseline, paths of the results."""
    metrics = json.loads((run.artifact("evaluate") / "metrics.json").read_text(encoding="utf-8"))
    served = workspace.serving / serving_name(recipe)
    newest = served / str(max(versions(served)))
    return [
        *class_table(metrics),
        "",
        *(
            f"{name:<10} {_near(path)}"
            for name, path in {
                "report": run.artifact("evaluate") / "report.html",
                "overlays": run.artifact("evaluate") / "overlays",
                "events": run.artifact("train") / "events",
                "SavedModel": newest,
            }.items()
        ),
    ]


def class_table(metrics: dict) -> list[str]:
    """Table of per-class IoU with a bar each, and the figures of the whole split."""
    lines = [f"{'class':<16} {'IoU':>6} {'accuracy':>9} {'pixels':>8}"]
    total = sum(row["pixels"] for row in metrics["per_class"]) or 1
    for row in metrics["per_class"]:
        bar = "" if row["iou"] is None else "#" * round(30 * row["iou"])
        share = f"{row['pixels'] / total:.1%}"
        lines.append(f"{row['name'][:16]:<16} {_figure(row['iou']):>6} {_figure(row['accuracy']):>9} {share:>8}  {bar}")
    lines += [
        "",
        f"mIoU {metrics['miou']:.3f} on {metrics['images']} images of {metrics['split']}; always the most frequent "
        f"class would give {metrics['majority_baseline_miou']:.3f}",
        f"pixel accuracy {metrics['pixel_accuracy']:.3f}, mean class accuracy {metrics['mean_class_accuracy']:.3f}, "
        f"frequency-weighted IoU {metrics['frequency_weighted_iou']:.3f}",
    ]
    if metrics["absent"]:
        lines.append(f"n/a, as no pixel of {metrics['split']} has it: {', '.join(metrics['absent'])}")
    return lines


def _figure(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _near(path: Path) -> str:
    """Path as one would type it here."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
