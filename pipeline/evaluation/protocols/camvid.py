"""CamVid: global accuracy, class average and mIoU, as its literature reports them.

Badrinarayanan, Kendall, Cipolla: SegNet, TPAMI 2017, section 4.2; 11 classes, void left out. All from one confusion
matrix over the split: G pixels that are right, C mean of the class accuracies, mIoU mean over the classes there are.
"""

import numpy as np

from models import metrics
from pipeline.evaluation.protocols.protocol import Findings, Scored


class CamVid:
    """See the module."""

    def __init__(self, num_classes: int) -> None:
        self._confusion = np.zeros((num_classes, num_classes), np.int64)

    def add(self, image: Scored) -> None:
        """Count an image."""
        self._confusion += image.confusion

    def findings(self) -> Findings:
        """Give global_accuracy, class_average and miou."""
        figures = {
            "global_accuracy": metrics.pixel_accuracy(self._confusion),
            "class_average": metrics.mean_class_accuracy(self._confusion),
            "miou": metrics.mean_iou(self._confusion),
        }
        return Findings({name: None if np.isnan(value) else value for name, value in figures.items()})
