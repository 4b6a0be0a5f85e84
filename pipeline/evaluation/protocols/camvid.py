"""CamVid: global accuracy, class average and mIoU, as its literature reports them.

Badrinarayanan, Kendall, Cipolla: SegNet, TPAMI 2017, section 4.2; 11 classes, void left out. All from one confusion
matrix over the split: G the share of correct pixels, C the mean class accuracy, mIoU the mean over the classes present.
"""

from datasets.spec import DatasetSpec
from models.metrics import Margins
from pipeline.evaluation.confusion_metrics import plain
from pipeline.evaluation.protocols.protocol import ConfusionSum, Definition, Result

METRICS = ("global_accuracy", "class_average", "miou")


class CamVid(ConfusionSum):
    """Sums the confusion matrices of all images."""

    def result(self) -> Result:
        """Compute global_accuracy, class_average and miou."""
        margins = Margins.of(self.sums["confusion"])
        values = (margins.pixel_accuracy(), margins.mean_class_accuracy(), margins.mean_iou())
        return Result({name: plain(float(value)) for name, value in zip(METRICS, values, strict=True)})


def misfit(spec: DatasetSpec) -> str | None:
    """Return why these are not the classes of CamVid; None if they are."""
    if spec.num_classes == 11:
        return None
    return f"is defined for the 11 classes of CamVid. {spec.name} has {spec.num_classes} here."


DEFINITION = Definition(
    metrics=METRICS,
    default=lambda spec: spec.name == "camvid",
    build=lambda spec, records, split: CamVid(spec.num_classes),
    misfit=misfit,
)
