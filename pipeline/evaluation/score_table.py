"""The table of an evaluation for the terminal, at most 80 columns. Imports no library."""

from collections.abc import Mapping
from typing import Any

from pipeline.console.terminal import cut, wrapped
from pipeline.evaluation.metric_text import dataset_name, number

BAR = 20
NAME = 22


def table(metrics: Mapping[str, Any]) -> str:
    """Format IoU, precision and recall of each class, and the totals, as text.

    Args:
        metrics: The content of metrics.json.

    Returns:
        Lines without a final newline. Classes absent from the split are named below the table.
    """
    total = sum(row["pixels"] for row in metrics["per_class"])
    lines = [
        f"{metrics['split']} of {dataset_name(metrics)}: {metrics['images']:,} images, {total:,} labelled pixels",
        "",
        f"{'class':<{NAME}} {'IoU':>7} {'precision':>9} {'recall':>7} {'pixels':>8}",
    ]
    lines += [_row(row, total) for row in metrics["per_class"]]
    lines += ["", *_totals(metrics)]
    lines += map(wrapped, absent_notes(metrics))
    return "\n".join(lines)


def absent_notes(metrics: Mapping[str, Any]) -> list[str]:
    """Return a sentence on the classes without a pixel in the truth that are predicted, and one on the others.

    >>> absent_notes({"absent": ["car", "sky"], "only_predicted": ["car"]})[0]
    'Not in this split, but predicted: car. IoU 0, which counts in mIoU.'
    """
    predicted = metrics.get("only_predicted", ())
    neither = [name for name in metrics["absent"] if name not in predicted]
    notes = [f"Not in this split, but predicted: {', '.join(predicted)}. IoU 0, which counts in mIoU."] * bool(
        predicted
    )
    notes += [f"Not in this split nor predicted, n/a and out of the means: {', '.join(neither)}."] * bool(neither)
    return notes


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
