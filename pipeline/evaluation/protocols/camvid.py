"""CamVid: global accuracy, class average and mIoU, as its literature reports them.

Badrinarayanan, Kendall, Cipolla: SegNet, TPAMI 2017, section 4.2; 11 classes, void left out. All from one confusion
matrix over the split: G the share of correct pixels, C the mean class accuracy, mIoU. As in compute_test_results.m of
https://github.com/alexgkendall/SegNet-Tutorial both means divide by the number of classes: a class that is not in the
truth counts 0, whether it is predicted or not. The published splits show all of them.
"""

import numpy as np

from datasets.spec import DatasetSpec
from models.metrics import Margins
from pipeline.evaluation.protocols.protocol import ConfusionSum, Definition, Result

METRICS = ("global_accuracy", "class_average", "miou")


class CamVid(ConfusionSum):
    """Sums the confusion matrices of all images."""

    def result(self) -> Result:
        """Compute global_accuracy, class_average and miou."""
        margins = Margins.of(self.sums["confusion"])
        if not margins.truth.any():
            return Result(dict.fromkeys(METRICS))
        means = (np.nan_to_num(values).mean() for values in (margins.recall(), margins.iou()))
        values = (margins.pixel_accuracy(), *means)
        return Result({name: float(value) for name, value in zip(METRICS, values, strict=True)})


def misfit(spec: DatasetSpec) -> str | None:
    """Return why these are not the classes of CamVid; None if they are."""
    if spec.num_classes == 11:
        return None
    return f"is defined for the 11 classes of CamVid. {spec.shown_name} has {spec.num_classes} here."


DEFINITION = Definition(
    metrics=METRICS,
    default=lambda spec: spec.name == "camvid",
    build=lambda spec, records, split: CamVid(spec.num_classes),
    misfit=misfit,
)
