"""Confidence intervals of metrics over images: the jackknife on the logit scale, with Student's t.

Sources: variance by leaving out one image at a time, Efron and Tibshirani 1993, chapter 11; an interval of the logit
lies in 0..1 and is skewed as shares are; degrees of freedom of unequal parts, Satterthwaite 1946, by the images' shares
in a class (Kish 1965, effective sample size) and by the kurtosis of their influences. The percentile bootstrap is too
narrow on few images. tests/benchmarks/intervals.py measures what the intervals cover. Images of one drive resemble each
other; for such data the intervals are too narrow.
"""

from collections.abc import Sequence

import numpy as np

from models.metrics import Margins
from pipeline.evaluation.confusion_metrics import totals
from pipeline.evaluation.image_counts import ImageCounts

FEWEST = 5
"""Images with pixels of a metric that its interval needs: the spread of fewer is hardly known."""

ROUNDING = 1e-12
"""Influence of an image below which it is a rounding error."""

MEANS = ("miou", "mean_class_accuracy", "mean_f1")
"""Metrics that are means over the classes."""

Interval = tuple[float, float]
"""Lower and upper end."""


def metrics(margins: Margins, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Return every metric that has an interval, by name: `totals`, and iou/<class>; float64 [...] each."""
    iou = margins.iou()
    return totals(margins) | {f"iou/{name}": iou[..., index] for index, name in enumerate(classes)}


def shares(images: Margins, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the share of each image in each metric of `metrics`: of its class's union, of all pixels, or a mean.

    Args:
        images: Counts of N images, [N,C].
        classes: C names.

    Returns:
        {metric: float64 [N] that add up to 1}; NaN for a class without pixels.
    """
    union, pixels = images.truth + images.predicted - images.hits, images.truth.sum(axis=1)
    total = union.sum(axis=0)
    of_class = np.divide(union, total, out=np.full(union.shape, np.nan), where=total > 0)
    mean = np.nan_to_num(of_class).sum(axis=1) / max(1, np.count_nonzero(total))
    of_pixels = pixels / max(1.0, pixels.sum())
    of_totals = {name: mean if name in MEANS else of_pixels for name in totals(images)}
    return of_totals | {f"iou/{name}": of_class[:, index] for index, name in enumerate(classes)}


def intervals(counts: ImageCounts, classes: Sequence[str], *, confidence: float) -> dict[str, Interval]:
    """Compute the interval of each metric of `metrics`.

    >>> correct = np.array([[500], [600], [700], [650], [550], [600]])  # pixels of 1000 in each of six images
    >>> counts = ImageCounts(ids=tuple("abcdef"), groups=("day",) * 6, hits=correct,
    ...                      truth=np.full((6, 1), 1000), predicted=correct)
    >>> low, high = intervals(counts, ["road"], confidence=0.9)["pixel_accuracy"]
    >>> print(f"{low:.2f} to {high:.2f}")
    0.54 to 0.66

    Args:
        counts: Counts of every image.
        classes: C names.
        confidence: Share of the intervals that cover the metric of all images of the kind, 0..1.

    Returns:
        {metric: (low, high)}. Left out is a metric to which fewer than FEWEST images contribute, and one that no
        image changes (such as an IoU of 0), whose spread is unknown.
    """
    images, total = counts.margins, counts.total()
    without = Margins(total.hits - images.hits, total.truth - images.truth, total.predicted - images.predicted)
    observed, left_out, weights = metrics(total, classes), metrics(without, classes), shares(images, classes)
    shown = [name for name, weight in weights.items() if (weight > 0).any()]
    contributing = [name for name in shown if np.count_nonzero(weights[name] > 0) >= FEWEST]
    influences = {name: _influences(left_out[name]) for name in shown}
    effective = {name: 1 / np.square(weights[name]).sum() - 1 for name in shown}
    by_class = [name for name in shown if name.startswith("iou/")]
    variances = np.array([np.square(influences[name]).sum() for name in by_class])
    # One rare class may make most of the variance of a mean over classes: its images then count, however few.
    parts = (variances**2 / np.maximum([effective[name] for name in by_class], 0.5)).sum()
    of_means = variances.sum() ** 2 / parts if parts else np.inf
    ranges: dict[str, Interval] = {}
    for name in contributing:
        freedom = min(effective[name], of_means if name in MEANS else np.inf)
        interval = _interval(float(observed[name]), influences[name], freedom, confidence)
        ranges |= {} if interval is None else {name: interval}
    return ranges


def slice_intervals(counts: ImageCounts, classes: Sequence[str], *, confidence: float) -> dict[str, Interval]:
    """Compute the interval of the mIoU of each group of images; see `intervals`. Groups without one are left out."""
    ranges = {
        group: intervals(of_group, classes, confidence=confidence) for group, of_group in counts.by_group().items()
    }
    return {group: by_metric["miou"] for group, by_metric in ranges.items() if "miou" in by_metric}


def _influences(without: np.ndarray) -> np.ndarray:
    """Return by how much each image lowers or raises a metric; 0 where the metric is undefined without the image."""
    defined = ~np.isnan(without)
    mean = without[defined].mean() if defined.any() else 0.0
    return np.where(defined, mean - without, 0.0)


def _interval(value: float, influences: np.ndarray, freedom: float, confidence: float) -> Interval | None:
    from scipy.special import expit, logit, stdtrit

    squares, images = np.square(influences).sum(), len(influences)
    if not 0 < value < 1 or np.abs(influences).max() < ROUNDING:
        return None
    # Variance of a sum of squares, from the fourth moment: few large influences leave few degrees of freedom.
    unevenness = (influences**4).sum() - squares**2 / images
    freedom = max(1.0, min(freedom, 2 * squares**2 / unevenness if unevenness > 0 else np.inf))
    error = np.sqrt(squares * (images - 1) / images) / (value * (1 - value))  # of the logit: its derivative
    reach = stdtrit(freedom, (1 + confidence) / 2) * error
    return float(expit(logit(value) - reach)), float(expit(logit(value) + reach))
