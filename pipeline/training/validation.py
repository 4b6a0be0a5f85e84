"""Metrics of the validation split between epochs, and a few of its images with the predictions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, starmap
from pathlib import Path

import numpy as np

from datasets.spec import IGNORE, DatasetSpec
from models import inference, metrics
from pipeline.evaluation.confusion_metrics import plain
from pipeline.evaluation.scoring import Batch, Scorer
from pipeline.input import records

MIN_PROBABILITY = 1e-12
"""Smaller probabilities are raised to this before the logarithm: they may be 0 in float32."""


@dataclass(frozen=True)
class Sample:
    """An image with its prediction.

    Attributes:
        id: Id of the image.
        image: uint8 [H,W,3].
        label, prediction: uint8 [H,W] of train ids; 255 in the label = ignored.
    """

    id: str
    image: np.ndarray
    label: np.ndarray
    prediction: np.ndarray


@dataclass(frozen=True)
class Validation:
    """Metrics of the validation split.

    Attributes:
        miou, pixel_accuracy: In 0..1; None if every pixel of the split is ignored.
        loss: Mean cross-entropy in nats of the pixels that are not ignored, at original size; None if there are none or
            it is not finite, as when a float16 network overflows.
        per_class_iou: {class: IoU in 0..1}; None for a class that neither the split shows nor the model
            predicts; 0 for one that is only predicted.
        confusion: int64 [C,C], rows truth, columns prediction.
        samples: The first images of the split.
    """

    miou: float | None
    pixel_accuracy: float | None
    loss: float | None
    per_class_iou: Mapping[str, float | None]
    confusion: np.ndarray
    samples: Sequence[Sample] = ()

    def value(self, by: str) -> float | None:
        """Return miou, pixel_accuracy or loss."""
        value: float | None = getattr(self, by)
        return value

    def scalars(self) -> dict[str, float]:
        """Return every number that is not None: miou, pixel_accuracy, loss, iou/<class>."""
        whole = {name: self.value(name) for name in ("miou", "pixel_accuracy", "loss")}
        classes = {f"iou/{name}": iou for name, iou in self.per_class_iou.items()}
        return {name: value for name, value in {**whole, **classes}.items() if value is not None}


class Validator:
    """Measures a model on the validation split.

    Args:
        scorer: Holds the model; returns the truth's probability at each pixel.
        folder: The records folder.
        spec: Names of the classes.
        batch_size: Most images at once, over all devices of a worker.
        samples: Number of images to return, the same ones every time: the first of the split, whose order is random.
    """

    def __init__(self, scorer: Scorer, folder: Path, spec: DatasetSpec, *, batch_size: int, samples: int) -> None:
        self._scorer, self._folder, self._spec = scorer, folder, spec
        self._batch_size, self._samples = batch_size, samples

    def __call__(self, between: Callable[[], None]) -> Validation:
        """Measure the model, with all workers; `between` is called after each batch and may raise to stop."""
        samples: list[Sample] = []
        confusion = np.zeros([self._spec.num_classes] * 2, np.int64)
        loss, pixels = 0.0, 0
        for batch in self._scorer.batches(self._folder, records.VAL, batch_size=self._batch_size):
            confusion += batch.confusion.sum(axis=0)
            counts = batch.labels != IGNORE
            loss -= float(np.log(np.maximum(_of_the_truth(batch)[counts], MIN_PROBABILITY), dtype=np.float64).sum())
            pixels += int(counts.sum())
            rows = zip(batch.ids, batch.images, batch.labels, batch.predictions, strict=True)
            samples += list(starmap(Sample, islice(rows, self._samples - len(samples))))
            between()
        confusion = self._scorer.team.sum(confusion)
        loss, pixels = self._scorer.team.sum(np.array([loss, pixels], np.float64)).tolist()
        ious = zip(self._spec.classes, metrics.iou(confusion), strict=True)
        return Validation(
            miou=plain(metrics.mean_iou(confusion)),
            pixel_accuracy=plain(metrics.pixel_accuracy(confusion)),
            loss=loss / pixels if pixels and math.isfinite(loss) else None,
            per_class_iou={name: plain(iou) for name, iou in ious},
            confusion=confusion,
            samples=samples,
        )


def _of_the_truth(batch: Batch) -> np.ndarray:
    """Return the predicted probability of each pixel's label, float32 [B,H,W]."""
    probability: np.ndarray = batch.answers[..., inference.TRUTH]
    return probability
