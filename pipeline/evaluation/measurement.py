"""Everything that an evaluation measures, image by image; only a few counts are kept of each image.

Several workers measure a part of the split each. Their counts are joined so that every metric equals, to the last
digit, that of a single worker: images stand in the order of the split, and sums are exact.
"""

import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from datasets.spec import DatasetSpec
from models import inference
from pipeline.evaluation import confusion_metrics, exact_sums
from pipeline.evaluation.calibration import Calibration
from pipeline.evaluation.confusion_metrics import plain
from pipeline.evaluation.image_counts import ImageCounts
from pipeline.evaluation.intervals import intervals, slice_intervals
from pipeline.evaluation.protocols.protocol import Protocol, Result, ScoredImage
from pipeline.evaluation.scoring import Batch

NOWHERE = np.iinfo(np.int64).max
"""Place in the split of an image that does not exist."""


class Measurement:
    """Counts scored batches and computes the metrics.

    Args:
        spec: The dataset.
        protocols: Official protocols by name, ready to count.
    """

    def __init__(self, spec: DatasetSpec, protocols: Mapping[str, Protocol]) -> None:
        self._spec, self._protocols = spec, protocols
        # By an image's place in the split: id, group, and int64 [3,C]: pixels correct, in the truth, in the prediction.
        self._images: dict[int, tuple[str, str, np.ndarray]] = {}
        square = (spec.num_classes, spec.num_classes)
        self._confusion = np.zeros(square, np.int64)
        # By pair of classes: most pixels confused in one image, and the place of that image.
        self._most, self._where = np.zeros(square, np.int64), np.full(square, NOWHERE)
        self._calibration = Calibration()

    def add(self, batch: Batch) -> None:
        """Count a batch of a Scorer."""
        for row, name in enumerate(batch.ids):
            confusion, answers = batch.confusion[row], batch.answers[row]
            image = ScoredImage(
                id=name,
                group=batch.groups[row],
                truth=batch.labels[row],
                prediction=batch.predictions[row],
                positive=answers[..., inference.POSITIVE],
                confusion=confusion,
            )
            self._count(image, batch.places[row])
            self._calibration.add(image.truth, image.prediction, answers[..., inference.CONFIDENCE])
            for protocol in self._protocols.values():
                protocol.add(image)

    def _count(self, image: ScoredImage, place: int) -> None:
        matrix = image.confusion
        self._images[place] = image.id, image.group, np.stack([np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)])
        self._confusion += matrix
        self._update_most(matrix, np.full_like(self._where, place))

    def _update_most(self, most: np.ndarray, where: np.ndarray) -> None:
        """Keep for each pair of classes the image that confuses it most; of equal ones the first of the split."""
        more = (most > self._most) | ((most == self._most) & (where < self._where))
        self._most[more], self._where[more] = most[more], where[more]

    def to_bytes(self) -> bytes:
        """Pack all counts, for another worker's `join`."""
        counts, packed = self.counts(), io.BytesIO()
        arrays = {"confusion": self._confusion, "most": self._most, "where": self._where}
        parts = {"hits": counts.hits, "truth": counts.truth, "predicted": counts.predicted}
        texts = {"ids": counts.ids, "groups": counts.groups}
        sums_as_text = {f"sums/{name}": exact_sums.to_json(sums) for name, sums in self._sums().items()}
        places = np.array(sorted(self._images), np.int64)
        strings = {name: np.array(text, np.str_) for name, text in (texts | sums_as_text).items()}
        np.savez(packed, allow_pickle=False, places=places, **arrays, **parts, **strings)
        return packed.getvalue()

    def join(self, others: Iterable[bytes]) -> None:
        """Add what other workers packed with `to_bytes`: other images of the same split."""
        for packed in others:
            with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
                parts = np.stack([arrays[name] for name in ("hits", "truth", "predicted")], axis=1)
                images = zip(map(str, arrays["ids"]), map(str, arrays["groups"]), parts, strict=True)
                self._images |= dict(zip(arrays["places"].tolist(), images, strict=True))
                self._confusion += arrays["confusion"]
                self._update_most(arrays["most"], arrays["where"])
                for name, sums in self._sums().items():
                    exact_sums.add(sums, exact_sums.from_json(str(arrays[f"sums/{name}"])))

    def _sums(self) -> dict[str, exact_sums.Sums]:
        return {"calibration": self._calibration.sums} | {name: each.sums for name, each in self._protocols.items()}

    def counts(self) -> ImageCounts:
        """Return the counts of every image, in the order of the split."""
        rows = [self._images[place] for place in sorted(self._images)]
        parts = np.array([part for *_, part in rows], np.int64).reshape(-1, 3, self._spec.num_classes)
        ids, groups = tuple(name for name, *_ in rows), tuple(group for _, group, _ in rows)
        return ImageCounts(ids, groups, *np.moveaxis(parts, 1, 0))

    def metrics(self, *, confidence: float, pairs: int) -> dict[str, Any]:
        """Compute the metrics of metrics.json, which also says what was measured and how.

        Args:
            confidence: Of the intervals, 0..1.
            pairs: Number of pairs of confused classes, each with the image that confuses it most.
        """
        classes, counts = self._spec.classes, self.counts()
        miou = counts.margins.mean_iou()
        defined = ~np.isnan(miou)
        figures = intervals(counts, classes, confidence=confidence)
        of_slices = slice_intervals(counts, classes, confidence=confidence)
        index = {name: number for number, name in enumerate(classes)}
        confused = confusion_metrics.confused(self._confusion, classes, pairs)
        for pair in confused:
            place = int(self._where[index[pair["truth"]], index[pair["prediction"]]])
            pair["image"] = self._images[place][0]
        return {
            **confusion_metrics.summarise(self._confusion, classes),
            "image_mean_iou": plain(float(miou[defined].mean())) if defined.any() else None,
            "intervals": {"confidence": confidence, "figures": figures},
            "slices": [
                {**row, "interval": of_slices.get(row["group"])} for row in confusion_metrics.slices(counts, classes)
            ],
            "calibration": self._calibration.result(),
            "confused": confused,
            "protocols": {name: _as_dict(protocol.result()) for name, protocol in self._protocols.items()},
            "image_miou": {name: plain(float(value)) for name, value in zip(counts.ids, miou, strict=True)},
        }


def _as_dict(result: Result) -> dict[str, Any]:
    return {"figures": dict(result.metrics), "tables": dict(result.tables), "note": result.note}
