"""What a training measures on the validation split, from what a scorer gives it."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from datasets.camvid.classes import SPECS
from pipeline.evaluation.scoring import Batch
from pipeline.training.validation import Validator

SPEC = next(iter(SPECS.values()))


def measure(probability: np.ndarray, labels: np.ndarray) -> Any:
    """Validate on one image whose every pixel is answered with class 0, the truth at these probabilities [H,W]."""
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


def test_the_loss_is_that_of_the_pixels_that_count() -> None:
    labels = np.array([[0, 1], [0, 255]], np.uint8)
    found = measure(np.array([[0.5, 0.25], [1.0, 0.0]]), labels)
    assert found.loss == pytest.approx((np.log(2) + np.log(4)) / 3)
    assert found.pixel_accuracy == pytest.approx(2 / 3) and set(found.pictures) == {"confusion", "a"}


@pytest.mark.parametrize("probability", [np.nan, 0.5])
def test_a_loss_that_is_no_number_is_none(probability: float) -> None:
    """As where a float16 network leaves its range: a best loss of NaN would never be beaten, and JSON knows none."""
    found = measure(np.full([2, 2], probability), np.zeros([2, 2], np.uint8))
    assert found.loss == (None if np.isnan(probability) else pytest.approx(np.log(2)))
    assert found.miou == 1 and ("loss" in found.scalars()) == (found.loss is not None)
