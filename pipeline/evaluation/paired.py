"""Two models on the same images: a sign-flip test of each metric's difference, and the interval it does not reject.

If both models are equally good, each image's counts may as well be the other model's. The test swaps them at random,
image by image, sums, and computes both metrics again: the p-value is the share of the swaps whose difference is at
least the observed one (Fisher 1935; Phipson and Smyth 2010 count the observed one among them). It holds its level on
any number of images; all swaps are tried where they are few.

The interval holds every difference that the test does not reject. A difference D that every image shares, weighted by
its share in the metric, turns into D * m under a swap, where m is the sum of the images' shares with the sign of their
swap; so a swap with difference d rejects no value between (D - d) / (1 - m) and (D + d) / (1 + m). The interval
excludes 0 exactly where the test rejects 0. Sources: Hartigan 1969, Tritchler 1984.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.metrics import Margins
from pipeline.evaluation.image_counts import ImageCounts
from pipeline.evaluation.intervals import metrics, shares

CHUNK = 100
"""Swaps computed at once: bounds memory to CHUNK x (images + 6 C) numbers."""

LEAST = 20
"""Random swaps that the test expects to be as large as a difference at its level: fewer make another one of it."""

ROUNDING = 1e-12
"""Differences of metrics that differ by less are equal."""


@dataclass(frozen=True)
class Difference:
    """A metric of two models, A and B, on the same images.

    Attributes:
        ours, theirs: The metric of A and of B.
        low, high: Interval of ours - theirs; NaN where too few images differ.
        p: Two-sided p-value, never 0; NaN where too few images differ.
        differing: Images that A and B predict differently, as far as the metric counts them.
        beyond_noise: Whether the difference is more than noise; None where too few images differ to tell.
    """

    ours: float
    theirs: float
    low: float
    high: float
    p: float
    differing: int
    beyond_noise: bool | None


@dataclass(frozen=True)
class Swaps:
    """A metric under R swaps.

    Attributes:
        differences: A - B, float64 [R]; NaN where one model has no such metric.
        signs: The sum of the images' shares, each with the sign of its swap, float64 [R] in -1..1.
    """

    differences: np.ndarray
    signs: np.ndarray


def fewest(confidence: float) -> int:
    """Return how many images must differ: n of them have 2**n swaps, and so no p-value under 2 / 2**n.

    >>> fewest(0.95), fewest(0.99)
    (6, 8)
    """
    return 1 + math.ceil(-math.log2(1 - confidence))


def paired(
    ours: ImageCounts, theirs: ImageCounts, classes: Sequence[str], *, replicates: int, confidence: float, seed: int = 0
) -> dict[str, Difference]:
    """Compare two models by the same swaps of all metrics.

    Args:
        ours: Counts of model A.
        theirs: Counts of model B, of the same images in the same order.
        classes: C names.
        replicates: Random swaps, raised to LEAST / (1 - confidence); where there are fewer, all are tried.
        confidence: Of the intervals, 0..1; the level of the test is 1 - confidence.
        seed: Of the random swaps.

    Returns:
        {metric: difference}; a metric that A or B does not have is left out.

    Raises:
        ValueError: The images differ.
    """
    if ours.ids != theirs.ids:
        raise ValueError("`ours` and `theirs` must be of the same images in the same order.")
    first, second = ours.margins, theirs.margins
    observed = [metrics(counts.total(), classes) for counts in (ours, theirs)]
    mean = Margins(*((a + b) / 2 for a, b in zip(_parts(first), _parts(second), strict=True)))
    weights, differing = shares(mean, classes), _differing(first, second, classes)
    replicates = max(replicates, math.ceil(LEAST / (1 - confidence)))
    swaps = _swaps(first, second, weights, classes, _signs(len(ours.ids), replicates, seed))
    needed = fewest(confidence)
    differences = {}
    for name, swapped in swaps.items():
        a, b, count = float(observed[0][name]), float(observed[1][name]), differing[name]
        if math.isnan(a - b):
            continue
        if len(ours.ids) < needed or 0 < count < needed:
            differences[name] = Difference(a, b, math.nan, math.nan, math.nan, count, beyond_noise=None)
            continue
        p = _p_value(a - b, swapped.differences)
        low, high = _not_rejected(a - b, swapped, 1 - confidence)
        differences[name] = Difference(a, b, low, high, p, count, beyond_noise=p <= 1 - confidence)
    return differences


def _parts(margins: Margins) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return margins.hits, margins.truth, margins.predicted


def _differing(first: Margins, second: Margins, classes: Sequence[str]) -> dict[str, int]:
    """Count the images whose counts differ: of a class, or for the other metrics of any."""
    unequal = (first.hits != second.hits) | (first.predicted != second.predicted)
    by_class = {f"iou/{name}": int(count) for name, count in zip(classes, unequal.sum(axis=0), strict=True)}
    return dict.fromkeys(metrics(first, ()), int(unequal.any(axis=1).sum())) | by_class


def _swaps(
    first: Margins,
    second: Margins,
    weights: Mapping[str, np.ndarray],
    classes: Sequence[str],
    signs: Iterable[np.ndarray],
) -> dict[str, Swaps]:
    """Swap the counts of images between the models and compute every metric of both; `signs` come in parts."""
    names = list(metrics(first, classes))
    of_images = np.stack([weights[name] for name in names], axis=1)
    sums = [((a + b).sum(axis=0), a - b) for a, b in zip(_parts(first), _parts(second), strict=True)]
    differences, turned = [np.zeros((0, len(names)))], [np.zeros((0, len(names)))]
    for part in signs:
        halves = [(both, part @ difference) for both, difference in sums]
        ours, theirs = (metrics(Margins(*((both + way * s) / 2 for both, s in halves)), classes) for way in (1, -1))
        differences.append(np.stack([ours[name] - theirs[name] for name in names], axis=1))
        turned.append(part @ of_images)
    columns = zip(np.concatenate(differences).T, np.concatenate(turned).T, strict=True)
    return {name: Swaps(*column) for name, column in zip(names, columns, strict=True)}


def _signs(images: int, replicates: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the signs of each image, -1 where it is swapped, float64 [up to CHUNK, images].

    All patterns where these are few, else random ones; not the one that swaps no image, which is the observed one, nor
    the opposite of another one, whose difference is as large.
    """
    patterns, rng = 2 ** max(0, images - 1) - 1, np.random.default_rng(seed)
    number = min(patterns, replicates)
    for begin in range(0, number, CHUNK):
        size = min(CHUNK, number - begin)
        if number == patterns:
            swapped = np.arange(begin + 1, begin + 1 + size)[:, None] >> np.arange(images) & 1
        else:
            swapped = rng.integers(0, 2, (size, images))
        yield 1.0 - 2.0 * swapped


