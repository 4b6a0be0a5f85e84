"""Boundary F1: how well outlines are met, whatever lies inside them.

Csurka, Larlus, Perronnin: What is a good evaluation measure for semantic segmentation?, BMVC 2013: a boundary pixel
is right if one of the other map lies within 0.75 % of the image's diagonal; precision over the prediction's outline,
recall over the truth's. A class's score is the mean of F1 over the images whose truth or prediction shows its outline.

A pixel is on the outline of its class if a neighbour above, below, left or right has another class. Where the truth is
ignored, there is no outline in either map.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from datasets.spec import IGNORE
from pipeline.evaluation import exact_sums
from pipeline.evaluation.exact_sums import Sums
from pipeline.evaluation.protocols.protocol import Findings, Scored

TOLERANCE = 0.0075
"""Share of the diagonal; section 3.2 of the paper."""

COLUMNS = ("F1", "precision", "recall")


class BoundaryF1:
    """See the module."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        nothing = np.zeros(len(classes))
        self.sums: Sums = {"images": nothing.astype(np.int64), **{name: exact_sums.exact(nothing) for name in COLUMNS}}

    def add(self, image: Scored) -> None:
        """Count an image."""
        radius = TOLERANCE * math.hypot(*image.truth.shape)
        ignored = image.truth == IGNORE
        truth, predicted = outlines(image.truth, ignored), outlines(image.prediction, ignored)
        for index in range(len(self._classes)):
            ours, theirs = predicted.get(index), truth.get(index)
            if ours is None and theirs is None:
                continue
            self.sums["images"][index] += 1
            if ours is None or theirs is None:
                continue
            precision, recall = _near(ours, theirs, radius), _near(theirs, ours, radius)
            f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
            for name, share in zip(COLUMNS, exact_sums.exact(np.array([f1, precision, recall])), strict=True):
                self.sums[name][index] += share

    def findings(self) -> Findings:
        """Give the mean over the classes, and each class's mean F1, precision and recall."""
        rows, totals = {}, {column: exact_sums.value(self.sums[column]) for column in COLUMNS}
        for index, name in enumerate(self._classes):
            count = self.sums["images"][index]
            rows[name] = {column: float(total[index] / count) if count else None for column, total in totals.items()}
        scores = [row["F1"] for row in rows.values() if row["F1"] is not None]
        note = f"An outline within {TOLERANCE:.2%} of the diagonal counts as met; means over images."
        return Findings({"f1": float(np.mean(scores)) if scores else None}, {"Boundaries": rows}, note)


def outlines(mask: np.ndarray, ignored: np.ndarray) -> dict[int, np.ndarray]:
    """Give the outline pixels of each class in a mask, {class: int [n,2] of (row, column)}."""
    edge = np.zeros(mask.shape, bool)
    for axis in (0, 1):
        seen, hidden, marked = (np.moveaxis(array, axis, 0) for array in (mask, ignored, edge))
        differs = (seen[1:] != seen[:-1]) & ~hidden[1:] & ~hidden[:-1]
        marked[1:] |= differs
        marked[:-1] |= differs
    places = np.argwhere(edge)
    classes = mask[edge]
    order = np.argsort(classes, kind="stable")
    found, begins = np.unique(classes[order], return_index=True)
    return dict(zip(map(int, found), np.split(places[order], begins[1:]), strict=True)) if len(found) else {}


def _near(points: np.ndarray, others: np.ndarray, radius: float) -> float:
    """Share of `points` that have one of `others` within `radius`."""
    distances, _ = cKDTree(others).query(points, distance_upper_bound=np.nextafter(radius, np.inf))
    return float(np.isfinite(distances).mean())
