"""CamVid: global accuracy, class average and mIoU, as its literature reports them.

Badrinarayanan, Kendall, Cipolla: SegNet, TPAMI 2017, section 4.2; 11 classes, void left out. All from one confusion
matrix over the split: G pixels that are right, C mean of the class accuracies, mIoU mean over the classes there are.
"""

import numpy as np

from models import metrics
from pipeline.evaluation.exact_sums import Sums
from pipeline.evaluation.protocols.protocol import Findings, Scored


class CamVid:
    """See the module."""

    def __init__(self, num_classes: int) -> None:
        self.sums: Sums = {"confusion": np.zeros((num_classes, num_classes), np.int64)}

    def add(self, image: Scored) -> None:
        """Count an image."""
        self.sums["confusion"] += image.confusion

    def findings(self) -> Findings:
        """Give global_accuracy, class_average and miou."""
        confusion = self.sums["confusion"]
        figures = {
            "global_accuracy": metrics.pixel_accuracy(confusion),
            "class_average": metrics.mean_class_accuracy(confusion),
            "miou": metrics.mean_iou(confusion),
        }
        return Findings({name: None if np.isnan(value) else value for name, value in figures.items()})
