"""How far a figure would move with other images: the bootstrap over images (Efron 1979), percentile intervals.

The images of a split are drawn again with replacement, the counts are pooled, and the figure is computed anew. Images
of one drive resemble each other, so that for such data the intervals are narrower than the truth.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.metrics import Margins
from pipeline.evaluation.confusion_metrics import totals
from pipeline.evaluation.image_counts import ImageCounts

AT_ONCE = 100
"""Resamples pooled at once: bounds memory to AT_ONCE x (images + 3 C) numbers."""

FEWEST = 5
"""Images that an interval needs: of one all resamples are the same, of two there are three, and it would look sure."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """A figure of two models on the same images.

    Attributes:
        ours, theirs: The figure of each; NaN where there is none.
        low, high: Interval of ours - theirs.
        p: Two-sided: twice the share of the resamples whose difference has the other sign or is 0, the observed one
            counted among them, so that it is never 0.

    Of fewer than FEWEST images, low, high and p are NaN.
    """

    ours: float
    theirs: float
    low: float
    high: float
    p: float

    @property
    def beyond_noise(self) -> bool | None:
        """Whether the interval leaves out 0; None where there is no interval."""
        return None if math.isnan(self.low) else self.low > 0 or self.high < 0


def named(margins: Margins, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Every figure that has an interval, by name: [...] each."""
    iou = margins.iou()
    return totals(margins) | {f"iou/{name}": iou[..., index] for index, name in enumerate(classes)}


def intervals(
    counts: ImageCounts, classes: Sequence[str], *, replicates: int, confidence: float, seed: int = 0
) -> dict[str, Interval]:
    """Give each figure of `named` the interval in which `confidence` of its resamples lie.

    A figure that no resample has is left out; a class that a resample does not show is left out of that resample alone.
    Fewer than FEWEST images give no interval at all.
    """
    if len(counts.ids) < FEWEST:
        return {}
    (drawn,) = _resampled((counts,), classes, replicates, seed)
    found = {name: _percentiles(values, confidence) for name, values in drawn.items()}
    return {name: interval for name, interval in found.items() if interval is not None}


def of_slices(
    counts: ImageCounts, classes: Sequence[str], *, replicates: int, confidence: float
) -> dict[str, Interval]:
    """Give the mIoU of each group of images its interval; a group of fewer than FEWEST images has none."""
    ranges = {
        group: intervals(of_group, classes, replicates=replicates, confidence=confidence)
        for group, of_group in counts.by_group().items()
    }
    return {group: found["miou"] for group, found in ranges.items() if "miou" in found}


def paired(
    ours: ImageCounts, theirs: ImageCounts, classes: Sequence[str], *, replicates: int, confidence: float, seed: int = 0
) -> dict[str, Difference]:
    """Compare two models image by image: both are measured on the same resamples, so that hard images cancel out.

    Args:
        ours: Counts of one model.
        theirs: Counts of the other one, of the same images in the same order.
        classes: C names.
        replicates: Number of resamples.
        confidence: Of the intervals.
        seed: Of the resamples.
    """
    if ours.ids != theirs.ids:
        raise ValueError("`ours` and `theirs` must be of the same images in the same order.")
    first, second = _resampled((ours, theirs), classes, replicates, seed)
    point = [named(counts.total(), classes) for counts in (ours, theirs)]
    few, found = len(ours.ids) < FEWEST, {}
    for name in first:
        difference = first[name] - second[name]
        interval = _percentiles(difference, confidence)
        if interval is not None:
            sure = (math.nan,) * 3 if few else (*interval, _p_value(difference))
            found[name] = Difference(float(point[0][name]), float(point[1][name]), *sure)
    return found


def _resampled(
    models: Sequence[ImageCounts], classes: Sequence[str], replicates: int, seed: int
) -> list[Mapping[str, np.ndarray]]:
    """Figures of every resample, [replicates] each; every model is measured on the same resamples."""
    rng, images = np.random.default_rng(seed), len(models[0].ids)
    parts: list[list[dict[str, np.ndarray]]] = [[] for _ in models]
    for begin in range(0, replicates if images else 0, AT_ONCE):
        size = min(AT_ONCE, replicates - begin)
        times = rng.multinomial(images, np.full(images, 1 / images), size=size).astype(np.float64)
        for model, drawn in zip(models, parts, strict=True):
            counts = model.margins
            pooled = Margins(*(times @ part for part in (counts.hits, counts.truth, counts.predicted)))
            drawn.append(named(pooled, classes))
    return [
        {name: np.concatenate([part[name] for part in drawn]) for name in drawn[0]} if drawn else {} for drawn in parts
    ]


def _percentiles(values: np.ndarray, confidence: float) -> Interval | None:
    values = values[~np.isnan(values)]
    if not values.size:
        return None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _p_value(difference: np.ndarray) -> float:
    difference = difference[~np.isnan(difference)]
    fewer = min((difference <= 0).sum(), (difference >= 0).sum())
    return float(min(1.0, 2 * (fewer + 1) / (difference.size + 1)))
