"""Intervals: of the right width, reproducible, and narrower where two models are compared image by image."""

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.evaluation import bootstrap, comparison
from pipeline.evaluation.image_counts import FILE, ImageCounts
from pipeline.workspace import json_file

CLASSES = ("a", "b")


def counts(accuracies: np.ndarray, prefix: str = "i") -> ImageCounts:
    """Images of 1,000 pixels of class a, of which a share is correct, and as many of class b, all correct."""
    hits = np.stack([np.rint(accuracies * 1000), np.full(len(accuracies), 1000)], axis=1).astype(np.int64)
    truth = np.full(hits.shape, 1000)
    predicted = np.stack([hits[:, 0], 2000 - hits[:, 0]], axis=1)
    ids = tuple(f"{prefix}{number}" for number in range(len(accuracies)))
    return ImageCounts(ids, ("g",) * len(ids), hits, truth, predicted)


@pytest.fixture(scope="module")
def accuracies() -> np.ndarray:
    return np.clip(np.random.default_rng(0).normal(0.6, 0.1, 200), 0, 1)


def test_interval_of_a_mean_equals_the_normal_distributions(accuracies):
    intervals = bootstrap.intervals(counts(accuracies), CLASSES, replicates=2000, confidence=0.95)
    low, high = intervals["iou/a"]  # hits / 1,000: the mean of the images
    expected = 1.96 * np.rint(accuracies * 1000).std() / 1000 / np.sqrt(200)
    assert (high - low) / 2 == pytest.approx(expected, rel=0.08)
    assert (high + low) / 2 == pytest.approx(accuracies.mean(), abs=expected / 5)
    assert intervals == bootstrap.intervals(counts(accuracies), CLASSES, replicates=2000, confidence=0.95)


def test_absent_classes_and_empty_splits_have_no_interval(accuracies):
    none = counts(accuracies)
    none.hits[:, 1] = none.truth[:, 1] = none.predicted[:, 1] = 0
    assert "iou/b" not in bootstrap.intervals(none, CLASSES, replicates=50, confidence=0.9)
    assert bootstrap.intervals(counts(np.zeros(0)), CLASSES, replicates=50, confidence=0.9) == {}


def test_a_class_that_a_resample_only_predicts_counts_0_in_it(accuracies):
    """Class b is true in one image of twelve and predicted in all: where that one is not drawn, its IoU is 0."""
    few = counts(accuracies[:12])
    few.hits[1:, 1] = few.truth[1:, 1] = 0
    replicates = 400
    times = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), size=100)  # the first chunk of resamples
    (samples,) = bootstrap._resampled((few,), CLASSES, replicates, 0)
    expected = [
        np.mean([few.hits.T @ row / ((few.truth + few.predicted - few.hits).T @ row)]) for row in times.astype(float)
    ]
    np.testing.assert_allclose(samples["miou"][:100], expected)
    assert (samples["iou/b"][:100][times[:, 0] == 0] == 0).all() and not np.isnan(samples["iou/b"]).any()
    never = counts(accuracies[:12])
    never.hits[:, 1] = never.truth[:, 1] = 0
    assert bootstrap.intervals(never, CLASSES, replicates=50, confidence=0.9)["iou/b"] == (0, 0)


def test_a_model_that_predicts_a_class_that_is_not_there_is_worse(accuracies):
    ours, theirs = counts(accuracies[:40]), counts(accuracies[:40])
    for each in (ours, theirs):
        each.hits[:, 1] = each.truth[:, 1] = 0
    theirs.predicted[:, 1] = 0
    compared = comparison.compare(ours, theirs, CLASSES, replicates=100, confidence=0.95)
    miou = compared.differences["miou"]
    assert miou.ours == pytest.approx(miou.theirs / 2) and miou.beyond_noise and "iou/b" not in compared.differences


