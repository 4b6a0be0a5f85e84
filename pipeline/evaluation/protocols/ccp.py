"""Clothing Co-Parsing: pixel accuracy, mean recall and mIoU, each with the background class `null` and without.

Yang, Luo, Lin: Clothing co-parsing by joint image segmentation and labeling, CVPR 2014, section 5: accuracy over all
pixels, and over garments only, as the background fills most of a photo. Without `null`: the pixels whose truth is
`null` are left out of accuracy, and the class out of the means; a garment pixel predicted as `null` is a miss.
"""

from collections.abc import Sequence

import numpy as np

from models.metrics import Margins
from pipeline.evaluation.exact_sums import Sums
from pipeline.evaluation.protocols.protocol import Definition, Result, ScoredImage

NULL = "null"

WITH_NULL = ("pixel_accuracy", "mean_recall", "miou")
METRICS = (*WITH_NULL, *(f"{name}_without_null" for name in WITH_NULL))


class ClothingCoParsing:
    """Sums the confusion matrices of all images.

    Args:
        classes: C names, one of them `null`.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._garments = [index for index, name in enumerate(classes) if name != NULL]
        self.sums: Sums = {"confusion": np.zeros((len(classes), len(classes)), np.int64)}

    def add(self, image: ScoredImage) -> None:
        """Count an image."""
        self.sums["confusion"] += image.confusion

    def result(self) -> Result:
        """Compute accuracy, mean recall and mIoU, each with `null` and without."""
        every = Margins.of(self.sums["confusion"])
        garments = Margins(*(part[self._garments] for part in (every.hits, every.truth, every.predicted)))
        values = [
            value
            for margins in (every, garments)
            for value in (margins.pixel_accuracy(), margins.mean_class_accuracy(), margins.mean_iou())
        ]
        pairs = zip(METRICS, values, strict=True)
        return Result({name: None if np.isnan(value) else float(value) for name, value in pairs})


DEFINITION = Definition(
    metrics=METRICS,
    default=lambda spec: spec.name == "ccp",
    build=lambda spec, records, split: ClothingCoParsing(spec.classes),
    misfit=lambda spec: None if NULL in spec.classes else f"needs a class called {NULL!r}. {spec.name} has none.",
)
