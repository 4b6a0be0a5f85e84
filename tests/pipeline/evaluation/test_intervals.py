"""Intervals of one model's metrics: of the right width, honest on few images, and absent where nothing is known."""

import numpy as np
import pytest

from pipeline.evaluation.image_counts import ImageCounts
from pipeline.evaluation.intervals import FEWEST, intervals, metrics, shares

CLASSES = ("a", "b")


def counts(accuracies: np.ndarray) -> ImageCounts:
    """Images of 1,000 pixels of class a, of which a share is correct, and as many of class b, all correct."""
    hits = np.stack([np.rint(accuracies * 1000), np.full(len(accuracies), 1000)], axis=1).astype(np.int64)
    predicted = np.stack([hits[:, 0], 2000 - hits[:, 0]], axis=1)
    ids = tuple(map(str, range(len(accuracies))))
    return ImageCounts(ids, ("g",) * len(ids), hits, np.full(hits.shape, 1000), predicted)


def accuracies(images: int) -> np.ndarray:
    return np.clip(np.random.default_rng(0).normal(0.6, 0.1, images), 0, 1)


def test_the_interval_of_a_mean_over_many_images_is_the_normal_distributions() -> None:
    values = accuracies(400)
    low, high = intervals(counts(values), CLASSES, confidence=0.95)["iou/a"]  # hits / 1,000: the mean of the images
    expected = 1.96 * np.rint(values * 1000).std() / 1000 / np.sqrt(400)
    assert (high - low) / 2 == pytest.approx(expected, rel=0.02)
    assert (high + low) / 2 == pytest.approx(values.mean(), abs=expected / 20)


def test_the_interval_of_few_images_is_students_on_the_logit_scale() -> None:
    values = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    low, high = intervals(counts(values), CLASSES, confidence=0.95)["iou/a"]
    reach = 2.776445 * values.std(ddof=1) / np.sqrt(5) / (0.7 * 0.3)  # t of 4 degrees of freedom
    centre = np.log(0.7 / 0.3)
    assert (low, high) == pytest.approx((1 / (1 + np.exp(reach - centre)), 1 / (1 + np.exp(-reach - centre))), abs=1e-6)


def test_an_image_that_makes_most_of_a_class_leaves_few_degrees_of_freedom() -> None:
    equal, large = counts(accuracies(20)), counts(accuracies(20))
    for part in (large.hits, large.truth, large.predicted):
        part[0] *= 40
    widths = [np.ptp(intervals(each, CLASSES, confidence=0.95)["iou/a"]) for each in (equal, large)]
    assert widths[1] > 3 * widths[0]


def test_a_class_of_three_images_leaves_a_mean_few_degrees_of_freedom() -> None:
    rare, share = counts(np.full(30, 0.6)), np.array([500, 700, 900])
    rare.hits[:, 1] = rare.truth[:, 1] = rare.predicted[:, 1] = 0
    rare.hits[:3, 1] = rare.predicted[:3, 1] = share
    rare.truth[:3, 1] = 1000
    low, high = intervals(rare, CLASSES, confidence=0.95)["miou"]
    without = np.array([(0.6 + np.delete(share, image).mean() / 1000) / 2 for image in range(3)] + [0.65] * 27)
    error = np.sqrt(np.square(without - without.mean()).sum() * 29 / 30) / (0.65 * 0.35)
    width = np.log(high / (1 - high)) - np.log(low / (1 - low))
    assert width == pytest.approx(2 * 4.302653 * error, rel=1e-6)  # t of 2 degrees of freedom


@pytest.mark.parametrize("shown", [FEWEST - 1, FEWEST])
def test_a_class_of_few_images_has_no_interval(shown: int) -> None:
    rare = counts(accuracies(30))
    rare.hits[shown:, 1] = rare.truth[shown:, 1] = rare.predicted[shown:, 1] = 0
    ranges = intervals(rare, CLASSES, confidence=0.9)
    assert ("iou/b" in ranges) is (shown == FEWEST) and "miou" in ranges


def test_fewer_images_and_metrics_that_no_image_changes_have_no_interval() -> None:
    assert intervals(counts(accuracies(FEWEST - 1)), CLASSES, confidence=0.9) == {}
    assert intervals(counts(np.zeros(0)), CLASSES, confidence=0.9) == {}
    never = counts(accuracies(12))
    never.hits[:, 1] = never.truth[:, 1] = 0  # IoU 0 in every image: how far the truth is above is unknown
    assert "iou/b" not in intervals(never, CLASSES, confidence=0.9)
    assert intervals(counts(np.full(12, 0.5)), CLASSES, confidence=0.9) == {}


def test_shares_add_up_and_absent_classes_have_none() -> None:
    absent = counts(accuracies(9))
    absent.hits[:, 1] = absent.truth[:, 1] = absent.predicted[:, 1] = 0
    of_metric = shares(absent.margins, CLASSES)
    assert list(of_metric) == list(metrics(absent.total(), CLASSES))
    assert np.isnan(of_metric.pop("iou/b")).all()
    assert [share.sum() for share in of_metric.values()] == pytest.approx([1] * len(of_metric))


def test_intervals_of_thirty_images_cover_what_they_claim() -> None:
    """The percentile bootstrap covers 88 % here: sizes are lognormal, and a third of the images do not show class b."""
    rng, covered, true = np.random.default_rng(1), [], list[float]()
    for images in (20_000, *[30] * 300):
        truth = np.rint(1000 * np.exp(rng.normal(0, 1, (images, 2)))).astype(np.int64)
        truth[rng.random(images) < 1 / 3, 1] = 0
        hits = np.rint(truth / (1 + np.exp(-rng.normal(1, 1, (images, 1)) - rng.normal(0, 0.5, truth.shape))))
        hits = hits.astype(np.int64)
        drawn = ImageCounts(("",) * images, ("",) * images, hits, truth, hits + (truth - hits)[:, ::-1])
        if not true:
            true = [float(value) for value in metrics(drawn.total(), CLASSES).values()]
            continue
        ranges = intervals(drawn, CLASSES, confidence=0.95)
        covered.append([ranges[name][0] <= value <= ranges[name][1] for name, value in zip(ranges, true, strict=True)])
    assert np.mean(covered, axis=0).min() > 0.92
