"""KITTI Road as its development kit computes it (devkit_road/python), in Python 3: perspective and bird's-eye view.

Fritsch, Kuehnl, Geiger: A new performance measure and evaluation benchmark for road detection algorithms, ITSC 2013.
A submission is an 8-bit image of probabilities, so they are rounded to k/255 before anything is counted. At each of
the 256 thresholds k/255 a pixel of at least this probability is road. Counts are summed over a category's images; then
    MaxF       largest F1 over the thresholds; PRE, REC, FPR, FNR at that threshold
    AvgPrec    mean over recalls 0, 0.1 ... 1 of the highest precision at that recall or above (PASCAL VOC 2007)
URBAN sums all categories. The bird's-eye view covers 6 to 46 m ahead and 10 m to each side in pixels of 5 cm.
"""

from pathlib import Path

import numpy as np

from datasets.spec import IGNORE, DatasetSpec
from pipeline.errors import UserError
from pipeline.evaluation import exact_sums
from pipeline.evaluation.exact_sums import Sums
from pipeline.evaluation.protocols import binary
from pipeline.evaluation.protocols.protocol import Definition, Result, ScoredImage
from pipeline.workspace import json_file

LEVELS = 256
SIDE, AHEAD, RESOLUTION = (-10.0, 10.0), (6.0, 46.0), 0.05
"""Metres. Source: BirdsEyeView.__init__ of BirdsEyeView.py."""

COLUMNS = ("MaxF", "AvgPrec", "PRE", "REC", "FPR", "FNR")
URBAN = "URBAN"

# The kit compares float32 probabilities with float64 thresholds; so does this table.
_AT_LEAST = np.arange(LEVELS).astype(np.float32)[None] / np.float32(255) >= (np.arange(LEVELS) / 255.0)[:, None]
"""[threshold, level]: whether a pixel of this level is road at this threshold."""


class KittiRoad:
    """Counts the pixels of each view and category by true class and by level of the road's probability.

    Args:
        calibration: JSON file {image id: {"P2", "R0_rect", "Tr_cam_to_road": matrices}}; None: perspective view only.
    """

    def __init__(self, calibration: Path | None) -> None:
        self._calibration = json_file.read(calibration) if calibration else None
        self.sums: Sums = {}

    def add(self, image: ScoredImage) -> None:
        """Count an image.

        Raises:
            UserError: There is a calibration file, and the image is not in it.
        """
        levels = np.rint(image.positive * 255).astype(np.uint8)
        self._count("perspective", image.group, image.truth, levels)
        if self._calibration is not None:
            if image.id not in self._calibration:
                raise UserError(f"evaluate.protocols: kitti_road: no calibration for image {image.id!r}.")
            rows, columns, inside = look_up(self._calibration[image.id], image.truth.shape)
            above = np.full(inside.shape, IGNORE, np.uint8), np.zeros(inside.shape, np.uint8)
            for view, source in zip(above, (image.truth, levels), strict=True):
                view[inside] = source[rows, columns]
            self._count("bird's-eye view", image.group, *above)

    def _count(self, view: str, group: str, truth: np.ndarray, levels: np.ndarray) -> None:
        valid = truth != IGNORE
        cells = (truth[valid] == 1).astype(np.int64) * LEVELS + levels[valid]
        counts = np.bincount(cells, minlength=2 * LEVELS).reshape(2, LEVELS)
        exact_sums.add(self.sums, {f"{view}/{group}": counts})

    def result(self) -> Result:
        """Compute the six metrics of URBAN (prefixed `bev_` for the bird's-eye view), and a table of each view."""
        metrics: dict[str, float | None] = {}
        tables = {}
        for view, prefix in (("perspective", ""), ("bird's-eye view", "bev_")):
            keys = {name: name.partition("/") for name in self.sums}
            groups = {group: self.sums[name] for name, (of, _, group) in sorted(keys.items()) if of == view}
            if groups:
                categories = groups | {URBAN: np.sum(list(groups.values()), axis=0)}
                rows = {name: measures(counts) for name, counts in categories.items()}
                tables[view.capitalize()] = rows
                metrics |= {f"{prefix}{name}": value for name, value in rows[URBAN].items()}
        note = "" if self._calibration is not None else "The records have no calibration: perspective view only."
        return Result(metrics, tables, note)


def measures(counts: np.ndarray) -> dict[str, float | None]:
    """Compute the six metrics of COLUMNS; all None where no pixel, or every pixel, is road.

    Args:
        counts: int64 [2,256]: pixels that are not road, and that are, by level of probability.
    """
    negatives, positives = (int(part.sum()) for part in counts)
    if not positives or not negatives:
        return dict.fromkeys(COLUMNS)
    false, true = (_AT_LEAST @ part for part in counts)
    recall = true / float(positives)
    precision = true / (true + false + 1e-10)  # the kit's own guard against 0 / 0
    useful = (recall > 0) | (precision > 0)  # the kit drops the other thresholds
    recall, precision = recall[useful], precision[useful]
    average = np.mean([precision[recall >= level].max() for level in np.arange(0, 1.1, 0.1)])
    f1 = 2 * precision * recall / (precision + recall + 1e-10)
    best = int(f1.argmax())
    hits, alarms = true[best], false[best]
    shares = hits / (hits + alarms), hits / positives, alarms / negatives, (positives - hits) / positives
    return {name: float(value) for name, value in zip(COLUMNS, (f1[best], average, *shares), strict=True)}


def look_up(calibration: dict[str, list[float]], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which pixel of an image each pixel of its bird's-eye view shows.

    Args:
        calibration: P2 (3x4), R0_rect (3x3), Tr_cam_to_road (3x4), nested or flat.
        shape: (height, width) of the image.

    Returns:
        rows, columns: int64 [n], for the n pixels of the view that lie in the image; inside: bool [800,400], those n.
    """
    projection = np.reshape(calibration["P2"], (3, 4))
    rectify, to_road = np.eye(4), np.eye(4)
    rectify[:3, :3] = np.reshape(calibration["R0_rect"], (3, 3))
    to_road[:3] = np.reshape(calibration["Tr_cam_to_road"], (3, 4))
    # Of road coordinates (right, down, ahead) the ground has down = 0.
    ground = (projection @ rectify @ np.linalg.inv(to_road))[:, [0, 2, 3]]
    right = np.arange(SIDE[0] + RESOLUTION / 2, SIDE[1], RESOLUTION).astype(np.float32)
    ahead = np.arange(AHEAD[1] - RESOLUTION / 2, AHEAD[0], -RESOLUTION).astype(np.float32)
    mesh = np.stack(np.broadcast_arrays(right[None], ahead[:, None], np.float32(1)))
    projected = np.tensordot(ground, mesh, axes=1)
    x, y = projected[0] / projected[2], projected[1] / projected[2]
    inside = (y >= 1) & (x >= 1) & (y <= shape[0]) & (x <= shape[1])  # the kit counts pixels from 1
    return y[inside].astype(np.int64) - 1, x[inside].astype(np.int64) - 1, inside


def build(spec: DatasetSpec, records: Path, split: str) -> KittiRoad:
    """Make the protocol, with the bird's-eye view if the records have a calibration."""
    calibration = records / "calibration.json"
    return KittiRoad(calibration if calibration.is_file() else None)


DEFINITION = Definition(
    metrics=(*COLUMNS, *(f"bev_{name}" for name in COLUMNS)),
    default=lambda spec: spec.name == "kitti_road",
    build=build,
    misfit=binary.misfit,
)
