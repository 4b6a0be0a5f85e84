"""What a training measures between epochs: the whole validation split, and pictures of a few fixed images of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.spec import DatasetSpec
from models import metrics
from pipeline import records, render
from pipeline.figures import plain
from pipeline.scoring import Scorer


@dataclass(frozen=True)
class Validation:
    """What was found.

    Attributes:
        miou: In 0..1; None if no pixel of the split counts.
        per_class_iou: {class: IoU in 0..1}; None for a class that the split does not show.
        pictures: {name: uint8 [H,W,3]}: input, truth and prediction side by side.
    """

    miou: float | None
    per_class_iou: Mapping[str, float | None]
    pictures: Mapping[str, np.ndarray]


class Validator:
    """Measures a model on the validation split.

    Args:
        scorer: Holds the model.
        folder: The records folder.
        spec: Names and colours of the classes.
        batch_size: Images at once, over all devices.
        samples: Images that are shown, the same ones every time: the first of the split, whose order is random.
    """

    def __init__(self, scorer: Scorer, folder: Path, spec: DatasetSpec, *, batch_size: int, samples: int) -> None:
        self._scorer, self._folder, self._spec = scorer, folder, spec
        self._batch_size, self._samples = batch_size, samples

    def __call__(self, between: Callable[[], None]) -> Validation:
        """Measure; `between` is called after each batch, and ends the validation by raising."""
        pictures: dict[str, np.ndarray] = {}

        def on_batch(ids: np.ndarray, images: np.ndarray, labels: np.ndarray, predictions: np.ndarray) -> None:
            for name, *masks in zip(ids, images, labels, predictions, strict=True):
                if len(pictures) < self._samples:
                    pictures[name.decode()] = self._draw(*masks)
            between()

        confusion = self._scorer(self._folder, records.VAL, batch_size=self._batch_size, on_batch=on_batch)
        ious = zip(self._spec.classes, metrics.iou(confusion), strict=True)
        return Validation(
            miou=plain(metrics.mean_iou(confusion)),
            per_class_iou={name: plain(iou) for name, iou in ious},
            pictures=pictures,
        )

    def _draw(self, image: np.ndarray, label: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        colours = self._spec.colours
        return render.side_by_side([image, render.colour(label, colours), render.colour(prediction, colours)])
