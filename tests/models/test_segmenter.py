"""The one inference path: sizes, equality of eager and graph, and what a resize may change."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import catalog, segmenter


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return catalog.build("fast", 3, {"width": 8})


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 37, 53, 3), np.uint8)


@pytest.mark.parametrize("size", [None, (32, 48), (37, 53), (51, 70)])
def test_logits_are_float32_at_the_images_own_size(model, images, size) -> None:
    received = segmenter.logits(model, images, size)
    assert received.shape == (2, 37, 53, 3) and received.dtype == tf.float32


@pytest.mark.parametrize("size", [None, (32, 48)])
def test_a_graph_of_unknown_sizes_computes_what_eager_does(model, images, size) -> None:
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
    infer = tf.function(lambda x: segmenter.logits(model, x, size), input_signature=[spec])
    for batch in (images, images[:1, :16, :9]):
        np.testing.assert_allclose(infer(batch), segmenter.logits(model, batch, size), atol=1e-4)


def test_uint8_and_float_images_are_the_same(model, images) -> None:
    np.testing.assert_array_equal(segmenter.logits(model, images), segmenter.logits(model, images.astype(np.float32)))


def test_a_size_that_the_images_have_changes_nothing(model, images) -> None:
    np.testing.assert_array_equal(segmenter.logits(model, images, (37, 53)), segmenter.logits(model, images))


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
