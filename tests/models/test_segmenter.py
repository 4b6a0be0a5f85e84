"""Images to logits: sizes, equality of eager and graph, effects of resizing and padding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import catalog, segmenter
from models.fit import Fit
from models.labels import IGNORE

FITS = [
    None,
    Fit((32, 48)),
    Fit((37, 53)),
    Fit((51, 70)),
    Fit((32, 32), "resize_pad"),
    Fit((64, 64), "resize_pad", "reflect"),
    Fit((40, 64), "pad"),
    Fit((40, 40), "pad", "symmetric"),
]


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return catalog.build("fast", 3, {"width": 8})


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 37, 53, 3), np.uint8)


@pytest.mark.parametrize("fit", FITS)
def test_logits_are_float32_at_the_images_own_size(model, images, fit) -> None:
    received = segmenter.logits(model, images, fit)
    assert received.shape == (2, 37, 53, 3) and received.dtype == tf.float32


@pytest.mark.parametrize("fit", FITS)
def test_a_graph_of_unknown_sizes_computes_what_eager_does(model, images, fit) -> None:
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
    infer = tf.function(lambda x: segmenter.logits(model, x, fit), input_signature=[spec])
    for batch in (images, images[:1, :16, :9]):
        np.testing.assert_allclose(infer(batch), segmenter.logits(model, batch, fit), atol=1e-4)


def test_uint8_and_float_images_are_the_same(model, images) -> None:
    np.testing.assert_array_equal(segmenter.logits(model, images), segmenter.logits(model, images.astype(np.float32)))


def test_a_size_that_the_images_have_changes_nothing(model, images) -> None:
    np.testing.assert_array_equal(segmenter.logits(model, images, Fit((37, 53))), segmenter.logits(model, images))


def test_resize_keeps_exact_values_of_the_same_size_and_the_range_of_others(images) -> None:
    np.testing.assert_array_equal(segmenter.resize_images(images, (37, 53)), images.astype(np.float32))
    small = segmenter.resize_images(images, (9, 13))
    assert small.shape == (2, 9, 13, 3) and small.dtype == tf.float32
    assert small.numpy().min() >= 0 and small.numpy().max() <= 255


def test_shrinking_averages_instead_of_dropping_pixels() -> None:
    stripes = np.zeros((8, 64, 3), np.uint8)
    stripes[:, ::4] = 200
    assert np.ptp(segmenter.resize_images(stripes, (8, 8))[:, 1:-1]) < 60


def test_a_batch_and_its_images_resize_alike(images) -> None:
    batch = segmenter.resize_images(images, (20, 20))
    np.testing.assert_array_equal(batch[1], segmenter.resize_images(images[1], (20, 20)))


def test_the_static_size_is_known_to_the_input_pipeline() -> None:
    dataset = tf.data.Dataset.from_tensors(tf.zeros([9, 9, 3], tf.uint8)).map(
        lambda image: segmenter.resize_images(tf.ensure_shape(image, [None, None, 3]), (4, 6))
    )
    assert dataset.element_spec.shape == (4, 6, 3)


@pytest.mark.parametrize("padding", ["reflect", "symmetric", "wrap", "constant"])
def test_padding_is_that_of_numpy_for_image_and_label(images, padding) -> None:
    """101 x 101 in 128 x 128, as the salt recipe has it: 14 above, 13 below."""
    image = np.random.default_rng(1).integers(0, 256, (101, 101, 3), np.uint8)
    fit, around = Fit((128, 128), "pad", padding), ((14, 13), (14, 13))
    grey, ignored = ({"constant_values": value} if padding == "constant" else {} for value in (114, 255))
    np.testing.assert_array_equal(segmenter.fit_images(image, fit), np.pad(image, (*around, (0, 0)), padding, **grey))
    label = image[..., 0]
    np.testing.assert_array_equal(segmenter.fit_label(label, fit), np.pad(label, around, padding, **ignored))
    batch = segmenter.fit_images(images[:, :20, :20], Fit((50, 61), "pad", padding))  # wider than the image
    expected = np.pad(images[:, :20, :20], ((0, 0), (15, 15), (21, 20), (0, 0)), padding, **grey)
    np.testing.assert_array_equal(batch, expected)


@pytest.mark.parametrize("fit", FITS[1:])
def test_label_and_image_are_aligned(fit) -> None:
    """A white rectangle on black has class 1 exactly where it is white."""
    label = np.zeros((37, 53), np.uint8)
    label[10:30, 15:40] = 1
    image = segmenter.fit_images(label[..., None].repeat(3, -1) * 200, fit).numpy()[..., 0]
    fitted = segmenter.fit_label(label, fit).numpy()
    assert image.shape == fitted.shape and fitted.dtype == np.uint8
    counts = fitted != IGNORE
    assert np.mean((image > 100)[counts] == (fitted == 1)[counts]) > 0.97
    assert set(np.unique(fitted)) <= {0, 1, IGNORE}


@pytest.mark.parametrize("fit", FITS[1:])
def test_logits_are_restored_to_their_pixels(fit) -> None:
    """A network that returns the red channel restores the image."""
    slope = np.linspace(0, 200, 37 * 53, dtype=np.float32).reshape(1, 37, 53, 1)
    received = segmenter.logits(lambda images, training: images[..., :1], slope.repeat(3, -1), fit)
    tolerance = 1e-3 if fit.how == "pad" or fit.size == (37, 53) else 8
    np.testing.assert_allclose(received[0, 2:-2, 2:-2], slope[0, 2:-2, 2:-2], atol=tolerance)


def test_a_side_longer_than_a_padded_size_stays(images) -> None:
    assert segmenter.fit_images(images, Fit((64, 32), "pad")).shape == (2, 64, 53, 3)
