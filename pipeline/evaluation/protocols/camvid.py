"""CamVid: global accuracy, class average and mIoU, as its literature reports them.

Badrinarayanan, Kendall, Cipolla: SegNet, TPAMI 2017, section 4.2; 11 classes, void left out. All from one confusion
matrix over the split: G the share of correct pixels, C the mean class accuracy, mIoU the mean over the classes present.
"""

import numpy as np

from datasets.spec import DatasetSpec
from models import metrics
from pipeline.evaluation.exact_sums import Sums
from pipeline.evaluation.protocols.protocol import Definition, Result, ScoredImage


class CamVid:
    """Sums the confusion matrices of all images."""

    def __init__(self, num_classes: int) -> None:
        self.sums: Sums = {"confusion": np.zeros((num_classes, num_classes), np.int64)}

    def add(self, image: ScoredImage) -> None:
        """Count an image."""
        self.sums["confusion"] += image.confusion

    def result(self) -> Result:
        """Compute global_accuracy, class_average and miou."""
        confusion = self.sums["confusion"]
        values = {
            "global_accuracy": metrics.pixel_accuracy(confusion),
            "class_average": metrics.mean_class_accuracy(confusion),
            "miou": metrics.mean_iou(confusion),
        }
        return Result({name: None if np.isnan(value) else value for name, value in values.items()})


def misfit(spec: DatasetSpec) -> str | None:
    """Return why these are not the classes of CamVid; None if they are."""
    if spec.num_classes == 11:
        return None
    return f"is defined for the 11 classes of CamVid. {spec.name} has {spec.num_classes} here."


DEFINITION = Definition(
    metrics=("global_accuracy", "class_average", "miou"),
    default=lambda spec: spec.name == "camvid",
    build=lambda spec, records, split: CamVid(spec.num_classes),
    misfit=misfit,
)
