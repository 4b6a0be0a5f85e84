"""Confidence intervals of metrics: the bootstrap over images (Efron 1979), percentile intervals.

Each resample draws as many images as the split has, with replacement; their counts are summed and every metric is
computed again. Images of one drive resemble each other; for such data the intervals are too narrow.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.metrics import Margins
from pipeline.evaluation.confusion_metrics import totals
from pipeline.evaluation.image_counts import ImageCounts

CHUNK = 100
"""Resamples computed at once: bounds memory to CHUNK x (images + 3 C) numbers."""

FEWEST = 5
"""Images that an interval needs: one image has one resample, two have three, and the interval would look certain."""

Interval = tuple[float, float]
"""Lower and upper end."""


@dataclass(frozen=True)
class Difference:
    """A metric of two models, A and B, on the same images.

    Attributes:
        ours, theirs: The metric of A and of B; NaN where it is undefined.
        low, high: Interval of ours - theirs; NaN of fewer than FEWEST images.
        p: Two-sided p-value: twice the share of the resamples whose difference has the other sign or is 0, the observed
            one counted among them, so that it is never 0; NaN of fewer than FEWEST images.
    """

    ours: float
    theirs: float
    low: float
    high: float
    p: float

    @property
    def beyond_noise(self) -> bool | None:
        """Whether the interval excludes 0; None where there is no interval."""
        return None if math.isnan(self.low) else self.low > 0 or self.high < 0


def metrics(margins: Margins, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Return every metric that has an interval, by name: `totals`, and iou/<class>; float64 [...] each."""
    iou = margins.iou()
    return totals(margins) | {f"iou/{name}": iou[..., index] for index, name in enumerate(classes)}


def intervals(
    counts: ImageCounts, classes: Sequence[str], *, replicates: int, confidence: float, seed: int = 0
) -> dict[str, Interval]:
    """Compute the interval of each metric of `metrics`.

    >>> correct = np.array([[500], [600], [700], [650], [550], [600]])  # pixels of 1000 in each of six images
    >>> counts = ImageCounts(ids=tuple("abcdef"), groups=("day",) * 6, hits=correct,
    ...                      truth=np.full((6, 1), 1000), predicted=correct)
    >>> low, high = intervals(counts, ["road"], replicates=200, confidence=0.9)["miou"]
    >>> print(f"{low:.2f} to {high:.2f}")
    0.56 to 0.65

    Args:
        counts: Counts of every image.
        classes: C names.
        replicates: Number of resamples.
        confidence: Share of the resamples that lie in an interval, 0..1.
        seed: Of the resamples.

    Returns:
        {metric: (low, high)}; empty for fewer than FEWEST images. A class that a resample neither shows nor
        predicts is left out of that resample only; a metric undefined in every resample is left out.
    """
    if len(counts.ids) < FEWEST:
        return {}
    (samples,) = _resampled((counts,), classes, replicates, seed)
    ranges = {name: _percentiles(values, confidence) for name, values in samples.items()}
    return {name: interval for name, interval in ranges.items() if interval is not None}


def slice_intervals(
    counts: ImageCounts, classes: Sequence[str], *, replicates: int, confidence: float
) -> dict[str, Interval]:
    """Compute the interval of the mIoU of each group of images; see `intervals`. Groups without one are left out."""
    ranges = {
        group: intervals(of_group, classes, replicates=replicates, confidence=confidence)
        for group, of_group in counts.by_group().items()
    }
    return {group: by_metric["miou"] for group, by_metric in ranges.items() if "miou" in by_metric}


def paired(
    ours: ImageCounts, theirs: ImageCounts, classes: Sequence[str], *, replicates: int, confidence: float, seed: int = 0
) -> dict[str, Difference]:
    """Compare two models on the same resamples, so that images that are hard for both cancel out.

    Args:
        ours: Counts of model A.
        theirs: Counts of model B, of the same images in the same order.
        classes: C names.
        replicates: Number of resamples.
        confidence: Of the intervals, 0..1.
        seed: Of the resamples.

    Raises:
        ValueError: The images differ.
    """
    if ours.ids != theirs.ids:
        raise ValueError("`ours` and `theirs` must be of the same images in the same order.")
    first, second = _resampled((ours, theirs), classes, replicates, seed)
    observed = [metrics(counts.total(), classes) for counts in (ours, theirs)]
    few, differences = len(ours.ids) < FEWEST, {}
    for name in first:
        difference = first[name] - second[name]
        interval = _percentiles(difference, confidence)
        if interval is not None:
            certainty = (math.nan,) * 3 if few else (*interval, _p_value(difference))
            differences[name] = Difference(float(observed[0][name]), float(observed[1][name]), *certainty)
    return differences


def _resampled(
    models: Sequence[ImageCounts], classes: Sequence[str], replicates: int, seed: int
) -> list[Mapping[str, np.ndarray]]:
    """Compute the metrics of every resample, float64 [replicates] each; all models share the resamples."""
    rng, images = np.random.default_rng(seed), len(models[0].ids)
    parts: list[list[dict[str, np.ndarray]]] = [[] for _ in models]
    for begin in range(0, replicates if images else 0, CHUNK):
        size = min(CHUNK, replicates - begin)
        times = rng.multinomial(images, np.full(images, 1 / images), size=size).astype(np.float64)
        for model, chunks in zip(models, parts, strict=True):
            counts = model.margins
            summed = Margins(*(times @ part for part in (counts.hits, counts.truth, counts.predicted)))
            chunks.append(metrics(summed, classes))
    return [
        {name: np.concatenate([part[name] for part in chunks]) for name in chunks[0]} if chunks else {}
        for chunks in parts
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
