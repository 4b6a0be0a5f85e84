"""The confusion matrix of a whole split at original size, for every batch size."""

from pathlib import Path

import keras
import numpy as np
import pytest

from models import metrics
from models.fit import Fit
from pipeline.evaluation import scoring
from pipeline.input import examples
from pipeline.training import trained_model

CLASSES = 11


def score(scorer: scoring.Scorer, folder: Path, split: str, *, batch_size: int) -> np.ndarray:
    return sum(batch.confusion.sum(axis=0) for batch in scorer.batches(folder, split, batch_size=batch_size))


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(CLASSES, 5, padding="same")(keras.layers.Rescaling(1 / 64, -2)(images))
    return keras.Model(images, x)


def test_every_pixel_is_counted_once_at_original_size(ingested: Path, model: keras.Model) -> None:
    seen: dict[str, tuple[np.ndarray, ...]] = {}
    confusion = np.zeros((CLASSES, CLASSES), np.int64)
    for batch in scoring.Scorer(model, CLASSES, None).batches(ingested / "records", "val", batch_size=3):
        arrays = zip(batch.images, batch.labels, batch.predictions, strict=True)
        seen.update(zip(batch.ids, arrays, strict=True))
        assert batch.confusion.dtype == np.int64
        confusion += batch.confusion.sum(axis=0)
    expected = np.zeros((CLASSES, CLASSES), np.int64)
    for example in examples.read(ingested / "records", "val"):
        image, truth, prediction = seen.pop(example.id)
        np.testing.assert_array_equal(image, example.image)
        np.testing.assert_array_equal(truth, example.truth)
        np.testing.assert_array_equal(prediction, trained_model.class_map(model, example.image, None))
        expected += metrics.confusion_matrix(truth, prediction, CLASSES)
    assert not seen and expected.sum() > 0
    np.testing.assert_array_equal(confusion, expected)


def test_the_batch_size_does_not_matter(ingested: Path, model: keras.Model) -> None:
    scorer = scoring.Scorer(model, CLASSES, None)
    one, many = (score(scorer, ingested / "records", "train", batch_size=size) for size in (1, 8))
    assert np.abs(one - many).sum() <= 2


def test_pixels_are_counted_at_the_original_size_when_the_input_is_resized(ingested: Path, model: keras.Model) -> None:
    own, small = (
        score(scoring.Scorer(model, CLASSES, fit), ingested / "records", "val", batch_size=4)
        for fit in (None, Fit((36, 48)))
    )
    np.testing.assert_array_equal(own.sum(axis=1), small.sum(axis=1))  # the truth is the same, pixel for pixel
    assert (own != small).any()


def test_a_scorer_uses_new_weights_without_compiling_again(ingested: Path, model: keras.Model) -> None:
    scorer = scoring.Scorer(model, CLASSES, None)
    before = score(scorer, ingested / "records", "val", batch_size=4)
    kernel = model.weights[0]
    kernel.assign(-kernel)
    after = score(scorer, ingested / "records", "val", batch_size=4)
    kernel.assign(-kernel)
    assert (before != after).any()
