"""The table of an evaluation for the terminal, at most 80 columns. Imports no library: any command can show it."""

from collections.abc import Mapping
from typing import Any

from pipeline.console.terminal import cut, wrapped

BAR = 20
NAME = 22


def table(metrics: Mapping[str, Any]) -> str:
    """Write IoU, precision and recall of each class, and the totals, as text.

    Args:
        metrics: What metrics.json holds.

    Returns:
        Lines without a final newline. A class that the split does not show is `n/a`, and is named below.
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
    figures = f"{_figure(row['iou']):>7} {_figure(row['precision']):>9} {_figure(row['accuracy']):>7}"
    return f"{name:<{NAME}} {figures} {share:>8}  {bar}".rstrip()


def _totals(metrics: Mapping[str, Any]) -> list[str]:
    majority = f"always answering {cut(str(metrics['majority_class']), 10)!r} would give"
    return [
        f"{'mIoU':<{NAME}} {_figure(metrics['miou']):>7}   {majority} {_figure(metrics['majority_baseline_miou'])}",
        f"{'pixel accuracy':<{NAME}} {_figure(metrics['pixel_accuracy']):>7}",
        f"{'mean class accuracy':<{NAME}} {_figure(metrics['mean_class_accuracy']):>7}",
        f"{'freq.-weighted IoU':<{NAME}} {_figure(metrics['frequency_weighted_iou']):>7}",
    ]


def _figure(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}"
