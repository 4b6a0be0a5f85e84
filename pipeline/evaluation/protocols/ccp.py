"""Clothing Co-Parsing: pixel accuracy, mean recall and mIoU, each with the background class `null` and without.

Yang, Luo, Lin: Clothing co-parsing by joint image segmentation and labeling, CVPR 2014, section 5: accuracy over all
pixels, and over garments only, as the background fills most of a photo. Without `null`: the pixels whose truth is
`null` are left out of accuracy, and the class out of the means; a garment pixel predicted as `null` is a miss. A
garment that is predicted and in no truth has IoU 0, which counts in mIoU.
"""

from collections.abc import Sequence

from models.metrics import Margins
from pipeline.evaluation.confusion_metrics import plain
from pipeline.evaluation.protocols.protocol import ConfusionSum, Definition, Result

NULL = "null"

WITH_NULL = ("pixel_accuracy", "mean_recall", "miou")
METRICS = (*WITH_NULL, *(f"{name}_without_null" for name in WITH_NULL))


class ClothingCoParsing(ConfusionSum):
    """Sums the confusion matrices of all images.

    Args:
        classes: C names, one of them `null`.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(len(classes))
        self._garments = [index for index, name in enumerate(classes) if name != NULL]

    def result(self) -> Result:
        """Compute accuracy, mean recall and mIoU, each with `null` and without."""
        every = Margins.of(self.sums["confusion"])
        garments = Margins(*(part[self._garments] for part in (every.hits, every.truth, every.predicted)))
        metrics: dict[str, float | None] = {}
        for margins, suffix in ((every, ""), (garments, "_without_null")):
            values = (margins.pixel_accuracy(), margins.mean_class_accuracy(), margins.mean_iou())
            metrics |= {f"{name}{suffix}": plain(float(value)) for name, value in zip(WITH_NULL, values, strict=True)}
        return Result(metrics)


DEFINITION = Definition(
    metrics=METRICS,
    default=lambda spec: spec.name == "ccp",
    build=lambda spec, records, split: ClothingCoParsing(spec.classes),
    misfit=lambda spec: None if NULL in spec.classes else f"needs a class called {NULL!r}. {spec.shown_name} has none.",
)