def test_paired_bootstrap_shows_differences_that_intervals_do_not(accuracies):
    ours, theirs = counts(accuracies), counts(accuracies - 0.01)
    differences = comparison.compare(ours, theirs, CLASSES, replicates=500, confidence=0.95).differences
    assert differences["iou/a"].beyond_noise and differences["iou/a"].low > 0
    one = bootstrap.intervals(ours, CLASSES, replicates=500, confidence=0.95)["iou/a"]
    assert one[0] < accuracies.mean() - 0.01 < one[1]
    low, high = differences["iou/b"].low, differences["iou/b"].high
    assert 0 < low < high < 0.01  # fewer pixels of a are predicted as b: 1 / 1.40 - 1 / 1.41 = 0.005


def test_a_single_image_has_no_verdict(accuracies):
    one = comparison.compare(
        counts(accuracies[:1]), counts(accuracies[:1] - 0.2), CLASSES, replicates=50, confidence=0.95
    )
    assert all(difference.beyond_noise is None for difference in one.differences.values())
    row = one.as_dict()["differences"]["iou/a"]
    assert row["ours"] > row["theirs"]
    assert {row[key] for key in ("low", "high", "p", "beyond_noise")} == {None}
    lines = comparison.table(one, "a", "b")
    assert any(line.startswith("iou/a") and line.endswith(" few") for line in lines)
    assert "few: fewer than 5 images cannot show whether a difference is noise." in lines


@pytest.mark.parametrize("images", range(1, bootstrap.FEWEST + 1))
def test_few_images_have_no_interval(accuracies, images):
    few = counts(accuracies[:images])
    intervals = bootstrap.intervals(few, CLASSES, replicates=50, confidence=0.95)
    pairs = bootstrap.paired(few, counts(accuracies[:images] - 0.2), CLASSES, replicates=50, confidence=0.95)
    assert ("miou" in intervals) is (pairs["miou"].beyond_noise is True) is (images == bootstrap.FEWEST)


def test_random_differences_are_called_noise(accuracies):
    shuffled = accuracies + np.random.default_rng(1).normal(0, 0.05, 200)
    shuffled += accuracies.mean() - shuffled.mean()
    compared = comparison.compare(counts(accuracies), counts(shuffled), CLASSES, replicates=500, confidence=0.95)
    assert not compared.differences["iou/a"].beyond_noise and compared.differences["iou/a"].p > 0.2
    lines = comparison.table(compared, "a", "b")
    assert max(map(len, lines)) <= 80 and any(line.startswith("iou/a") and line.endswith("noise") for line in lines)


def test_only_common_images_are_compared_and_changed_masks_refused(accuracies):
    ours, theirs = counts(accuracies), counts(accuracies[:50])
    compared = comparison.compare(ours, theirs, CLASSES, replicates=20, confidence=0.95)
    assert (compared.images, compared.only_ours, compared.only_theirs) == (50, 150, 0)
    theirs.truth[3] += 1
    with pytest.raises(UserError, match=r"masks of 1 images are not the same.*i3"):
        comparison.compare(ours, theirs, CLASSES, replicates=20, confidence=0.95)
    with pytest.raises(UserError, match="no image in common"):
        comparison.compare(ours, counts(accuracies, "other"), CLASSES, replicates=20, confidence=0.95)


def test_comparison_reports_different_inference(accuracies, tmp_path):
    facts = {"dataset": "toy", "split": "val", "classes": CLASSES}
    scales = {"inference": "whole", "scales": [0.75, 1.0, 1.25, 1.5], "flip": True}
    for name, inference in {"plain": {}, "scales": scales}.items():
        (tmp_path / name).mkdir()
        json_file.write(tmp_path / name / "metrics.json", {**facts, "inference": inference})
        counts(accuracies[:20]).write(tmp_path / name / FILE)
    plain, other = tmp_path / "plain", tmp_path / "scales"
    lines = comparison.table(comparison.compare_folders(other, plain, replicates=20), "other", "plain")
    text = "A: the whole image at once, averaged over zooms 0.75, 1, 1.25, 1.5 and mirror images. B: the whole image"
    assert text in " ".join(lines) and max(map(len, lines)) <= 80
    assert comparison.compare_folders(plain, plain, replicates=20).inference is None
    assert "inference" not in comparison.compare_folders(plain, plain, replicates=20).as_dict()
