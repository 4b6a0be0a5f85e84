"""The table of an evaluation for the terminal, at most 80 columns. Imports no library."""

from collections.abc import Mapping
from typing import Any

from pipeline.console.terminal import cut, wrapped
from pipeline.evaluation.metric_text import number

BAR = 20
NAME = 22


def table(metrics: Mapping[str, Any]) -> str:
    """Format IoU, precision and recall of each class, and the totals, as text.

    Args:
        metrics: The content of metrics.json.

    Returns:
        Lines without a final newline. A class absent from the split is `n/a`, and is named below the table.
    """
    total = sum(row["pixels"] for row in metrics["per_class"])
    lines = [
        f"{metrics['split']} of {metrics['dataset']}: {metrics['images']:,} images, {total:,} labelled pixels",
        "",
        f"{'class':<{NAME}} {'IoU':>7} {'precision':>9} {'recall':>7} {'pixels':>8}",
    ]
    lines += [_row(row, total) for row in metrics["per_class"]]
    lines += ["", *_totals(metrics)]
    if metrics["absent"]:
        lines.append(wrapped(f"Not in this split, n/a and out of the means: {', '.join(metrics['absent'])}."))
    return "\n".join(lines)


def _row(row: Mapping[str, Any], total: int) -> str:
    share = f"{row['pixels'] / total:.1%}" if total else "n/a"
    bar = "#" * round(BAR * (row["iou"] or 0))
    name = cut(row["name"], NAME)
    values = f"{number(row['iou']):>7} {number(row['precision']):>9} {number(row['accuracy']):>7}"
    return f"{name:<{NAME}} {values} {share:>8}  {bar}".rstrip()


def _totals(metrics: Mapping[str, Any]) -> list[str]:
    majority = f"always predicting {cut(str(metrics['majority_class']), 10)!r} gives"
    return [
        f"{'mIoU':<{NAME}} {number(metrics['miou']):>7}   {majority} {number(metrics['majority_baseline_miou'])}",
        f"{'pixel accuracy':<{NAME}} {number(metrics['pixel_accuracy']):>7}",
        f"{'mean class accuracy':<{NAME}} {number(metrics['mean_class_accuracy']):>7}",
        f"{'freq.-weighted IoU':<{NAME}} {number(metrics['frequency_weighted_iou']):>7}",
    ]
