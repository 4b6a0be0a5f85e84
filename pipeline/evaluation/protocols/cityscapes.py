"""Cityscapes as cityscapesScripts 2 computes it: IoU and instance-weighted iIoU, by class and by category.

Source: https://github.com/mcordts/cityscapesScripts, evaluation/evalPixelLevelSemanticLabeling.py. Its rules:
- Pixels whose truth is ignored count nowhere. A valid pixel that is answered with an ignored id is a false negative.
- A class that is neither there nor answered has no IoU and is left out of the mean; one that is only answered counts 0.
- Category: a pixel answered with another class of its category is right.
- iIoU: true positives and false negatives are summed by instance, each weighted by average class size / its own size;
  false positives are those of the IoU. Pixels that belong to a group and to no single instance are left out of both.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.spec import IGNORE
from pipeline.errors import UserError
from pipeline.evaluation import exact_sums
from pipeline.evaluation.exact_sums import Sums
from pipeline.evaluation.protocols.protocol import Findings, Scored

CATEGORIES = {
    "flat": ("road", "sidewalk"),
    "construction": ("building", "wall", "fence"),
    "object": ("pole", "traffic light", "traffic sign"),
    "nature": ("vegetation", "terrain"),
    "sky": ("sky",),
    "human": ("person", "rider"),
    "vehicle": ("car", "truck", "bus", "train", "motorcycle", "bicycle"),
}
"""Source: helpers/labels.py of cityscapesScripts."""

LABEL_IDS = {
    **{"person": 24, "rider": 25, "car": 26, "truck": 27, "bus": 28},
    **{"train": 31, "motorcycle": 32, "bicycle": 33},
}
"""Classes with instances; an instance id is label id * 1000 + number. Source: helpers/labels.py."""

AVERAGE_SIZES = {
    "bicycle": 4672.3249222261,
    "motorcycle": 6298.7200839748,
    "rider": 3930.4788056518,
    "bus": 35732.1511111111,
    "train": 67583.7075812274,
    "car": 12794.0202738185,
    "person": 3462.4756337644,
    "truck": 27855.1264367816,
}
"""Average pixels of an instance in the training set. Source: args.avgClassSize of the evaluation script."""

INSTANCE_CATEGORIES = ("human", "vehicle")
"""Categories all of whose classes have instances."""


class Cityscapes:
    """See the module.

    Args:
        classes: Class names, among them the 19 of Cityscapes.
        instances: Folder with <id>.png of instance ids, 16 bit; None: there are none, and no iIoU.
    """

    def __init__(self, classes: Sequence[str], instances: Path | None) -> None:
        self._classes = tuple(classes)
        count = len(classes)
        self._instances = instances
        weighted = {name: exact_sums.exact(np.zeros(2)) for name in (*LABEL_IDS, *INSTANCE_CATEGORIES)}
        # The last column of the matrix: answered with an ignored id.
        self.sums: Sums = {"confusion": np.zeros((count, count + 1), np.int64), **weighted}

    def add(self, image: Scored) -> None:
        """Count an image.

        Raises:
            UserError: Its instances are missing or of another size.
        """
        counts = image.truth != IGNORE
        count = len(self._classes)
        answered = np.minimum(image.prediction[counts], count).astype(np.int64)
        cells = image.truth[counts].astype(np.int64) * (count + 1) + answered
        self.sums["confusion"] += np.bincount(cells, minlength=count * (count + 1)).reshape(count, count + 1)
        if self._instances:
            self._add_instances(image, _read(self._instances / f"{image.id}.png", image.truth.shape))

    def _add_instances(self, image: Scored, instances: np.ndarray) -> None:
        """Weigh each instance's pixels that are right and that are not, for its class and its category."""
        index = {name: number for number, name in enumerate(self._classes)}
        # One sort of the pixels of instances instead of one pass over the image for each.
        of_instance = instances > 1000
        ids, which = np.unique(instances[of_instance], return_inverse=True)
        sizes = np.bincount(which, minlength=len(ids))
        predicted = image.prediction[of_instance]
        names = {number: name for name, number in LABEL_IDS.items()}
        for category in INSTANCE_CATEGORIES:
            members = [index[name] for name in CATEGORIES[category]]
            in_category = np.bincount(which, weights=np.isin(predicted, members), minlength=len(ids))
            for name in CATEGORIES[category]:
                right = np.bincount(which, weights=predicted == index[name], minlength=len(ids))
                for place in np.flatnonzero(ids // 1000 == LABEL_IDS[name]):
                    size = float(sizes[place])
                    weight = AVERAGE_SIZES[names[int(ids[place]) // 1000]] / size
                    for total, hit in ((name, right[place]), (category, in_category[place])):
                        self.sums[total] += exact_sums.exact(np.array([hit, size - hit]) * weight)

    def findings(self) -> Findings:
        """Give the four means of the official table, and IoU and iIoU of each class and category."""
        index = {name: number for number, name in enumerate(self._classes)}
        groups = {name: [index[name]] for name in self._classes}
        classes = {name: self._row(name, members) for name, members in groups.items()}
        categories = {
            name: self._row(name, [index[member] for member in members]) for name, members in CATEGORIES.items()
        }
        figures = {
            "class_iou": _mean([row["IoU"] for row in classes.values()]),
            "class_iiou": _mean([row.get("iIoU") for row in classes.values()]),
            "category_iou": _mean([row["IoU"] for row in categories.values()]),
            "category_iiou": _mean([row.get("iIoU") for row in categories.values()]),
        }
        note = "" if self._instances else "No instance ids lie with the records, so there is no iIoU."
        return Findings(figures, {"Classes": classes, "Categories": categories}, note)

    def _row(self, name: str, members: Sequence[int]) -> dict[str, float | None]:
        """IoU and iIoU of some classes taken as one."""
        confusion = self.sums["confusion"]
        hits = confusion[np.ix_(members, members)].sum()
        truth, answered = confusion[members].sum(), confusion[:, members].sum()
        false = answered - hits
        found = {"IoU": float(hits / (truth + false)) if truth + false else None}
        if self._instances and name in self.sums:
            right, missed = exact_sums.value(self.sums[name])
            total = right + missed + false
            found["iIoU"] = float(right / total) if total else None
        return found


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Instance ids of an image, int64 [H,W]."""
    if not path.is_file():
        raise UserError(
            f"evaluate.protocols: cityscapes: the instance ids {path} are not there. Run again with --rerun ingest."
        )
    with Image.open(path) as image:
        found = np.asarray(image).astype(np.int64)
    if found.shape != shape:
        raise UserError(f"{path} is of size {found.shape}, its mask {shape}. Put the raw files right and ingest again.")
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None
