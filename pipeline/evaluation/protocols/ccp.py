"""Clothing Co-Parsing: pixel accuracy and mean recall, with the background class `null` and without, and mIoU.

Yang, Luo, Lin: Clothing co-parsing by joint image segmentation and labeling, CVPR 2014, section 5: accuracy over all
pixels, and over garments alone, as the background fills most of a photo. Without `null`: the pixels whose truth is
`null` are left out of accuracy, and the class out of the means; a garment pixel answered with `null` is a miss.
"""

from collections.abc import Sequence

import numpy as np

from models.metrics import Margins
from pipeline.evaluation.exact_sums import Sums
from pipeline.evaluation.protocols.protocol import Findings, Scored

NULL = "null"


class ClothingCoParsing:
    """See the module."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._garments = [index for index, name in enumerate(classes) if name != NULL]
        self.sums: Sums = {"confusion": np.zeros((len(classes), len(classes)), np.int64)}

    def add(self, image: Scored) -> None:
        """Count an image."""
        self.sums["confusion"] += image.confusion

    def findings(self) -> Findings:
        """Give accuracy, mean recall and mIoU, each with `null` and without."""
        every = Margins.of(self.sums["confusion"])
        garments = Margins(*(part[self._garments] for part in (every.hits, every.truth, every.predicted)))
        figures = {
            "pixel_accuracy": every.pixel_accuracy(),
            "mean_recall": every.mean_class_accuracy(),
            "miou": every.mean_iou(),
            "pixel_accuracy_without_null": garments.pixel_accuracy(),
            "mean_recall_without_null": garments.mean_class_accuracy(),
            "miou_without_null": garments.mean_iou(),
        }
        return Findings({name: None if np.isnan(value) else float(value) for name, value in figures.items()})
