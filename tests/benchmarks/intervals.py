"""Measure how often intervals cover the truth, and how often equal models seem unequal, on few and on many images.

    python tests/benchmarks/intervals.py [--trials 2000]

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


def measure(images: int, trials: int, population: list[dict[str, np.ndarray]]) -> None:
    """Print the level of the test, and the coverage of both kinds of interval, for splits of so many images."""
    rng = np.random.default_rng(images)
    alarms, power, one, two = ({name: [] for name in ROWS.values()} for _ in range(4))  # type: ignore[var-annotated]
    for _ in range(trials):
        null = paired(*draw(rng, images), CLASSES, replicates=1000, confidence=CONFIDENCE)
        ours, theirs = draw(rng, images, BETTER)
        single = intervals(ours, CLASSES, confidence=CONFIDENCE)
        differences = paired(ours, theirs, CLASSES, replicates=1000, confidence=CONFIDENCE)
        for name in ROWS.values():
            true, other = (float(values[name]) for values in population)
            if name in single:
                one[name].append(single[name][0] <= true <= single[name][1])
            if name in null and null[name].beyond_noise is not None:
                alarms[name].append(null[name].beyond_noise)
            if name in differences and differences[name].beyond_noise is not None:
                power[name].append(differences[name].beyond_noise)
                two[name].append(differences[name].low <= true - other <= differences[name].high)
    for title, name in ROWS.items():
        columns = "".join(_column(outcomes[name], trials) for outcomes in (one, alarms, two, power))
        print(f"{images:>6}  {title:<20}{columns}", flush=True)


def _column(outcomes: list[bool], trials: int) -> str:
    """Return the share of true outcomes; `few` where under 5 % of the splits have one."""
    return f"{'few':>11}" if len(outcomes) < trials / 20 else f"{np.mean(outcomes):>11.1%}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000, help="splits drawn of each size (default: 2000)")
    options = parser.parse_args()
    population = [metrics(model.total(), CLASSES) for model in draw(np.random.default_rng(0), 200_000, BETTER)]
    print(f"{'':<28}{'interval':>11}{'null pair':>11}{'difference':>11}{'difference':>11}")
    print(f"{'images':>6}  {'metric':<20}{'covers':>11}{'differs':>11}{'covered':>11}{'noticed':>11}")
    for images in IMAGES:
        measure(images, options.trials, population)


if __name__ == "__main__":
    main()
