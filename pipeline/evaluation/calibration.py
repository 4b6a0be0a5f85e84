"""Does a model that says 90 % find the truth in 90 % of the pixels? Expected calibration error over all pixels.

Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks, ICML 2017: 15 bins of equal width.
"""

from typing import Any

import numpy as np

from datasets.spec import IGNORE
from pipeline.evaluation import exact_sums
from pipeline.evaluation.exact_sums import Sums

BINS = 15


class Calibration:
    """Collects how sure a model was, and how often it was right, over the pixels that count.

    Attributes:
        sums: Of each bin: pixels, those of them that are right, and the sum of their confidences, exact over images.
    """

    def __init__(self) -> None:
        nothing = np.zeros(BINS, np.int64)
        self.sums: Sums = {"pixels": nothing, "right": nothing.copy(), "confidence": exact_sums.exact(nothing)}

    def add(self, truth: np.ndarray, prediction: np.ndarray, confidence: np.ndarray) -> None:
        """Count an image: truth and prediction uint8 [H,W], confidence float32 [H,W] in 0..1."""
        counts = truth != IGNORE
        sure = confidence[counts].astype(np.float64)
        # (0, 1/15], ..., (14/15, 1]: as in the paper, a bin holds its upper end.
        bins = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
        self.sums["pixels"] += np.bincount(bins, minlength=BINS)
        self.sums["right"] += np.bincount(bins[(truth == prediction)[counts]], minlength=BINS)
        self.sums["confidence"] += exact_sums.exact(np.bincount(bins, weights=sure, minlength=BINS))

    def result(self) -> dict[str, Any]:
        """Plain values: {"ece": mean |accuracy - confidence| over the pixels, "bins": [{low, high, pixels, ...}]}."""
        pixels_of, right, confidence = (
            self.sums["pixels"],
            self.sums["right"],
            exact_sums.value(self.sums["confidence"]),
        )
        total = pixels_of.sum()
        ece = np.abs(right - confidence).sum() / total if total else None
        bins = [
            {
                "low": index / BINS,
                "high": (index + 1) / BINS,
                "pixels": int(pixels),
                "confidence": float(confidence[index] / pixels) if pixels else None,
                "accuracy": float(right[index] / pixels) if pixels else None,
            }
            for index, pixels in enumerate(pixels_of)
        ]
        return {"ece": None if ece is None else float(ece), "bins": bins}
