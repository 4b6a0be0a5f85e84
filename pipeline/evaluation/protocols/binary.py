"""Two classes: IoU and precision of the second class at every probability threshold.

IoU at every threshold k / 1024, the best of them, and average precision, the area under the precision-recall steps:
sum of (R_k - R_k-1) P_k over falling thresholds, without interpolation (Manning et al., Introduction to Information
Retrieval, 2008, section 8.4). Probabilities are counted in 1024 equal steps. Where no pixel is of the second class,
IoU at one half is 0 if it is predicted all the same, and no other metric is defined.
"""

import numpy as np

from datasets.spec import IGNORE, DatasetSpec
from pipeline.evaluation.exact_sums import Sums
from pipeline.evaluation.protocols.protocol import Definition, Result, ScoredImage

LEVELS = 1024
"""Steps of probability."""

METRICS = ("iou_at_half", "best_iou", "best_threshold", "average_precision")


class Binary:
    """Counts pixels by true class and by level of the second class's probability."""

    def __init__(self) -> None:
        self.sums: Sums = {"counts": np.zeros((2, LEVELS), np.int64)}

    def add(self, image: ScoredImage) -> None:
        """Count an image."""
        valid = image.truth != IGNORE
        levels = np.minimum((image.positive[valid] * LEVELS).astype(np.int64), LEVELS - 1)
        cells = image.truth[valid].astype(np.int64) * LEVELS + levels
        self.sums["counts"] += np.bincount(cells, minlength=2 * LEVELS).reshape(2, LEVELS)

    def result(self) -> Result:
        """Compute METRICS, and IoU, precision and recall at each tenth."""
        # At threshold k every pixel of level k or above is predicted as the second class.
        false, true = (np.cumsum(counts[::-1])[::-1].astype(np.float64) for counts in self.sums["counts"])
        positives = true[0]
        if not positives:
            at_half = {"iou_at_half": 0.0 if false[LEVELS // 2] else None}
            return Result(dict.fromkeys(METRICS) | at_half, note="The split shows no pixel of the second class.")
        iou = true / (positives + false)
        precision = np.divide(true, true + false, out=np.zeros_like(true), where=true + false > 0)
        recall = np.append(true / positives, 0.0)
        best = int(iou.argmax())
        curves, tenths = {"IoU": iou, "precision": precision, "recall": recall}, {}
        for tenth in range(1, 10):
            level = round(tenth * LEVELS / 10)
            tenths[f"{tenth / 10:.1f}"] = {name: float(curve[level]) for name, curve in curves.items()}
        metrics = {
            "iou_at_half": float(iou[LEVELS // 2]),
            "best_iou": float(iou[best]),
            "best_threshold": best / LEVELS,
            "average_precision": float(((recall[:-1] - recall[1:]) * precision).sum()),
        }
        return Result(metrics, {"Thresholds": tenths})


def misfit(spec: DatasetSpec) -> str | None:
    """Return why a dataset has no second class to threshold; None if it has."""
    if spec.num_classes == 2:
        return None
    return f"needs 2 classes, the second of them the one to detect. {spec.shown_name} has {spec.num_classes}."


DEFINITION = Definition(
    metrics=METRICS,
    default=lambda spec: spec.num_classes == 2,
    build=lambda spec, records, split: Binary(),
    misfit=misfit,
)
