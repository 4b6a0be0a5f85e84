"""Two classes: how the answer depends on the threshold at which a pixel counts as the second class.

IoU of the second class at every threshold k / 1024, the best of them, and average precision, the area under the
precision-recall steps: sum of (R_k - R_k-1) P_k over falling thresholds, as in Manning et al., Introduction to
Information Retrieval, 2008, section 8.4, without interpolation. Probabilities are counted in 1024 equal steps.
"""

import numpy as np

from datasets.spec import IGNORE
from pipeline.evaluation.exact_sums import Sums
from pipeline.evaluation.protocols.protocol import Findings, Scored

LEVELS = 1024


class Binary:
    """See the module."""

    def __init__(self) -> None:
        self.sums: Sums = {"counts": np.zeros((2, LEVELS), np.int64)}

    def add(self, image: Scored) -> None:
        """Count an image."""
        counts = image.truth != IGNORE
        levels = np.minimum((image.positive[counts] * LEVELS).astype(np.int64), LEVELS - 1)
        cells = image.truth[counts].astype(np.int64) * LEVELS + levels
        self.sums["counts"] += np.bincount(cells, minlength=2 * LEVELS).reshape(2, LEVELS)

    def findings(self) -> Findings:
        """Give iou_at_half, best_iou, best_threshold and average_precision, and IoU at each tenth."""
        # At threshold k: every pixel of level k or above is answered with the second class.
        false, true = (np.cumsum(counts[::-1])[::-1].astype(np.float64) for counts in self.sums["counts"])
        positives = true[0]
        if not positives:
            names = ("iou_at_half", "best_iou", "best_threshold", "average_precision")
            return Findings(dict.fromkeys(names), note="The split shows no pixel of the second class.")
        iou = true / (positives + false)
        precision = np.divide(true, true + false, out=np.zeros_like(true), where=true + false > 0)
        recall = np.append(true / positives, 0.0)
        best = int(iou.argmax())
        tenths = {
            f"{tenth / 10:.1f}": _row(iou, precision, recall, round(tenth * LEVELS / 10)) for tenth in range(1, 10)
        }
        figures = {
            "iou_at_half": float(iou[LEVELS // 2]),
            "best_iou": float(iou[best]),
            "best_threshold": best / LEVELS,
            "average_precision": float(((recall[:-1] - recall[1:]) * precision).sum()),
        }
        return Findings(figures, {"Thresholds": tenths})


def _row(iou: np.ndarray, precision: np.ndarray, recall: np.ndarray, level: int) -> dict[str, float | None]:
    values = {"IoU": iou, "precision": precision, "recall": recall}
    return {name: float(curve[level]) for name, curve in values.items()}
