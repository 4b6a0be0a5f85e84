"""Two classes: IoU and precision of the second class at every probability threshold, over pixels and over images.

IoU at every threshold k / 1024, the best of them, and average precision, the area under the precision-recall steps:
sum of (R_k - R_k-1) P_k over falling thresholds, without interpolation (Manning et al., Introduction to Information
Retrieval, 2008, section 8.4). Probabilities are counted in 1024 equal steps. Where no pixel is of the second class,
IoU at one half is 0 if it is predicted all the same, and the others are not defined.

Mean precision is the measure of the TGS salt identification challenge (Kaggle, 2018): an image's second class is one
object, and the image scores the share of the ten IoU thresholds 0.50, 0.55, ... 0.95 that its own IoU exceeds. An image
without the object scores 1 if none is predicted, otherwise 0. The result is the mean over the images, at one half.
"""

import numpy as np

from datasets.spec import IGNORE, DatasetSpec
from pipeline.evaluation.exact_sums import Sums
from pipeline.evaluation.protocols.protocol import Definition, Result, ScoredImage

LEVELS = 1024
"""Steps of probability."""

TENTHS = {f"{tenth / 10:.1f}": round(tenth * LEVELS / 10) for tenth in range(1, 10)}
"""Level of each probability threshold of the table."""

HALF = LEVELS // 2

TWENTIETHS = np.arange(10, 20)
"""The challenge's IoU thresholds times 20: compared as whole numbers, so that an IoU of 0.55 does not exceed 0.55."""

METRICS = ("iou_at_half", "best_iou", "best_threshold", "average_precision", "mean_precision")


class Binary:
    """Counts pixels by true class and by level of the second class's probability, and the IoU thresholds exceeded."""

    def __init__(self) -> None:
        self.sums: Sums = {
            "counts": np.zeros((2, LEVELS), np.int64),
            "exceeded": np.zeros(len(TENTHS), np.int64),
            "images": np.zeros(1, np.int64),
        }

    def add(self, image: ScoredImage) -> None:
        """Count an image. One whose pixels are all ignored has no mean precision."""
        valid = image.truth != IGNORE
        levels = np.minimum((image.positive[valid] * LEVELS).astype(np.int64), LEVELS - 1)
        cells = image.truth[valid].astype(np.int64) * LEVELS + levels
        counts = np.bincount(cells, minlength=2 * LEVELS).reshape(2, LEVELS)
        self.sums["counts"] += counts
        if len(cells):
            self.sums["exceeded"] += _exceeded(counts)
            self.sums["images"] += 1

    def result(self) -> Result:
        """Compute METRICS, and IoU, precision, recall and mean precision at each tenth."""
        false, true = _predicted(self.sums["counts"]).astype(np.float64)
        metrics: dict[str, float | None] = dict.fromkeys(METRICS)
        curves, note = {}, ""
        if positives := true[0]:
            iou = true / (positives + false)
            precision = np.divide(true, true + false, out=np.zeros_like(true), where=true + false > 0)
            recall = np.append(true / positives, 0.0)
            curves = {"IoU": iou, "precision": precision, "recall": recall}
            best = int(iou.argmax())
            metrics["iou_at_half"], metrics["best_iou"] = float(iou[HALF]), float(iou[best])
            metrics["best_threshold"] = best / LEVELS
            metrics["average_precision"] = float(((recall[:-1] - recall[1:]) * precision).sum())
        else:
            metrics["iou_at_half"] = 0.0 if false[HALF] else None
            note = "The split shows no pixel of the second class."
        tenths = {
            tenth: {name: float(curve[level]) for name, curve in curves.items()} for tenth, level in TENTHS.items()
        }
        if images := int(self.sums["images"][0]):
            for row, exceeded in zip(tenths.values(), self.sums["exceeded"], strict=True):
                row["mean precision"] = float(exceeded / (len(TWENTIETHS) * images))
            metrics["mean_precision"] = tenths["0.5"]["mean precision"]
        return Result(metrics, {"Thresholds": tenths} if images else {}, note)


def _predicted(counts: np.ndarray) -> np.ndarray:
    """Count the pixels of each true class that are predicted as the second class at each level: int64 [2,LEVELS]."""
    return np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]


def _exceeded(counts: np.ndarray) -> np.ndarray:
    """Count the IoU thresholds that an image exceeds at each tenth, int64 [9], from its counts [2,LEVELS]."""
    predicted = _predicted(counts)
    false, true = predicted[:, list(TENTHS.values())]
    union = (predicted[1, 0] + false)[:, None]
    # Without an object and without a prediction, 0 > 0 would not count as a hit.
    return ((20 * true[:, None] > TWENTIETHS * union) | (union == 0)).sum(axis=1)


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
