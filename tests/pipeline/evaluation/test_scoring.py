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


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(CLASSES, 5, padding="same")(keras.layers.Rescaling(1 / 64, -2)(images))
    return keras.Model(images, x)


def test_every_pixel_is_counted_once_at_original_size(ingested: Path, model: keras.Model) -> None:
    seen: dict[bytes, tuple[np.ndarray, ...]] = {}

    def on_batch(ids: np.ndarray, *arrays: np.ndarray) -> None:
        seen.update(zip(ids, zip(*arrays, strict=True), strict=True))

    confusion = scoring.score(model, ingested / "records", "val", CLASSES, None, batch_size=3, on_batch=on_batch)
    expected = np.zeros((CLASSES, CLASSES), np.int64)
    for example in examples.read(ingested / "records", "val"):
        image, truth, prediction = seen.pop(example.id.encode())
        np.testing.assert_array_equal(image, example.image)
        np.testing.assert_array_equal(truth, example.truth)
        np.testing.assert_array_equal(prediction, trained_model.class_map(model, example.image, None))
        expected += metrics.confusion_matrix(truth, prediction, CLASSES)
    assert not seen and expected.sum() > 0
    assert confusion.dtype == np.int64
    np.testing.assert_array_equal(confusion, expected)


def test_the_batch_size_does_not_matter(ingested: Path, model: keras.Model) -> None:
    scorer = scoring.Scorer(model, CLASSES, None)
    one, many = (scorer(ingested / "records", "train", batch_size=size) for size in (1, 8))
    assert np.abs(one - many).sum() <= 2


def test_pixels_are_counted_at_the_original_size_when_the_input_is_resized(ingested: Path, model: keras.Model) -> None:
    own, small = (
        scoring.score(model, ingested / "records", "val", CLASSES, fit, batch_size=4) for fit in (None, Fit((36, 48)))
    )
    np.testing.assert_array_equal(own.sum(axis=1), small.sum(axis=1))  # the truth is the same, pixel for pixel
    assert (own != small).any()


def test_a_scorer_uses_new_weights_without_compiling_again(ingested: Path, model: keras.Model) -> None:
    scorer = scoring.Scorer(model, CLASSES, None)
    before = scorer(ingested / "records", "val", batch_size=4)
    kernel = model.weights[0]
    kernel.assign(-kernel)
    after = scorer(ingested / "records", "val", batch_size=4)
    kernel.assign(-kernel)
    assert (before != after).any()
