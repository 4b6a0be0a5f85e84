"""Building blocks against the Keras layers and formulas that they must equal."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import blocks


@pytest.mark.parametrize("parts", [{}, {"scale": False}, {"center": False}, {"synchronized": True}], ids=str)
def test_batch_norm_equals_keras_in_training_and_after(parts: dict[str, bool]) -> None:
    """Some networks of keras.applications, such as InceptionV3, have no scale."""
    images = tf.random.stateless_normal([4, 5, 6, 3], (1, 2), mean=2.0, stddev=3.0)
    ours = blocks.BatchNorm(momentum=0.8, epsilon=1e-3, **parts)
    theirs = keras.layers.BatchNormalization(momentum=0.8, epsilon=1e-3, **parts)
    for _ in range(3):
        np.testing.assert_allclose(ours(images, training=True), theirs(images, training=True), atol=1e-5)
    for mine, other in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, err_msg=mine.path)
    np.testing.assert_allclose(ours(images), theirs(images), atol=1e-5)


@pytest.mark.parametrize("synchronized", [False, True])
def test_batch_norm_has_the_gradients_of_keras(*, synchronized: bool) -> None:
    images = tf.random.stateless_normal([4, 5, 6, 3], (1, 2))
    gradients = []
    for layer in (blocks.BatchNorm(synchronized=synchronized), keras.layers.BatchNormalization()):
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(layer(images, training=True) ** 3)
        gradients.append(tape.gradient(loss, [images, *layer.trainable_variables]))
    for mine, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-3)


@pytest.mark.parametrize("size", [(9, 12), (8, 7)])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (3, 7)])
def test_depthwise_convolution_has_the_values_and_gradients_of_keras(
    kernel: tuple[int, int], padding: str, strides: int, size: tuple[int, int]
) -> None:
    images = tf.random.stateless_normal([2, *size, 6], (1, 2))
    ours, theirs = (
        kind(kernel, strides, padding, depth_multiplier=2, activation="relu")
        for kind in (blocks.DepthwiseConv, keras.layers.DepthwiseConv2D)
    )
    ours.build(images.shape)
    theirs.build(images.shape)
    ours.set_weights([theirs.kernel, np.linspace(-1, 1, 12)])
    theirs.set_weights(ours.get_weights())
    results = []
    for layer, arguments in ((ours, {"training": True}), (theirs, {})):
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images, **arguments)
            loss = tf.reduce_sum(outputs**2)
        results.append([outputs, *tape.gradient(loss, [images, *layer.trainable_variables])])
    for mine, other in zip(*results, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("strides", [1, 2])
def test_a_wide_depthwise_convolution_in_bfloat16_has_the_gradients_of_float32(strides: int) -> None:
    images = tf.random.stateless_normal([2, 32, 48, 6], (1, 2))
    results, weights = [], np.random.default_rng(0).normal(0, 0.2, (5, 5, 6, 1))
    for kind, policy in ((blocks.DepthwiseConv, "mixed_bfloat16"), (keras.layers.DepthwiseConv2D, "float32")):
        layer = kind(5, strides, "same", use_bias=False, dtype=policy)
        layer.build(images.shape)
        layer.set_weights([weights])
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images, training=True)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 2)
        assert outputs.dtype == layer.compute_dtype
        results.append([outputs, *tape.gradient(loss, [images, *layer.trainable_variables])])
    for mine, expected in zip(*results, strict=True):
        error = np.abs(tf.cast(mine, tf.float32) - expected).max() / np.abs(expected).max()
        assert error < 0.02  # Keras's own in bfloat16 is 0.16 off for the kernel


def test_the_weight_gradient_of_a_wide_depthwise_kernel_is_computed_in_narrow_parts() -> None:
    layer = blocks.DepthwiseConv(5, padding="same")
    layer.build((None, None, None, 4))

    def gradient(images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(images, training=True) ** 2)
        return tape.gradient(loss, layer.kernel.value)

    graph = tf.function(gradient).get_concrete_function(tf.TensorSpec([None, None, None, 4])).graph
    sizes = [
        tf.get_static_value(operation.inputs[1])[:2].tolist()
        for operation in graph.get_operations()
        if operation.type == "DepthwiseConv2dNativeBackpropFilter"
    ]
    assert sizes == [[5, 3], [5, 2]]


def test_frozen_batch_norm_uses_and_keeps_its_statistics() -> None:
    layer = blocks.BatchNorm()
    layer.build((None, None, None, 3))
    layer.trainable = False
    images = tf.random.stateless_normal([2, 4, 4, 3], (0, 1), mean=9.0)
    np.testing.assert_allclose(layer(images, training=True), images / np.sqrt(1.001), rtol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, [0, 0, 0])


@pytest.mark.parametrize(("size", "padded"), [((5, 8), (8, 8)), ((8, 4), (8, 4)), ((1, 9), (4, 12))])
def test_cropping_undoes_padding(size: tuple[int, int], padded: tuple[int, int]) -> None:
    images = tf.random.stateless_normal([2, *size, 3], (0, 1))
    whole = blocks.PadToMultiple(4)(images)
    assert whole.shape == (2, *padded, 3)
    np.testing.assert_array_equal(blocks.CropLike()(whole, images), images)
    assert not np.any(whole[:, size[0] :]) and not np.any(whole[:, :, size[1] :])


def test_upsample_is_bilinear_with_centres_aligned() -> None:
    row = tf.constant([[0.0, 4.0, 8.0]])[:, None, :, None]
    np.testing.assert_allclose(blocks.Upsample(2)(row)[0, 0, :, 0], [0, 1, 3, 5, 7, 8])


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_bilinear_kernel_makes_a_transposed_convolution_a_bilinear_resize(factor: int) -> None:
    images = tf.random.stateless_normal([1, 6, 7, 3], (0, 1))
    layer = keras.layers.Conv2DTranspose(
        3, 2 * factor, factor, padding="same", use_bias=False, kernel_initializer=blocks.Bilinear()
    )
    received, expected = layer(images), blocks.Upsample(factor)(images)
    inside = slice(factor, -factor)
    np.testing.assert_allclose(received[:, inside, inside], expected[:, inside, inside], atol=1e-5)


def test_normalise_maps_imagenet_to_mean_0_and_deviation_1() -> None:
    inputs = blocks.image_input()
    model = keras.Model(inputs, blocks.normalise(inputs))
    values = np.array([blocks.IMAGENET_MEAN, np.add(blocks.IMAGENET_MEAN, blocks.IMAGENET_STD)], np.float32)
    np.testing.assert_allclose(model(values[None, None])[0, 0], [[0, 0, 0], [1, 1, 1]], atol=1e-5)


@pytest.mark.parametrize("noise_shape", [None, (None, 1, 1, None), (None, 1, 1, 1)], ids=str)
def test_dropout_on_one_device_is_that_of_keras(noise_shape: tuple[int | None, ...] | None) -> None:
    images = tf.random.stateless_normal([4, 5, 6, 3], (1, 2))
    ours, theirs = (kind(0.5, noise_shape=noise_shape, seed=7) for kind in (blocks.Dropout, keras.layers.Dropout))
    for _ in range(2):
        np.testing.assert_array_equal(ours(images, training=True), theirs(images, training=True))
    np.testing.assert_array_equal(ours(images), images)


def test_frozen_dropout_drops_nothing_until_unfrozen() -> None:
    images = tf.ones([1, 8, 8, 16])
    layer = blocks.Dropout(0.5, seed=7)
    layer.trainable = False
    state = np.array(layer.seed_generator.state)
    np.testing.assert_array_equal(tf.function(layer)(images, training=True), images)
    np.testing.assert_array_equal(layer.seed_generator.state, state)
    layer.trainable = True
    assert 0.3 < np.mean(tf.function(layer)(images, training=True) == 0) < 0.7
