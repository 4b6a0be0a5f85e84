"""Which protocols there are, which fit a dataset, and which are used when the recipe names none."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UserError

if TYPE_CHECKING:
    from datasets.spec import DatasetSpec
    from pipeline.evaluation.protocols.protocol import Protocol

NAMES = ("boundary", "binary", "camvid", "ccp", "cityscapes", "kitti_road")

DATASETS = {"camvid": "camvid", "ccp": "ccp", "cityscapes_semantic": "cityscapes", "kitti_road": "kitti_road"}
"""The protocol that goes with a dataset."""

_KITTI = ("MaxF", "AvgPrec", "PRE", "REC", "FPR", "FNR")
_CCP = ("pixel_accuracy", "mean_recall", "miou")

FIGURES = {
    "boundary": ("f1",),
    "binary": ("iou_at_half", "best_iou", "best_threshold", "average_precision"),
    "camvid": ("global_accuracy", "class_average", "miou"),
    "ccp": (*_CCP, *(f"{name}_without_null" for name in _CCP)),
    "cityscapes": ("class_iou", "class_iiou", "category_iou", "category_iiou"),
    "kitti_road": (*_KITTI, *(f"bev_{name}" for name in _KITTI)),
}
"""Figures of each protocol, so that a recipe's gate can be checked before anything runs. Tables are apart."""


def chosen(names: Sequence[str] | None, spec: "DatasetSpec") -> tuple[str, ...]:
    """Give the protocols to use: those the recipe names, or boundaries and what goes with the dataset.

    Raises:
        UserError: One does not fit the dataset; all are named.
    """
    if names is None:
        own = DATASETS.get(spec.name)
        fitting = ("boundary", *(["binary"] if spec.num_classes == 2 else []), *([own] if own else []))
        return tuple(name for name in fitting if not unfit(name, spec))
    found = problems(names, spec)
    if found:
        raise UserError("\n".join(found))
    return tuple(names)


def problems(names: Sequence[str], spec: "DatasetSpec") -> list[str]:
    """Say of each protocol that cannot be used with a dataset why."""
    return [f"evaluate.protocols: {name}: {why}" for name in names if (why := unfit(name, spec))]


def unfit(name: str, spec: "DatasetSpec") -> str | None:
    """Say why a protocol cannot be used with a dataset; None if it can."""
    if name in ("binary", "kitti_road") and spec.num_classes != 2:
        return f"needs 2 classes, the second of them what is looked for. {spec.name} has {spec.num_classes}."
    if name == "camvid" and spec.num_classes != 11:
        return f"is defined for the 11 classes of CamVid. {spec.name} has {spec.num_classes} here."
    if name == "ccp" and "null" not in spec.classes:
        return f"needs a class called 'null'. {spec.name} has none."
    if name == "cityscapes":
        from pipeline.evaluation.protocols.cityscapes import CATEGORIES

        missing = [member for members in CATEGORIES.values() for member in members if member not in spec.classes]
        return f"needs the 19 classes of Cityscapes. Not here: {', '.join(missing)}." if missing else None
    return None


def build(name: str, spec: "DatasetSpec", records: Path, split: str) -> "Protocol":
    """Make a protocol ready to count.

    Args:
        name: One of NAMES.
        spec: The dataset's facts.
        records: The records folder; instances/<split>/ and calibration.json are used where they are there.
        split: The split that is measured.
    """
    from pipeline.evaluation.protocols import binary, boundary, camvid, ccp, cityscapes, kitti_road

    if name == "boundary":
        return boundary.BoundaryF1(spec.classes)
    if name == "binary":
        return binary.Binary()
    if name == "camvid":
        return camvid.CamVid(spec.num_classes)
    if name == "ccp":
        return ccp.ClothingCoParsing(spec.classes)
    if name == "cityscapes":
        instances = records / "instances" / split
        return cityscapes.Cityscapes(spec.classes, instances if instances.is_dir() else None)
    calibration = records / "calibration.json"
    return kitti_road.KittiRoad(calibration if calibration.is_file() else None)
