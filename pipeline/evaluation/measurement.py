"""Everything that an evaluation measures, image by image; of each image only a few counts are kept.

Several workers measure a part of the split each. What they found is joined so that every figure is, to the last digit,
the one that a single worker would have found: images stand in the order of the split, and sums are exact.
"""

import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from datasets.spec import DatasetSpec
from models import inference
from pipeline.evaluation import bootstrap, confusion_metrics, exact_sums
from pipeline.evaluation.calibration import Calibration
from pipeline.evaluation.confusion_metrics import plain
from pipeline.evaluation.image_counts import ImageCounts
from pipeline.evaluation.protocols.protocol import Protocol, Scored
from pipeline.evaluation.scoring import Batch

NOWHERE = np.iinfo(np.int64).max


class Measurement:
    """Collects scored batches and sums them up.

    Args:
        spec: The dataset's facts.
        protocols: Official protocols by name, ready to count.
    """

    def __init__(self, spec: DatasetSpec, protocols: Mapping[str, Protocol]) -> None:
        self._spec, self._protocols = spec, protocols
        # By an image's place in the split: id, group, and int64 [3,C], pixels that are right, of truth, of prediction.
        self._images: dict[int, tuple[str, str, np.ndarray]] = {}
        square = (spec.num_classes, spec.num_classes)
        self._confusion, self._most = np.zeros(square, np.int64), np.zeros(square, np.int64)
        self._where = np.full(square, NOWHERE)
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
            self._remember(image, batch.places[row])
            self._calibration.add(image.truth, image.prediction, answers[..., inference.CONFIDENCE])
            for protocol in self._protocols.values():
                protocol.add(image)

    def _remember(self, image: Scored, place: int) -> None:
        found = image.confusion
        self._images[place] = image.id, image.group, np.stack([np.diag(found), found.sum(axis=1), found.sum(axis=0)])
        self._confusion += found
        self._compare(found, np.full_like(self._where, place))

    def _compare(self, most: np.ndarray, where: np.ndarray) -> None:
        """Note by pair of classes which image shows it most; of equal ones the first of the split."""
        more = (most > self._most) | ((most == self._most) & (where < self._where))
        self._most[more], self._where[more] = most[more], where[more]

    def to_bytes(self) -> bytes:
        """Pack what was counted, for another worker's `join`."""
        counts, packed = self.counts(), io.BytesIO()
        arrays = {"confusion": self._confusion, "most": self._most, "where": self._where}
        parts = {"hits": counts.hits, "truth": counts.truth, "predicted": counts.predicted}
        texts = {"ids": counts.ids, "groups": counts.groups}
        added = {f"sums/{name}": exact_sums.to_json(found) for name, found in self._sums().items()}
        places = np.array(sorted(self._images), np.int64)
        strings = {name: np.array(text, np.str_) for name, text in (texts | added).items()}
        np.savez(packed, allow_pickle=False, places=places, **arrays, **parts, **strings)
        return packed.getvalue()

    def join(self, others: Iterable[bytes]) -> None:
        """Add what other workers packed: of the same split, and no image that is counted here."""
        for packed in others:
            with np.load(io.BytesIO(packed), allow_pickle=False) as found:
                parts = np.stack([found[name] for name in ("hits", "truth", "predicted")], axis=1)
                names = zip(map(str, found["ids"]), map(str, found["groups"]), parts, strict=True)
                self._images |= dict(zip(found["places"].tolist(), names, strict=True))
                self._confusion += found["confusion"]
                self._compare(found["most"], found["where"])
                for name, own in self._sums().items():
                    exact_sums.add(own, exact_sums.from_json(str(found[f"sums/{name}"])))

    def _sums(self) -> dict[str, exact_sums.Sums]:
        return {"calibration": self._calibration.sums} | {name: each.sums for name, each in self._protocols.items()}

    def counts(self) -> ImageCounts:
        """What every image contributed, in the order of the split."""
        rows = [self._images[place] for place in sorted(self._images)]
        parts = np.array([part for *_, part in rows], np.int64).reshape(-1, 3, self._spec.num_classes)
        ids, groups = tuple(name for name, *_ in rows), tuple(group for _, group, _ in rows)
        return ImageCounts(ids, groups, *np.moveaxis(parts, 1, 0))

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
        confused = confusion_metrics.confused(self._confusion, classes, pairs)
        for pair in confused:
            place = int(self._where[index[pair["truth"]], index[pair["prediction"]]])
            pair["image"] = self._images[place][0]
        return {
            **confusion_metrics.summarise(self._confusion, classes),
            "image_mean_iou": plain(float(miou[shown].mean())) if shown.any() else None,
            "intervals": {"confidence": confidence, "resamples": resamples, "figures": intervals},
            "slices": [
                {**slice_, "interval": of_slices.get(slice_["group"])}
                for slice_ in confusion_metrics.slices(counts, classes)
            ],
            "calibration": self._calibration.result(),
            "confused": confused,
            "protocols": {name: _findings(protocol) for name, protocol in self._protocols.items()},
            "image_miou": {name: plain(float(value)) for name, value in zip(counts.ids, miou, strict=True)},
        }


def _findings(protocol: Protocol) -> dict[str, Any]:
    found = protocol.findings()
    return {"figures": dict(found.figures), "tables": dict(found.tables), "note": found.note}
