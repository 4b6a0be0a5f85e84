"""SegNet against its source: the number of weights, and unpooling of each maximum to its position."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import backbones, catalog, weights
from models.errors import ModelError
from models.segnet import PoolingIndices, Unpool

ENCODER = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
DECODER = (512, 512, 512, 512, 512, 256, 256, 256, 128, 128, 64, 64)
"""Channels of the 3x3 convolutions in the authors' definition, each with a bias, a scale and a shift.

alexgkendall/SegNet-Tutorial, Models/segnet_inference.prototxt; then a 3x3 convolution to the classes, with a bias.
"""


def published(classes: int) -> int:
    """Return the number of weights of that definition."""
    total, before = 0, 3
    for channels in (*ENCODER, *DECODER):
        total += 9 * before * channels + 3 * channels
        before = channels
    return total + (9 * before + 1) * classes


def test_the_number_of_weights_is_that_of_the_source() -> None:
    model = catalog.build("segnet", 12)
    widths = [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert widths == [*ENCODER, *DECODER, 12]
    assert sum(math.prod(weight.shape) for weight in model.trainable_variables) == published(12) == 29_449_932
    assert model.count_params() == pytest.approx(29.46e6, rel=0.001)  # ENet's table II
    convolutions = [layer for layer in backbones.layers(model) if isinstance(layer, keras.layers.Conv2D)]
    assert sum(layer.count_params() for layer in convolutions) == 14_714_688  # VGG16's, "14.7M" in the paper


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_unpooling_puts_maxima_back(dtype: str) -> None:
    x = tf.cast(np.random.default_rng(0).permutation(2 * 6 * 8 * 3).reshape(2, 6, 8, 3) - 100, dtype)
    pooled = tf.nn.max_pool2d(x, 2, 2, "SAME")
    restored = Unpool(dtype=dtype)(pooled, PoolingIndices(dtype=dtype)(x, pooled))
    kept = restored.numpy() != 0
    np.testing.assert_array_equal(tf.nn.max_pool2d(tf.where(kept, restored, -1e4), 2, 2, "SAME"), pooled)
    assert (restored.numpy()[kept] == x.numpy()[kept]).all()
    assert kept.sum() <= pooled.numpy().size


def test_unpooling_is_that_of_tensorflows_indices() -> None:
    x = tf.random.normal([1, 4, 6, 5], seed=1)
    pooled, places = tf.nn.max_pool_with_argmax(x, 2, 2, "SAME")
    flat = tf.scatter_nd(tf.reshape(places, [-1, 1]), tf.reshape(pooled, [-1]), tf.constant([120], tf.int64))
    received = Unpool()(pooled, PoolingIndices()(x, pooled))
    np.testing.assert_array_equal(received, tf.reshape(flat, [1, 4, 6, 5]))


def test_of_equal_values_only_the_first_is_unpooled() -> None:
    x = tf.zeros([1, 2, 2, 1])
    places = PoolingIndices()(x, tf.zeros([1, 1, 1, 1]))
    np.testing.assert_array_equal(Unpool()(tf.ones([1, 1, 1, 1]), places)[0, ..., 0], [[1, 0], [0, 0]])


def test_the_encoder_is_initialised_with_the_weights_of_vgg16(tmp_path) -> None:
    vgg = keras.applications.VGG16(include_top=False, weights=None)
    vgg.save_weights(tmp_path / "vgg.weights.h5")
    model = catalog.build("segnet", 3, {"weights": str(tmp_path / "vgg.weights.h5")})
    for name in ("block1_conv1", "block3_conv2", "block5_conv3"):
        received = model.get_layer(f"{backbones.PREFIX}{name}").get_weights()
        for first, second in zip(received, vgg.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(first, second)


def test_the_encoder_is_initialised_with_that_of_a_trained_segnet(tmp_path) -> None:
    trained = catalog.build("segnet", 3)
    trained.get_layer("backbone_block2_conv1_norm").moving_mean.assign(np.arange(128.0))
    weights.save(trained, tmp_path / "weights.h5")
    model = catalog.build("segnet", 4, {"weights": str(tmp_path / "weights.h5")})
    for theirs, ours in zip(backbones.layers(trained), backbones.layers(model), strict=True):
        for first, second in zip(theirs.get_weights(), ours.get_weights(), strict=True):
            np.testing.assert_array_equal(first, second, err_msg=ours.name)
    with pytest.raises(ModelError, match="its SHA-256 is"):
        catalog.build("segnet", 4, {"weights": str(tmp_path / "weights.h5"), "weights_sha256": "0" * 64})
