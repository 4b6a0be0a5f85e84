"""Expected calibration error: how far a model's confidence is from its accuracy, over all pixels.

Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks, ICML 2017: 15 bins of equal width.
"""

from typing import Any

import numpy as np

from datasets.spec import IGNORE
from pipeline.evaluation import exact_sums
from pipeline.evaluation.exact_sums import Sums

BINS = 15


class Calibration:
    """Counts pixels by the model's confidence, ignored ones left out.

    Attributes:
        sums: [BINS] each: pixels, correct pixels ("right"), and the sum of their confidences, exact over images.
    """

    def __init__(self) -> None:
        zeros = np.zeros(BINS, np.int64)
        self.sums: Sums = {"pixels": zeros, "right": zeros.copy(), "confidence": exact_sums.exact(zeros)}

    def add(self, truth: np.ndarray, prediction: np.ndarray, confidence: np.ndarray) -> None:
        """Count an image: truth and prediction uint8 [H,W] of train ids, confidence float32 [H,W] in 0..1."""
        valid = truth != IGNORE
        confidences = confidence[valid].astype(np.float64)
        # (0, 1/15], ..., (14/15, 1]: as in the paper, a bin holds its upper end.
        bins = np.clip(np.ceil(confidences * BINS).astype(np.int64) - 1, 0, BINS - 1)
        self.sums["pixels"] += np.bincount(bins, minlength=BINS)
        self.sums["right"] += np.bincount(bins[(truth == prediction)[valid]], minlength=BINS)
        self.sums["confidence"] += exact_sums.exact(np.bincount(bins, weights=confidences, minlength=BINS))

    def result(self) -> dict[str, Any]:
        """Return plain values: "ece", the mean |accuracy - confidence| over pixels, and "bins", a row for each."""
        counts, right = self.sums["pixels"], self.sums["right"]
        confidence = exact_sums.value(self.sums["confidence"])
        total = counts.sum()
        ece = float(np.abs(right - confidence).sum() / total) if total else None
        bins = [
            {
                "low": index / BINS,
                "high": (index + 1) / BINS,
                "pixels": int(pixels),
                "confidence": float(confidence[index] / pixels) if pixels else None,
                "accuracy": float(right[index] / pixels) if pixels else None,
            }
            for index, pixels in enumerate(counts)
        ]
        return {"ece": ece, "bins": bins}
