"""Windows, scales and flips against simple loops; a network of 1x1 convolutions predicts the same with all."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import inference, segmenter
from models.fit import Fit
from models.inference import PLAIN, Inference
from models.labels import IGNORE

CLASSES = 5
WINDOWS = [
    Inference(window=(16, 20), overlap=0.5),
    Inference(window=(100, 20), overlap=0.7),
    Inference(window=(16, 20), overlap=0.25, average=False),
    Inference(window=(16, 100), average=False),
]


def network(kernel: int) -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3))
    scaled = keras.layers.Rescaling(1 / 64, -2)(images)
    return keras.Model(images, keras.layers.Conv2D(CLASSES, kernel, padding="same")(scaled))


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 4, IGNORE], (2, 37, 53)).astype(np.uint8)
    return rng.integers(0, 256, (2, 37, 53, 3)).astype(np.uint8), labels


def predict(model: keras.Model, data: tuple[np.ndarray, np.ndarray], plan: Inference, size=None) -> np.ndarray:
    """Predict in a graph of unknown sizes, as the Scorer does."""
    specs = [tf.TensorSpec([None, None, None, 3], tf.uint8), tf.TensorSpec([None, None, None], tf.uint8)]
    return tf.function(lambda a, b: inference.predict(model, a, b, size, plan), input_signature=specs)(*data).numpy()


@pytest.mark.parametrize("plan", [*WINDOWS, Inference(flip=True)], ids=str)
def test_a_network_of_single_pixels_predicts_the_same_with_every_plan(data, plan):
    model = network(1)
    np.testing.assert_allclose(predict(model, data, plan), predict(model, data, PLAIN), atol=1e-6)


def test_channels_are_class_and_probabilities(data):
    model = network(3)
    probabilities = tf.nn.softmax(segmenter.logits(model, tf.constant(data[0]), None)).numpy()
    received = predict(model, data, PLAIN)
    np.testing.assert_array_equal(received[..., inference.PREDICTION], probabilities.argmax(-1))
    np.testing.assert_allclose(received[..., inference.CONFIDENCE], probabilities.max(-1), atol=1e-6)
    np.testing.assert_allclose(received[..., inference.POSITIVE], probabilities[..., 1], atol=1e-6)
    labelled = data[1] != IGNORE
    of_label = np.take_along_axis(probabilities, np.minimum(data[1], 4)[..., None].astype(int), -1)[..., 0]
    np.testing.assert_allclose(received[..., inference.TRUTH][labelled], of_label[labelled], atol=1e-6)
    assert (received[..., inference.TRUTH][~labelled] == 0).all()


def test_windows_are_averaged_as_by_a_loop(data):
    model, plan = network(5), Inference(window=(16, 20), overlap=0.5)
    total, count = np.zeros((2, 37, 53, CLASSES)), np.zeros((1, 37, 53, 1))
    for top in (0, 8, 16, 21):
        for left in (0, 10, 20, 30, 33):
            here = np.s_[:, top : top + 16, left : left + 20]
            total[here] += tf.nn.softmax(model(tf.cast(data[0][here], tf.float32))).numpy()
            count[here] += 1
    np.testing.assert_allclose(
        predict(model, data, plan)[..., inference.CONFIDENCE], (total / count).max(-1), atol=1e-5
    )


def test_a_pixel_is_predicted_by_the_window_in_which_it_is_most_central(data):
    model, plan = network(5), WINDOWS[2]
    tops, lefts = np.array([0, 12, 21]), np.array([0, 15, 30, 33])
    # The nearest window centre; of two at the same distance, the later window.
    down = np.abs(np.arange(37)[:, None] + 0.5 - (tops + 8))[:, ::-1].argmin(1)
    across = np.abs(np.arange(53)[:, None] + 0.5 - (lefts + 10))[:, ::-1].argmin(1)
    expected = np.zeros((2, 37, 53, CLASSES))
    for row, top in enumerate(tops[::-1]):
        for column, left in enumerate(lefts[::-1]):
            window = np.s_[:, top : top + 16, left : left + 20]
            whole = np.zeros_like(expected)
            whole[window] = tf.nn.softmax(model(tf.cast(data[0][window], tf.float32))).numpy()
            mine = (down == row)[:, None] & (across == column)
            expected[:, mine] = whole[:, mine]
    received = predict(model, data, plan)
    np.testing.assert_allclose(received[..., inference.CONFIDENCE], expected.max(-1), atol=1e-5)
    np.testing.assert_array_equal(received[..., inference.PREDICTION], expected.argmax(-1))


def test_scales_and_mirror_images_are_averaged_as_by_a_loop(data):
    model, plan = network(5), Inference(scales=(1.0, 0.5), flip=True)
    images, total = tf.cast(data[0], tf.float32), 0.0
    for size in ((37, 53), (18, 26)):
        resized = tf.image.resize(images, size, antialias=True)
        for flip in (lambda x: x, lambda x: x[:, :, ::-1]):
            total += tf.image.resize(flip(tf.nn.softmax(model(flip(resized)))), (37, 53)).numpy() / 4
    np.testing.assert_allclose(predict(model, data, plan)[..., inference.CONFIDENCE], total.max(-1), atol=1e-5)


def test_plain_classes_are_those_of_the_network_at_its_own_input_size(data):
    model, fit = network(3), Fit((24, 32))
    expected = segmenter.logits(model, tf.constant(data[0]), fit).numpy().argmax(-1)
    np.testing.assert_array_equal(predict(model, data, PLAIN, fit)[..., inference.PREDICTION], expected)
