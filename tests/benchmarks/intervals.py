"""Measure how often intervals cover the truth, and how often equal models seem unequal, on few and on many images.

    python tests/benchmarks/intervals.py [--trials 2000]

Ends with exit code 1 if more than 7 % miss where 5 % is claimed.

Images are drawn from a population of street scenes: seven classes, from one in every image to one in 15 % of them;
sizes of areas are lognormal; an image is easy or hard for all classes and models. Its metrics are those of 200,000
images. Two models of a null pair are equally good and differ by chance in every image; those of the other pair differ.
No data is needed.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT))

from pipeline.evaluation.image_counts import ImageCounts  # noqa: E402
from pipeline.evaluation.intervals import intervals, metrics  # noqa: E402
from pipeline.evaluation.paired import paired  # noqa: E402

CLASSES = ("road", "building", "tree", "car", "person", "bicycle", "animal")
SHOWN = np.array([1.0, 0.9, 0.9, 0.6, 0.6, 0.3, 0.15])
"""Share of the images that show a class."""

PIXELS = np.array([8000, 5000, 3000, 1100, 650, 400, 250])
"""Median number of pixels of a class in an image that shows it."""

EASE = np.array([3, 2.5, 2, 1.5, 1, 0.8, 0.3])
"""Logit of the correct share of a class's pixels in an average image."""

IMAGES, CONFIDENCE, BETTER = (5, 10, 30, 100), 0.95, 0.5
MOST = 0.07
"""Share of the intervals that may miss, and of the null pairs that may differ, where 1 - CONFIDENCE is claimed."""

MORE = 12
"""Up to so many times --trials splits are drawn until --trials of them have an interval: few show a rare class."""

ROWS = {"mIoU": "miou", "IoU, 60 % of images": "iou/person", "IoU, 15 % of images": "iou/animal"}


def draw(rng: np.random.Generator, images: int, better: float = 0.0) -> tuple[ImageCounts, ImageCounts]:
    """Draw images and two models' counts of them; the first model's logits are higher by `better`."""
    shape = images, len(CLASSES)
    truth = np.rint((rng.random(shape) < SHOWN) * PIXELS * np.exp(rng.normal(0, 0.8, shape))).astype(np.int64)
    ease = EASE + rng.normal(0, 0.7, (images, 1)) + rng.normal(0, 0.6, shape)
    ids, groups = tuple(map(str, range(images))), ("g",) * images
    models = []
    for gain in (better, 0.0):
        own = rng.normal(0, 0.4, shape) + rng.normal(0, 0.2, (images, 1))
        hits = np.rint(truth / (1 + np.exp(-ease - own - gain))).astype(np.int64)
        models.append(ImageCounts(ids, groups, hits, truth, hits + _confused(rng, truth - hits)))
    return models[0], models[1]


def _confused(rng: np.random.Generator, missed: np.ndarray) -> np.ndarray:
    """Predict the missed pixels of each class and image as another class, a frequent one more often."""
    predicted = np.zeros_like(missed)
    for index in range(len(CLASSES)):
        likely = np.sqrt(SHOWN * PIXELS) * (np.arange(len(CLASSES)) != index)
        taken_for = rng.choice(len(CLASSES), len(missed), p=likely / likely.sum())
        predicted[np.arange(len(missed)), taken_for] += missed[:, index]
    return predicted


def measure(images: int, trials: int, population: list[dict[str, np.ndarray]]) -> bool:
    """Print the level of the test, and the coverage of both kinds of interval, for splits of so many images.

    Returns:
        Whether each holds MOST.
    """
    rng = np.random.default_rng(images)
    alarms, power, one, two = ({name: [] for name in ROWS.values()} for _ in range(4))  # type: ignore[var-annotated]
    for _ in range(trials):
        null = paired(*draw(rng, images), CLASSES, replicates=1000, confidence=CONFIDENCE)
        ours, theirs = draw(rng, images, BETTER)
        _cover(one, ours, population[0])
        differences = paired(ours, theirs, CLASSES, replicates=1000, confidence=CONFIDENCE)
        for name in ROWS.values():
            true, other = (float(values[name]) for values in population)
            if name in null and null[name].beyond_noise is not None:
                alarms[name].append(null[name].beyond_noise)
            if name in differences and differences[name].beyond_noise is not None:
                power[name].append(differences[name].beyond_noise)
                two[name].append(differences[name].low <= true - other <= differences[name].high)
    for _ in range((MORE - 1) * trials):
        if min(len(covered) for covered in one.values() if covered) >= trials:
            break
        _cover(one, draw(rng, images, BETTER)[0], population[0])
    holds = True
    for title, name in ROWS.items():
        shares = [_share(outcomes[name], trials) for outcomes in (one, alarms, two, power)]
        print(f"{images:>6}  {title:<20}{''.join(map(_column, shares))}", flush=True)
        covered, alarm, difference, _ = shares
        misses = [1 - (1 if covered is None else covered), alarm or 0, 1 - (1 if difference is None else difference)]
        holds = holds and max(misses) <= MOST
    return holds


def _cover(outcomes: dict[str, list[bool]], counts: ImageCounts, population: dict[str, np.ndarray]) -> None:
    """Note of each metric of ROWS whether its interval covers that of the population; none where it has no interval."""
    ranges = intervals(counts, CLASSES, confidence=CONFIDENCE)
    for name in (name for name in outcomes if name in ranges):
        outcomes[name].append(bool(ranges[name][0] <= population[name] <= ranges[name][1]))


def _share(outcomes: list[bool], trials: int) -> float | None:
    """Return the share of true outcomes; None where there are too few outcomes to say."""
    return float(np.mean(outcomes)) if len(outcomes) >= trials / 20 else None


def _column(share: float | None) -> str:
    return f"{'few':>11}" if share is None else f"{share:>11.1%}"


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000, help="splits drawn of each size (default: 2000)")
    options = parser.parse_args()
    population = [metrics(model.total(), CLASSES) for model in draw(np.random.default_rng(0), 200_000, BETTER)]
    print(f"{'':<28}{'interval':>11}{'null pair':>11}{'difference':>11}{'difference':>11}")
    print(f"{'images':>6}  {'metric':<20}{'covers':>11}{'differs':>11}{'covered':>11}{'noticed':>11}")
    held = [measure(images, options.trials, population) for images in IMAGES]
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
