"""Does a model that says 90 % find the truth in 90 % of the pixels? Expected calibration error over all pixels.

Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks, ICML 2017: 15 bins of equal width.
"""

from typing import Any

import numpy as np

from datasets.spec import IGNORE

BINS = 15


class Calibration:
    """Collects how sure a model was, and how often it was right, over the pixels that count."""

    def __init__(self) -> None:
        self._pixels, self._right = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
        self._confidence = np.zeros(BINS)

    def add(self, truth: np.ndarray, prediction: np.ndarray, confidence: np.ndarray) -> None:
        """Count an image: truth and prediction uint8 [H,W], confidence float32 [H,W] in 0..1."""
        counts = truth != IGNORE
        sure = confidence[counts].astype(np.float64)
        # (0, 1/15], ..., (14/15, 1]: as in the paper, a bin holds its upper end.
        bins = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
        self._pixels += np.bincount(bins, minlength=BINS)
        self._right += np.bincount(bins[(truth == prediction)[counts]], minlength=BINS)
        self._confidence += np.bincount(bins, weights=sure, minlength=BINS)

    def result(self) -> dict[str, Any]:
        """Plain values: {"ece": mean |accuracy - confidence| over the pixels, "bins": [{low, high, pixels, ...}]}."""
        total = self._pixels.sum()
        ece = np.abs(self._right - self._confidence).sum() / total if total else None
        bins = [
            {
                "low": index / BINS,
                "high": (index + 1) / BINS,
                "pixels": int(pixels),
                "confidence": float(self._confidence[index] / pixels) if pixels else None,
                "accuracy": float(self._right[index] / pixels) if pixels else None,
            }
            for index, pixels in enumerate(self._pixels)
        ]
        return {"ece": None if ece is None else float(ece), "bins": bins}
