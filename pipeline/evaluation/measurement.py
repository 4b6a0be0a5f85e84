"""Everything that an evaluation measures, image by image; of each image only a few counts are kept."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from datasets.spec import DatasetSpec
from models import inference
from pipeline.evaluation import bootstrap, figures
from pipeline.evaluation.calibration import Calibration
from pipeline.evaluation.figures import plain
from pipeline.evaluation.image_counts import ImageCounts
from pipeline.evaluation.protocols.protocol import Protocol, Scored
from pipeline.evaluation.scoring import Batch


class Measurement:
    """Collects scored batches and sums them up.

    Args:
        spec: The dataset's facts.
        protocols: Official protocols by name, ready to count.
    """

    def __init__(self, spec: DatasetSpec, protocols: Mapping[str, Protocol]) -> None:
        self._spec, self._protocols = spec, protocols
        self._ids: list[str] = []
        self._groups: list[str] = []
        self._parts: list[tuple[np.ndarray, ...]] = []
        classes = spec.num_classes
        self._confusion = np.zeros((classes, classes), np.int64)
        self._most = np.zeros((classes, classes), np.int64)
        self._where = np.zeros((classes, classes), np.int64)
        self._calibration = Calibration()

    def add(self, batch: Batch) -> None:
        """Count a batch whose Scorer gave `answers`."""
        assert batch.answers is not None
        for row, name in enumerate(batch.ids):
            confusion, answers = batch.confusion[row], batch.answers[row]
            image = Scored(
                id=name,
                group=batch.groups[row],
                truth=batch.labels[row],
                prediction=batch.predictions[row],
                positive=answers[..., inference.POSITIVE],
                confusion=confusion,
            )
            self._remember(image)
            self._calibration.add(image.truth, image.prediction, answers[..., inference.CONFIDENCE])
            for protocol in self._protocols.values():
                protocol.add(image)

    def _remember(self, image: Scored) -> None:
        more = image.confusion > self._most
        self._most[more], self._where[more] = image.confusion[more], len(self._ids)
        self._ids.append(image.id)
        self._groups.append(image.group)
        self._parts.append((np.diag(image.confusion).copy(), image.confusion.sum(axis=1), image.confusion.sum(axis=0)))
        self._confusion += image.confusion

    def counts(self) -> ImageCounts:
        """What every image contributed."""
        hits, truth, predicted = (np.array(part, np.int64) for part in zip(*self._parts, strict=True))
        return ImageCounts(tuple(self._ids), tuple(self._groups), hits, truth, predicted)

    def metrics(self, *, resamples: int, confidence: float, pairs: int) -> dict[str, Any]:
        """Sum up: what metrics.json holds, but for what was measured and how.

        Args:
            resamples: Of the images, for the intervals.
            confidence: Of the intervals.
            pairs: How many pairs of confused classes are named, each with the image that shows it most.
        """
        classes, counts = self._spec.classes, self.counts()
        miou = counts.margins.mean_iou()
        shown = ~np.isnan(miou)
        intervals = bootstrap.intervals(counts, classes, replicates=resamples, confidence=confidence)
        of_slices = bootstrap.of_slices(counts, classes, replicates=resamples, confidence=confidence)
        index = {name: number for number, name in enumerate(classes)}
        confused = figures.confused(self._confusion, classes, pairs)
        for pair in confused:
            pair["image"] = self._ids[self._where[index[pair["truth"]], index[pair["prediction"]]]]
        return {
            **figures.summarise(self._confusion, classes),
            "image_mean_iou": plain(float(miou[shown].mean())) if shown.any() else None,
            "intervals": {"confidence": confidence, "resamples": resamples, "figures": intervals},
            "slices": [
                {**slice_, "interval": of_slices.get(slice_["group"])} for slice_ in figures.slices(counts, classes)
            ],
            "calibration": self._calibration.result(),
            "confused": confused,
            "protocols": {name: _findings(protocol) for name, protocol in self._protocols.items()},
            "image_miou": {name: plain(float(value)) for name, value in zip(counts.ids, miou, strict=True)},
        }


def _findings(protocol: Protocol) -> dict[str, Any]:
    found = protocol.findings()
    return {"figures": dict(found.figures), "tables": dict(found.tables), "note": found.note}
