"""Boundary F1: how closely predicted outlines follow the true ones, whatever lies inside them.

Csurka, Larlus, Perronnin: What is a good evaluation measure for semantic segmentation?, BMVC 2013: a boundary pixel is
correct if the other map has one within 0.75 % of the image's diagonal; precision is over the prediction's outline,
recall over the truth's. A class's score is the mean of F1 over the images whose truth or prediction has its outline.

A pixel is on the outline of its class if a neighbour above, below, left or right has another class. Where the truth is
ignored, neither map has an outline.

>>> truth = np.zeros((90, 120), np.uint8)
>>> truth[20:60, 30:80] = 1
>>> shifted = np.roll(truth, 1, axis=0)  # by less than 0.75 % of the diagonal, 1.125 pixels
>>> protocol = BoundaryF1(["ground", "road"])
>>> protocol.add(ScoredImage("a", "", truth, shifted, truth * 0.0, np.zeros(0)))
>>> protocol.result().metrics
{'f1': 1.0}
"""

import math
from collections.abc import Sequence

import numpy as np

from datasets.spec import IGNORE
from pipeline.evaluation import exact_sums
from pipeline.evaluation.exact_sums import Sums
from pipeline.evaluation.protocols.protocol import Definition, Result, ScoredImage

TOLERANCE = 0.0075
"""Share of the diagonal; section 3.2 of the paper."""

COLUMNS = ("F1", "precision", "recall")


class BoundaryF1:
    """Sums the boundary F1, precision and recall of each class over the images that show its outline.

    Args:
        classes: C names.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        zeros = np.zeros(len(classes))
        self.sums: Sums = {"images": zeros.astype(np.int64), **{name: exact_sums.exact(zeros) for name in COLUMNS}}

    def add(self, image: ScoredImage) -> None:
        """Count an image."""
        radius = TOLERANCE * math.hypot(*image.truth.shape)
        ignored = image.truth == IGNORE
        truth, predicted = outlines(image.truth, ignored), outlines(image.prediction, ignored)
        for index in range(len(self._classes)):
            in_prediction, in_truth = predicted.get(index), truth.get(index)
            if in_prediction is None and in_truth is None:
                continue
            self.sums["images"][index] += 1
            if in_prediction is None or in_truth is None:
                continue  # F1, precision and recall are 0
            precision, recall = _near(in_prediction, in_truth, radius), _near(in_truth, in_prediction, radius)
            f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
            for name, share in zip(COLUMNS, exact_sums.exact(np.array([f1, precision, recall])), strict=True):
                self.sums[name][index] += share

    def result(self) -> Result:
        """Compute the mean over the classes, and each class's mean F1, precision and recall."""
        rows, totals = {}, {column: exact_sums.value(self.sums[column]) for column in COLUMNS}
        for index, name in enumerate(self._classes):
            count = self.sums["images"][index]
            rows[name] = {column: float(total[index] / count) if count else None for column, total in totals.items()}
        scores = [row["F1"] for row in rows.values() if row["F1"] is not None]
        note = f"An outline pixel within {TOLERANCE:.2%} of the diagonal is correct; means over images."
        return Result({"f1": float(np.mean(scores)) if scores else None}, {"Boundaries": rows}, note)


def outlines(mask: np.ndarray, ignored: np.ndarray) -> dict[int, np.ndarray]:
    """Return the outline pixels of each class in a mask.

    Args:
        mask: uint8 [H,W] of train ids.
        ignored: bool [H,W]; neither an ignored pixel nor a difference from one makes an outline.

    Returns:
        {train id: int64 [n,2] of (row, column)}, only of classes with an outline.
    """
    edge = np.zeros(mask.shape, bool)
    for axis in (0, 1):
        ids, hidden, marked = (np.moveaxis(array, axis, 0) for array in (mask, ignored, edge))
        differs = (ids[1:] != ids[:-1]) & ~hidden[1:] & ~hidden[:-1]
        marked[1:] |= differs
        marked[:-1] |= differs
    places = np.argwhere(edge)
    classes = mask[edge]
    order = np.argsort(classes, kind="stable")
    present, begins = np.unique(classes[order], return_index=True)
    return dict(zip(map(int, present), np.split(places[order], begins[1:]), strict=True)) if len(present) else {}


def _near(points: np.ndarray, others: np.ndarray, radius: float) -> float:
    """Return the share of `points`, int [n,2], with one of `others`, int [m,2], within `radius` pixels."""
    from scipy.spatial import cKDTree  # 0.3 s, which a recipe's check has no use for

    distances, _ = cKDTree(others).query(points, distance_upper_bound=np.nextafter(radius, np.inf))
    return float(np.isfinite(distances).mean())


DEFINITION = Definition(
    metrics=("f1",), default=lambda spec: True, build=lambda spec, records, split: BoundaryF1(spec.classes)
)
