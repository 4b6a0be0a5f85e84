"""Metrics: against values by hand, and the properties that hold over a whole split."""

import warnings

import numpy as np
import pytest

from models import metrics
from models.labels import IGNORE

MATRIX = np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]], np.int64)
"""Class 0: 3 correct, 1 missed, 2 false. Class 1: 4 correct, 2 missed, 1 false. Class 2: neither true nor predicted."""


def test_by_hand() -> None:
    np.testing.assert_allclose(metrics.iou(MATRIX), [3 / 6, 4 / 7, np.nan])
    np.testing.assert_allclose(metrics.class_accuracy(MATRIX), [3 / 4, 4 / 6, np.nan])
    assert metrics.mean_iou(MATRIX) == pytest.approx((3 / 6 + 4 / 7) / 2)
    assert metrics.mean_class_accuracy(MATRIX) == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert metrics.pixel_accuracy(MATRIX) == pytest.approx(7 / 10)
    assert metrics.frequency_weighted_iou(MATRIX) == pytest.approx(0.4 * 3 / 6 + 0.6 * 4 / 7)


def test_a_class_that_is_only_predicted_has_iou_0_which_counts() -> None:
    matrix = np.array([[3, 0, 1], [0, 4, 0], [0, 0, 0]], np.int64)
    np.testing.assert_allclose(metrics.iou(matrix), [3 / 4, 1, 0])
    assert metrics.mean_iou(matrix) == pytest.approx((3 / 4 + 1 + 0) / 3)
    margins = metrics.Margins.of(matrix)
    np.testing.assert_allclose(margins.f1(), [6 / 7, 1, 0])
    np.testing.assert_allclose(margins.precision(), [1, 1, 0])
    np.testing.assert_allclose(margins.recall(), [3 / 4, 1, np.nan])
    assert metrics.mean_class_accuracy(matrix) == pytest.approx((3 / 4 + 1) / 2)
    assert metrics.frequency_weighted_iou(matrix) == pytest.approx((3 / 4 + 1) / 2)


@pytest.mark.parametrize("seed", range(20))
def test_metrics_equal_those_of_sets_of_pixels(seed: int) -> None:
    """As mmsegmentation: histograms of truth, prediction and their intersection, and means that skip 0 / 0."""
    rng, classes = np.random.default_rng(seed), 6
    shown, predicted = (rng.permutation(classes)[: rng.integers(1, classes + 1)] for _ in range(2))
    labels = rng.choice([*shown, IGNORE], 200).astype(np.uint8)
    predictions = rng.choice(predicted, 200).astype(np.uint8)
    truth, answer = (part[labels != IGNORE] for part in (labels, predictions))
    both = np.array([((truth == one) & (answer == one)).sum() for one in range(classes)])
    either = np.array([((truth == one) | (answer == one)).sum() for one in range(classes)])
    sums = np.array([(truth == one).sum() + (answer == one).sum() for one in range(classes)])
    with np.errstate(invalid="ignore"):
        iou, dice = both / either, 2 * both / sums
    matrix = metrics.confusion_matrix(labels, predictions, classes)
    margins = metrics.Margins.of(matrix)
    np.testing.assert_allclose(metrics.iou(matrix), iou)
    np.testing.assert_allclose(margins.f1(), dice)
    assert metrics.mean_iou(matrix) == pytest.approx(np.nanmean(iou))
    assert margins.mean_f1() == pytest.approx(np.nanmean(dice))


def test_a_class_that_is_never_predicted_has_iou_0() -> None:
    np.testing.assert_array_equal(metrics.iou(np.array([[0, 2], [0, 2]])), [0, 0.5])


def test_an_empty_matrix_has_nan_metrics_without_a_warning() -> None:
    empty = np.zeros((3, 3), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = [
            metrics.mean_iou(empty),
            metrics.pixel_accuracy(empty),
            metrics.mean_class_accuracy(empty),
            metrics.frequency_weighted_iou(empty),
        ]
    assert np.isnan(values).all()


def random_pair(seed: int, shape: tuple[int, ...] = (6, 9, 11)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.choice([0, 1, 2, 3, IGNORE], shape).astype(np.uint8), rng.integers(0, 4, shape).astype(np.uint8)


def test_counts_are_those_of_a_loop_over_pixels() -> None:
    labels, predictions = random_pair(0)
    expected = np.zeros((4, 4), np.int64)
    for truth, predicted in zip(labels.ravel(), predictions.ravel(), strict=True):
        if truth != IGNORE:
            expected[truth, predicted] += 1
    received = metrics.confusion_matrix(labels, predictions, 4)
    assert received.dtype == np.int64
    np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize("seed", range(5))
def test_parts_add_up_to_the_whole(seed: int) -> None:
    labels, predictions = random_pair(seed)
    parts = [metrics.confusion_matrix(a, b, 4) for a, b in zip(labels, predictions, strict=True)]
    np.testing.assert_array_equal(sum(parts), metrics.confusion_matrix(labels, predictions, 4))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("patch", [1, 16])
def test_patches_and_noise_are_counted_alike(dtype: type, patch: int) -> None:
    rng = np.random.default_rng(patch)
    labels, predictions = (
        rng.choice([0, 1, 2, 3, last], (8, 12)).repeat(patch, axis=0).repeat(patch, axis=1).astype(dtype)
        for last in (IGNORE, 3)
    )
    expected = np.zeros((4, 4), np.int64)
    np.add.at(expected, (labels[labels != IGNORE], predictions[labels != IGNORE]), 1)
    received = metrics.confusion_matrix(labels, predictions, 4)
    assert received.dtype == np.int64
    np.testing.assert_array_equal(received, expected)


def test_everything_ignored_counts_nothing() -> None:
    labels, predictions = np.full((2, 2), IGNORE, np.uint8), np.zeros((2, 2), np.uint8)
    assert metrics.confusion_matrix(labels, predictions, 3).sum() == 0


def test_wrong_values_and_shapes_are_refused() -> None:
    ones = np.ones((2, 2), np.uint8)
    with pytest.raises(ValueError, match=r"`labels` must be in 0\.\.0"):
        metrics.confusion_matrix(ones, ones * 0, 1)
    with pytest.raises(ValueError, match=r"`predictions` must be in 0\.\.0"):
        metrics.confusion_matrix(ones * 0, ones, 1)
    with pytest.raises(ValueError, match="shape"):
        metrics.confusion_matrix(ones, ones[:1], 2)


def test_a_split_of_more_than_2_to_the_31_pixels_does_not_overflow() -> None:
    matrix = np.array([[3_000_000_000, 1_000_000_000], [0, 2_000_000_000]], np.int64)
    assert metrics.mean_iou(matrix) == pytest.approx((3 / 4 + 2 / 3) / 2)
