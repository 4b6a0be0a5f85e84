"""What holds for every network: sizes, precision, gradients, names, weights files."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import catalog, losses, optimizers, segmenter
from models.errors import ModelError

SMALL = {"fast": {"width": 8}, "fcn": {"head_width": 16}}
"""Options that make a network cheap. A model that is not here is built with its defaults."""

NETWORKS = catalog.names()
CLASSES = 5


def build(name: str, **options) -> keras.Model:
    return catalog.build(name, CLASSES, {**SMALL.get(name, {}), **options})


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> keras.Model:
    keras.utils.set_random_seed(1)
    return build(request.param)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("size", [(64, 96), (37, 53), (1, 1), (3, 70)])
def test_any_size_gives_float32_logits_of_that_size(network: keras.Model, size: tuple[int, int]) -> None:
    received = segmenter.logits(network, noise(2, *size, 3))
    assert received.shape == (2, *size, CLASSES) and received.dtype == tf.float32
    assert np.isfinite(received).all()


def test_symbolic_sizes_are_open(network: keras.Model) -> None:
    assert network.input_shape == (None, None, None, 3)
    assert network.output_shape == (None, None, None, CLASSES)


def test_padding_moves_no_pixel(network: keras.Model) -> None:
    """A size with padding sees what the whole sees, but for the effect of the border."""
    flat = np.full((1, 160, 160, 3), 90, np.uint8)
    whole, cut = segmenter.logits(network, flat), segmenter.logits(network, flat[:, :150, :150])
    np.testing.assert_allclose(whole[:, :8, :8], cut[:, :8, :8], rtol=0.2, atol=0.2 * np.abs(whole).max())


def test_a_gradient_reaches_every_trainable_weight(network: keras.Model) -> None:
    labels = np.random.default_rng(0).integers(0, CLASSES, (2, 64, 64))
    with tf.GradientTape() as tape:
        total, weight = losses.cross_entropy(network(noise(2, 64, 64, 3), training=True), labels)
        loss = total / weight
    gradients = tape.gradient(loss, network.trainable_variables)
    dead = [
        variable.path
        for variable, gradient in zip(network.trainable_variables, gradients, strict=True)
        if gradient is None or not np.any(gradient)
    ]
    assert network.trainable_variables and not dead


@pytest.mark.parametrize("name", NETWORKS)
def test_layer_names_are_chosen_and_the_same_every_time(name: str) -> None:
    first, second = build(name), build(name)
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
    by_accident = re.compile(r"^(conv2d|batch_normalization|add|re_lu|\w+_dropout2d|\w+_pooling2d|input_layer)(_\d+)?$")
    assert not [layer.name for layer in first.layers if by_accident.match(layer.name)]
    assert len({variable.path for variable in first.variables}) == len(first.variables)


def test_no_1x1_convolution_strides(network: keras.Model) -> None:
    """Its weight gradient corrupts memory for a batch of one on a CPU (TensorFlow 2.21 with oneDNN)."""
    convolutions = [layer for layer in network.layers if type(layer) is keras.layers.Conv2D]
    assert convolutions
    assert not [layer.name for layer in convolutions if layer.kernel_size == (1, 1) and layer.strides != (1, 1)]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_gives_float32_logits(name: str, precision: str) -> None:
    keras.mixed_precision.set_global_policy(precision)
    try:
        network = build(name)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    received = network(noise(1, 37, 53, 3), training=True)
    assert received.dtype == tf.float32 and np.isfinite(received).all()
    assert {variable.dtype for variable in network.trainable_variables} == {"float32"}


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_come_back_from_a_file(name: str, tmp_path) -> None:
    saved = build(name)
    saved.save_weights(tmp_path / "model.weights.h5")
    restored = catalog.restore(name, CLASSES, SMALL.get(name, {}), tmp_path / "model.weights.h5")
    images = noise(1, 40, 40, 3)
    np.testing.assert_array_equal(segmenter.logits(restored, images), segmenter.logits(saved, images))


def test_a_file_that_does_not_fit_is_refused_in_one_line(tmp_path) -> None:
    file = tmp_path / "model.weights.h5"
    build("fast").save_weights(file)
    for classes, options in ((CLASSES + 1, SMALL["fast"]), (CLASSES, {"width": 12})):
        with pytest.raises(ModelError, match=r"model\.weights\.h5 cannot be loaded into model 'fast'") as caught:
            catalog.restore("fast", classes, options, file)
        assert "\n" not in str(caught.value)


def test_missing_truncated_and_damaged_files_are_refused(tmp_path) -> None:
    file = tmp_path / "model.weights.h5"
    with pytest.raises(ModelError, match="There is no weights file"):
        catalog.restore("fast", CLASSES, SMALL["fast"], file)
    model = build("fast")
    model.get_layer("logits").bias.assign([0, 0, np.nan, 0, 0])
    model.save_weights(file)
    with pytest.raises(ModelError, match="damaged: not every number in logits/bias is finite"):
        catalog.restore("fast", CLASSES, SMALL["fast"], file)
    file.write_bytes(file.read_bytes()[:20000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        catalog.restore("fast", CLASSES, SMALL["fast"], file)


def test_one_image_can_be_learned_by_heart() -> None:
    keras.utils.set_random_seed(0)
    model = catalog.build("fast", 3, {"width": 8, "dropout": 0.0})
    images = noise(1, 32, 48, 3) // 4
    labels = np.zeros((1, 32, 48), np.int32)
    labels[:, :, 20:], labels[:, 18:, 30:] = 1, 2
    images += (60 * labels[..., None]).astype(np.uint8)
    optimizer = optimizers.build("adamw", 1e-2)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            total, weight = losses.cross_entropy(model(images, training=True), labels)
            loss = total / weight
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    for _ in range(80):
        loss = step()
    right = np.argmax(segmenter.logits(model, images), axis=-1) == labels
    assert loss < 0.15 and right.mean() > 0.95
