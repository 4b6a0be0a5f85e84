"""Metrics of the validation split, from the batches of a scorer."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from datasets.camvid.classes import SPECS
from pipeline.evaluation.scoring import Batch
from pipeline.training import tensorboard_pictures
from pipeline.training.job import Display
from pipeline.training.validation import Validator

SPEC = next(iter(SPECS.values()))


def measure(probability: np.ndarray, labels: np.ndarray) -> Any:
    """Validate on one image, predicted as class 0 everywhere, with probabilities [H,W] of the truth."""
    answers = np.zeros([1, *labels.shape, 4], np.float32)
    answers[0, ..., 2] = probability
    confusion = np.zeros([1, SPEC.num_classes, SPEC.num_classes], np.int64)
    np.add.at(confusion, (0, labels[labels != 255], 0), 1)
    image = np.zeros([1, *labels.shape, 3], np.uint8)
    batch = Batch(["a"], [""], [0], image, labels[None], np.zeros_like(labels)[None], confusion, answers)

    def batches(*_: Any, **__: Any) -> Iterator[Batch]:
        yield batch

    scorer: Any = SimpleNamespace(batches=batches, team=SimpleNamespace(sum=lambda array: array))
    return Validator(scorer, folder=None, spec=SPEC, batch_size=1, samples=1)(lambda: None)  # type: ignore[arg-type]


def test_the_loss_leaves_out_ignored_pixels() -> None:
    labels = np.array([[0, 1], [0, 255]], np.uint8)
    validation = measure(np.array([[0.5, 0.25], [1.0, 0.0]]), labels)
    assert validation.loss == pytest.approx((np.log(2) + np.log(4)) / 3)
    assert validation.pixel_accuracy == pytest.approx(2 / 3) and [sample.id for sample in validation.samples] == ["a"]
    pictures = tensorboard_pictures.draw(None, Display(SPEC, samples=1), validation)  # type: ignore[arg-type]
    assert set(pictures) == {"confusion", "a"}


def test_a_class_that_is_only_predicted_has_iou_0_and_counts() -> None:
    validation = measure(np.full([2, 2], 0.5), np.array([[1, 1], [1, 255]], np.uint8))
    first, second, *others = validation.per_class_iou.values()
    assert (first, second, set(others), validation.miou) == (0, 0, {None}, 0)
    half = measure(np.full([2, 2], 0.5), np.array([[0, 1], [0, 0]], np.uint8))
    assert half.miou == pytest.approx((3 / 4 + 0) / 2) and "iou/Building" in half.scalars()


@pytest.mark.parametrize("probability", [np.nan, 0.5])
def test_a_loss_that_is_not_finite_is_none(probability: float) -> None:
    """As when a float16 network overflows: no loss would be better than NaN, and JSON has no NaN."""
    validation = measure(np.full([2, 2], probability), np.zeros([2, 2], np.uint8))
    assert validation.loss == (None if np.isnan(probability) else pytest.approx(np.log(2)))
    assert validation.miou == 1 and ("loss" in validation.scalars()) == (validation.loss is not None)
