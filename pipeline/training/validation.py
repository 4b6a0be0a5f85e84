"""What a training measures between epochs: the whole validation split, and pictures of a few fixed images of it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.spec import IGNORE, DatasetSpec
from models import inference, metrics
from pipeline.drawing import confusion_picture, render
from pipeline.evaluation.confusion_metrics import plain
from pipeline.evaluation.scoring import Batch, Scorer
from pipeline.input import records

SMALLEST = 1e-12
"""Least probability whose logarithm is taken: float32 knows smaller ones only as 0."""


@dataclass(frozen=True)
class Validation:
    """What was found.

    Attributes:
        miou, pixel_accuracy: In 0..1; None if no pixel of the split counts.
        loss: Mean cross-entropy of the pixels that count, at their original size, in nats; None if there are none, or
            if it is no number, as where a network in float16 leaves its range.
        per_class_iou: {class: IoU in 0..1}; None for a class that the split does not show.
        pictures: {name: uint8 [H,W,3]}: the confusion matrix; input, truth and prediction of images side by side.
    """

    miou: float | None
    pixel_accuracy: float | None
    loss: float | None
    per_class_iou: Mapping[str, float | None]
    pictures: Mapping[str, np.ndarray]

    def value(self, by: str) -> float | None:
        """Give miou, pixel_accuracy or loss."""
        value: float | None = getattr(self, by)
        return value

    def scalars(self) -> dict[str, float]:
        """Give every number that there is: miou, pixel_accuracy, loss, iou/<class>."""
        whole = {name: self.value(name) for name in ("miou", "pixel_accuracy", "loss")}
        classes = {f"iou/{name}": iou for name, iou in self.per_class_iou.items()}
        return {name: value for name, value in {**whole, **classes}.items() if value is not None}


class Validator:
    """Measures a model on the validation split.

    Args:
        scorer: Holds the model, and gives answers.
        folder: The records folder.
        spec: Names and colours of the classes.
        batch_size: Images at once, over all devices of a worker.
        samples: Images that are shown, the same ones every time: the first of the split, whose order is random.
        look: Draws further pictures, by name, from the first of these images; see channel_grid.training_pictures.
    """

    def __init__(
        self,
        scorer: Scorer,
        folder: Path,
        spec: DatasetSpec,
        *,
        batch_size: int,
        samples: int,
        look: Callable[[np.ndarray], Mapping[str, np.ndarray]] | None = None,
    ) -> None:
        self._scorer, self._folder, self._spec = scorer, folder, spec
        self._batch_size, self._samples, self._look = batch_size, samples, look

    def __call__(self, between: Callable[[], None]) -> Validation:
        """Measure, with all workers; `between` is called after each batch, and ends the validation by raising."""
        pictures: dict[str, np.ndarray] = {}
        layers: dict[str, np.ndarray] = {}
        confusion = np.zeros([self._spec.num_classes] * 2, np.int64)
        loss, pixels = 0.0, 0
        for batch in self._scorer.batches(self._folder, records.VAL, batch_size=self._batch_size):
            confusion += batch.confusion.sum(axis=0)
            counts = batch.labels != IGNORE
            loss -= float(np.log(np.maximum(_of_the_truth(batch)[counts], SMALLEST), dtype=np.float64).sum())
            pixels += int(counts.sum())
            if self._look and not layers:
                layers.update(self._look(batch.images[0]))
            shown = zip(batch.ids, batch.images, batch.labels, batch.predictions, strict=True)
            for name, *masks in shown:
                if len(pictures) < self._samples:
                    pictures[name] = self._draw(*masks)
            between()
        confusion = self._scorer.team.sum(confusion)
        loss, pixels = self._scorer.team.sum(np.array([loss, pixels], np.float64)).tolist()
        ious = zip(self._spec.classes, metrics.iou(confusion), strict=True)
        return Validation(
            miou=plain(metrics.mean_iou(confusion)),
            pixel_accuracy=plain(metrics.pixel_accuracy(confusion)),
            loss=loss / pixels if pixels and math.isfinite(loss) else None,
            per_class_iou={name: plain(iou) for name, iou in ious},
            pictures={"confusion": confusion_picture.draw(confusion, self._spec.classes), **pictures, **layers},
        )

    def _draw(self, image: np.ndarray, label: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        colours = self._spec.colours
        return render.side_by_side([image, render.colour(label, colours), render.colour(prediction, colours)])


def _of_the_truth(batch: Batch) -> np.ndarray:
    """Probability [B,H,W] that the model gives to each pixel's label."""
    assert batch.answers is not None, "the scorer was not asked for answers"
    probability: np.ndarray = batch.answers[..., inference.TRUTH]
    return probability