def _p_value(observed: float, swapped: np.ndarray) -> float:
    """Return the share of the swaps, the observed one among them, whose difference is at least the observed one.

    A swap without a difference, because a class is gone from one model's answers, counts as one: that is the safe side.
    """
    as_large = ~(np.abs(swapped) < abs(observed) - ROUNDING)
    return float((1 + np.count_nonzero(as_large)) / (1 + len(swapped)))


def _not_rejected(observed: float, swaps: Swaps, level: float) -> tuple[float, float]:
    """Return the lowest and the highest difference that the test does not reject, in -1..1; see the module."""
    rejected = math.floor(level * (1 + len(swaps.signs)) + ROUNDING)  # as many as may be as large, the observed one too
    if rejected < 1:
        return -1.0, 1.0
    gaps = np.stack([1 - swaps.signs, 1 + swaps.signs])
    # A swap of all images of a class, or of none, rejects nothing, nor does one without a difference.
    bounded = (gaps > ROUNDING).all(axis=0) & ~np.isnan(swaps.differences)
    changes = np.stack([observed - swaps.differences, observed + swaps.differences])
    ends = np.divide(changes, gaps, out=np.zeros(gaps.shape), where=bounded)
    low = np.sort(np.where(bounded, ends.min(axis=0), -1.0))[rejected - 1]
    high = np.sort(np.where(bounded, ends.max(axis=0), 1.0))[-rejected]
    return max(float(low), -1.0), min(float(high), 1.0)
