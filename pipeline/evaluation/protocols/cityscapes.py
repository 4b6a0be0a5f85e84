"""Cityscapes as cityscapesScripts 2 computes it: IoU and instance-weighted iIoU, by class and by category.

Source: https://github.com/mcordts/cityscapesScripts, evaluation/evalPixelLevelSemanticLabeling.py. Its rules:
- Pixels whose truth is ignored count nowhere. A valid pixel predicted as an ignored id is a false negative.
- A class neither in the truth nor predicted has no IoU and is left out of the mean; one only predicted counts 0.
- Category: a pixel predicted as another class of its category is correct.
- iIoU: true positives and false negatives are summed by instance, each weighted by average class size / its own size;
  false positives are those of the IoU. Pixels that belong to a group and to no single instance are left out of both.
- Caravan and trailer have instances and are ignored in the truth. A pixel predicted as one of them is a hit or a false
  positive of the iIoU of vehicles, not of their IoU. The 19 classes lack both, so that only other class lists show it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.spec import IGNORE, DatasetSpec
from pipeline.errors import UserError
from pipeline.evaluation import exact_sums
from pipeline.evaluation.exact_sums import Sums
from pipeline.evaluation.protocols.protocol import Definition, Result, ScoredImage

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

IGNORED = ("caravan", "trailer")
"""Vehicles with instances whose truth is ignored (ignoreInEval in helpers/labels.py)."""

INSTANCE_CATEGORIES = {"human": CATEGORIES["human"], "vehicle": (*CATEGORIES["vehicle"], *IGNORED)}
"""Categories all of whose labels have instances, with these labels, as generateInstanceStats lists them."""


class Cityscapes:
    """Counts pixels by class, and the weighted pixels of each instance.

    Args:
        classes: C names, among them the 19 of Cityscapes; one that is in IGNORED is ignored in the truth.
        instances: Folder of 16-bit instance ids, <image id>.png; None: no iIoU is computed.
    """

    def __init__(self, classes: Sequence[str], instances: Path | None) -> None:
        self._index = {name: number for number, name in enumerate(classes)}
        self._instances = instances
        weighted = {name: exact_sums.exact(np.zeros(2)) for name in (*LABEL_IDS, *INSTANCE_CATEGORIES)}
        # The last column of the matrix counts pixels predicted as an ignored id.
        self.sums: Sums = {"confusion": np.zeros((len(classes), len(classes) + 1), np.int64), **weighted}

    def add(self, image: ScoredImage) -> None:
        """Count an image.

        Raises:
            UserError: Its instance ids are missing or of another size.
        """
        valid = ~np.isin(image.truth, [IGNORE, *self._members(IGNORED)])
        count = len(self._index)
        predicted = np.minimum(image.prediction[valid], count).astype(np.int64)
        cells = image.truth[valid].astype(np.int64) * (count + 1) + predicted
        self.sums["confusion"] += np.bincount(cells, minlength=count * (count + 1)).reshape(count, count + 1)
        if self._instances:
            self._add_instances(image.prediction, _read(self._instances / f"{image.id}.png", image.truth.shape))

    def _add_instances(self, prediction: np.ndarray, instances: np.ndarray) -> None:
        """Add each instance's weighted hits and misses to its class and its category.

        Args:
            prediction: uint8 [H,W] of train ids.
            instances: int64 [H,W], label id * 1000 + number; less than 1000: no single instance.
        """
        # One sort of the pixels of all instances is faster than one pass over the image for each.
        of_instance = instances > 1000
        ids, which = np.unique(instances[of_instance], return_inverse=True)
        sizes = np.bincount(which, minlength=len(ids))
        predicted = prediction[of_instance]
        for category, labels in INSTANCE_CATEGORIES.items():
            members = self._members(labels)
            in_category = np.bincount(which, weights=np.isin(predicted, members), minlength=len(ids))
            for name in CATEGORIES[category]:
                in_class = np.bincount(which, weights=predicted == self._index[name], minlength=len(ids))
                for place in np.flatnonzero(ids // 1000 == LABEL_IDS[name]):
                    size = float(sizes[place])
                    weight = AVERAGE_SIZES[name] / size
                    for total, hits in ((name, in_class[place]), (category, in_category[place])):
                        self.sums[total] += exact_sums.exact(np.array([hits, size - hits]) * weight)

    def result(self) -> Result:
        """Compute the four means of the official table, and IoU and iIoU of each class and category."""
        classes = {name: self._row(name, (name,)) for name in self._index if name not in IGNORED}
        categories = {name: self._row(name, members) for name, members in CATEGORIES.items()}
        metrics = {
            "class_iou": _mean([row["IoU"] for row in classes.values()]),
            "class_iiou": _mean([row.get("iIoU") for row in classes.values()]),
            "category_iou": _mean([row["IoU"] for row in categories.values()]),
            "category_iiou": _mean([row.get("iIoU") for row in categories.values()]),
        }
        note = "" if self._instances else "The records have no instance ids, so there is no iIoU."
        return Result(metrics, {"Classes": classes, "Categories": categories}, note)

    def _members(self, names: Sequence[str]) -> list[int]:
        """Return the train ids of those classes that there are."""
        return [self._index[name] for name in names if name in self._index]

    def _row(self, name: str, classes: Sequence[str]) -> dict[str, float | None]:
        """Compute IoU and iIoU of the union of some classes."""
        members, predicted_too = self._members(classes), self._members(INSTANCE_CATEGORIES.get(name, classes))
        confusion = self.sums["confusion"]
        hits, truth = confusion[np.ix_(members, members)].sum(), confusion[members].sum()
        false, false_instances = (
            np.delete(confusion, members, axis=0)[:, columns].sum() for columns in (members, predicted_too)
        )
        row = {"IoU": float(hits / (truth + false)) if truth + false else None}
        if self._instances and name in self.sums:
            weighted_hits, weighted_misses = exact_sums.value(self.sums[name])
            total = weighted_hits + weighted_misses + false_instances
            row["iIoU"] = float(weighted_hits / total) if total else None
        return row


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read the instance ids of an image, int64 [H,W]; `shape` is that of its mask."""
    if not path.is_file():
        raise UserError(
            f"evaluate.protocols: cityscapes: the instance ids {path} do not exist. Run again with --rerun ingest."
        )
    with Image.open(path) as image:
        ids = np.asarray(image).astype(np.int64)
    if ids.shape != shape:
        raise UserError(f"{path} is of size {ids.shape}, its mask {shape}. Correct the raw files and ingest again.")
    return ids


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def misfit(spec: DatasetSpec) -> str | None:
    """Return which classes of Cityscapes a dataset lacks; None if it has all."""
    missing = [name for members in CATEGORIES.values() for name in members if name not in spec.classes]
    return f"needs the 19 classes of Cityscapes. Missing: {', '.join(missing)}." if missing else None


def build(spec: DatasetSpec, records: Path, split: str) -> Cityscapes:
    """Make the protocol, with instance ids if the records have those of the split."""
    instances = records / "instances" / split
    return Cityscapes(spec.classes, instances if instances.is_dir() else None)


DEFINITION = Definition(
    metrics=("class_iou", "class_iiou", "category_iou", "category_iiou"),
    default=lambda spec: spec.name == "cityscapes_semantic",
    build=build,
    misfit=misfit,
)
