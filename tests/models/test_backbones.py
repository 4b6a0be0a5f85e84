"""The contract of every backbone: strides, weights, names, dilation, freezing."""

import dataclasses
import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import backbones, blocks
from models.errors import ModelError
from models.transplant import Pointwise, transplant

NAMES = tuple(name for name in backbones.BACKBONES if name not in ("efficientnet_lite1", "efficientnet_lite2"))
"""Lite1 and lite2 differ from lite0 in numbers only; test_lite_networks_have_the_published_numbers holds these."""

PARAMETERS = {
    "vgg16": 14_714_688,
    "vgg19": 20_024_384,
    "resnet50": 23_587_712,
    "densenet121": 7_037_504,
    "mobilenet_v2": 2_257_984,
    "mobilenet_v3_large": 2_996_352,
    "efficientnet_v2_b0": 5_919_312,
    "efficientnet_lite0": 2_998_304,
}
"""Weights of the networks without their tops, as Keras publishes them; EfficientNet-Lite's as in its weights files."""


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


@pytest.fixture(scope="module", params=NAMES)
def built(request: pytest.FixtureRequest) -> tuple[str, keras.Model, keras.Model]:
    """Name; Keras's network with moving statistics as after training; the network rebuilt on an image."""
    keras.utils.set_random_seed(1)
    name, draw = request.param, np.random.default_rng(2)
    network = backbones._network(name, "random", None)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(draw.normal(0, 0.1, layer.moving_mean.shape))
            layer.moving_variance.assign(draw.uniform(0.5, 1.5, layer.moving_variance.shape))
    return name, network, rebuilt(name, network, 32)


def rebuilt(name: str, network: keras.Model, output_stride: int) -> keras.Model:
    """Rebuild the network on an image, with its tap of stride 32 and its last layer as outputs."""
    images = keras.Input((None, None, 3))
    x = backbones.BACKBONES[name].normalise(images)
    outputs = transplant(network, x, prefix=backbones.PREFIX, output_stride=output_stride, synchronized=False)
    return keras.Model(images, [outputs[backbones.BACKBONES[name].taps[32]], list(outputs.values())[-1]])


def test_a_backbone_computes_what_keras_computes(built: tuple[str, keras.Model, keras.Model]) -> None:
    name, network, ours = built
    images = noise(1, 224, 224, 3)
    normalised = keras.Model(ours.input, ours.get_layer("normalise").output)(images)
    expected = network(normalised)
    np.testing.assert_allclose(ours(images)[1], expected, atol=1e-5 * np.abs(expected).max())
    assert ours.count_params() == network.count_params() == PARAMETERS[name]


def test_the_momentum_of_moving_statistics_is_bounded(built: tuple[str, keras.Model, keras.Model]) -> None:
    """With MobileNet's own momentum, 0.999, the initial statistics still weigh a third after 1000 steps."""
    _, network, ours = built
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    received = {layer.name: ours.get_layer(f"{backbones.PREFIX}{layer.name}").momentum for layer in norms}
    assert received == {layer.name: min(layer.momentum, 0.99) for layer in norms}


def test_a_pyramid_is_named_by_stride_and_its_layers_by_their_own_names(
    built: tuple[str, keras.Model, keras.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, network, ours = built
    monkeypatch.setattr(backbones, "_network", lambda *_: network)
    images = blocks.image_input()
    model = keras.Model(images, backbones.pyramid(name, images))
    shapes = model.compute_output_shape((1, 65, 96, 3))
    assert {stride: shape[1:3] for stride, shape in shapes.items()} == {
        n: (96 // n, 96 // n) for n in (2, 4, 8, 16, 32)
    }
    theirs = [layer.name for layer in ours.layers[1:]]
    assert set(theirs) >= {layer.name for layer in model.layers[1:]} - {"pad"}
    assert all(layer.startswith(backbones.PREFIX) for layer in theirs if layer != "normalise")
    accidental = ("re_lu", "zero_padding2d", "activation_", "multiply", "input_layer", "add", "concatenate", "conv2d")
    accidental += ("batch_normalization", "depthwise_conv2d", "dropout", "global_average", "normalization", "rescaling")
    assert not [layer for layer in theirs if layer.removeprefix(backbones.PREFIX).startswith(accidental)]
    assert all(isinstance(operation, keras.layers.Layer) for operation in ours.operations)


def test_dilation_computes_the_same_features_more_densely(built: tuple[str, keras.Model, keras.Model]) -> None:
    """Chen et al.: dilation adds features between those of stride 32, which stay the same."""
    name, network, ours = built
    denser = rebuilt(name, network, 8)
    assert denser.compute_output_shape((1, 64, 96, 3))[0][1:3] == (8, 12)
    if name not in ("resnet50", "mobilenet_v2", "efficientnet_v2_b0", "efficientnet_lite0"):
        return  # pooling windows are not dilated, or global means depend on the border too much
    images = noise(1, 224, 224, 3)
    coarse, dense = np.asarray(ours(images)[0]), np.asarray(denser(images)[0])
    shifts = [dense[:, row::4, column::4] for row in range(4) for column in range(4)]
    away = min(np.abs(shift - coarse)[:, 3, 3].max() for shift in shifts)  # the middle: far from every border
    assert away < 0.01 * np.abs(coarse).max()  # global means depend on the border


@pytest.mark.parametrize("output_stride", [16, 8])
def test_a_dilated_pyramid_ends_at_its_output_stride(output_stride: int) -> None:
    images = blocks.image_input()
    features = backbones.pyramid("vgg16", images, output_stride=output_stride)
    shapes = keras.Model(images, features).compute_output_shape((1, 65, 96, 3))
    assert list(shapes) == [stride for stride in (2, 4, 8, 16) if stride <= output_stride]
    rows = 65 + -65 % output_stride
    assert all(shape[1:3] == (rows // stride, 96 // stride) for stride, shape in shapes.items())


def test_a_tap_of_another_stride_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = dataclasses.replace(backbones.BACKBONES["vgg16"], taps={4: "block2_pool", 8: "block2_pool"})
    monkeypatch.setattr(backbones, "BACKBONES", {"vgg16": wrong})
    with pytest.raises(AssertionError, match="the tap of stride 8 has stride 4"):
        backbones.pyramid("vgg16", blocks.image_input())


@pytest.mark.parametrize(("name", "weights", "channels"), [("lite1", 3_774_624, 320), ("lite2", 4_413_488, 352)])
def test_lite_networks_have_the_published_numbers(name: str, weights: int, channels: int) -> None:
    backbone = backbones.BACKBONES[f"efficientnet_{name}"]
    network = backbone.make(include_top=False, weights=None, input_shape=(224, 224, 3))
    strides = {stride: 224 // network.get_layer(layer).output.shape[1] for stride, layer in backbone.taps.items()}
    assert network.count_params() == weights and network.output.shape == (None, 7, 7, channels)
    assert strides == {stride: stride for stride in (2, 4, 8, 16, 32)}


def test_caffe_normalisation_is_zero_centred_bgr() -> None:
    received = backbones.CaffeNormalise(dtype="float32")(np.array([[[[10, 20, 30]]]], np.uint8))
    np.testing.assert_allclose(received[0, 0, 0], [30 - 103.939, 20 - 116.779, 10 - 123.68], rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_normalisation_is_that_of_keras(name: str) -> None:
    """`preprocess_input` of each, or the layers that the network itself includes."""
    own = {
        "vgg16": keras.applications.vgg16.preprocess_input,
        "vgg19": keras.applications.vgg19.preprocess_input,
        "resnet50": keras.applications.resnet50.preprocess_input,
        "densenet121": keras.applications.densenet.preprocess_input,
        "mobilenet_v2": keras.applications.mobilenet_v2.preprocess_input,
        "mobilenet_v3_large": lambda images: images / 127.5 - 1,
        "efficientnet_v2_b0": lambda images: (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        "efficientnet_lite0": lambda images: images / 127.5 - 1,
    }
    images = keras.Input((None, None, 3))
    ours = keras.Model(images, backbones.BACKBONES[name].normalise(images))
    np.testing.assert_allclose(ours(noise(1, 4, 5, 3)), own[name](noise(1, 4, 5, 3)), atol=1e-4)


def changed(model: keras.Model, before: dict[str, np.ndarray]) -> list[str]:
    return [v.path for v in model.variables if not np.array_equal(v, before[v.path])]


def with_head(name: str) -> keras.Model:
    images = blocks.image_input()
    features = backbones.pyramid(name, images)
    return keras.Model(images, keras.layers.Conv2D(2, 1, name="head")(features[8]))


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_v2_b0"])
def test_a_frozen_backbone_has_no_updates_statistics_or_dropout(name: str) -> None:
    model = with_head(name)
    ours = [variable.path for variable in backbones.variables(model)]
    assert ours == [v.path for v in model.trainable_variables if not v.path.startswith("head/")]
    backbones.set_trainable(model, trainable=False)
    assert [variable.path for variable in model.trainable_variables] == ["head/kernel", "head/bias"]
    assert [variable.path for variable in backbones.variables(model)] == ours
    before = {variable.path: np.array(variable) for variable in model.variables}
    images = noise(2, 32, 32, 3)
    np.testing.assert_allclose(model(images, training=True), model(images, training=False), rtol=1e-5)
    assert not changed(model, before)
    backbones.set_trainable(model, trainable=True)
    assert len(model.trainable_variables) == len(ours) + 2
    model(images, training=True)
    assert changed(model, before)


def test_replicas_share_their_statistics() -> None:
    images = blocks.image_input()
    model = keras.Model(images, backbones.pyramid("mobilenet_v2", images, synchronized=True))
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms and all(isinstance(layer, blocks.BatchNorm) and layer.synchronized for layer in norms)


@pytest.mark.parametrize("size", [(1, 16, 16, 8), (2, 9, 7, 8)])
def test_a_strided_pointwise_convolution_equals_keras(size: tuple[int, ...]) -> None:
    images = tf.constant(noise(*size) / 255)
    ours, theirs = Pointwise(4, 1, strides=2), keras.layers.Conv2D(4, 1, strides=2)
    theirs.build(size)
    np.testing.assert_array_equal(ours(images).shape, theirs.compute_output_shape(size))
    ours.set_weights([np.arange(32.0).reshape(1, 1, 8, 4), np.arange(4.0)])
    with tf.GradientTape() as tape:
        y = ours(images)
        loss = tf.reduce_sum(y**2)
    expected = np.einsum("bhwi,io->bhwo", images[:, ::2, ::2], ours.kernel[0, 0]) + ours.bias
    np.testing.assert_allclose(y, expected, rtol=1e-5)
    gradient = np.einsum("bhwi,bhwo->io", images[:, ::2, ::2], 2 * y)
    np.testing.assert_allclose(tape.gradient(loss, ours.kernel.value)[0, 0], gradient, rtol=1e-4)


def test_weights_come_from_a_file_of_the_right_hash(tmp_path) -> None:
    network = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(224, 224, 3))
    file = tmp_path / "mobilenet.weights.h5"
    network.save_weights(file)
    right = hashlib.sha256(file.read_bytes()).hexdigest()
    images = blocks.image_input()
    features = backbones.pyramid("mobilenet_v2", images, weights=str(file), weights_sha256=right)
    kernel = keras.Model(images, features).get_layer("backbone_block_5_expand").kernel
    np.testing.assert_array_equal(kernel, network.get_layer("block_5_expand").kernel)
    with pytest.raises(ModelError, match=rf"its SHA-256 is {right} in place of {'0' * 64}\."):
        backbones.pyramid("mobilenet_v2", images, weights=str(file), weights_sha256="0" * 64)
    with pytest.raises(ModelError, match="of another network"):
        backbones.pyramid("vgg16", images, weights=str(file))


def test_the_error_of_a_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    with pytest.raises(ModelError, match="There is no weights file"):
        backbones.pyramid("vgg16", blocks.image_input(), weights=str(tmp_path / "none.h5"))

    def offline(*, weights: str | None, **_: object) -> keras.Model:
        raise Exception("URL fetch failure on https://storage/vgg16.h5: None -- Name or service not known")

    broken = dataclasses.replace(backbones.BACKBONES["vgg16"], make=offline)
    monkeypatch.setattr(backbones, "BACKBONES", {"vgg16": broken})
    with pytest.raises(ModelError, match=r"ImageNet weights.*cannot be loaded.*URL fetch failure.*`random`"):
        backbones.pyramid("vgg16", blocks.image_input(), weights="imagenet")


def test_damaged_weights_in_the_cache_of_keras_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(**settings: object) -> keras.Model:
        network = keras.applications.VGG16(**{**settings, "weights": None})
        network.get_layer("block1_conv1").bias.assign(np.full(64, np.nan))
        return network

    def truncated(**_: object) -> keras.Model:
        raise OSError("Unable to synchronously open file (truncated file: eof = 4096)")

    for make, message in (
        (damaged, r"weights in ~/\.keras/models are damaged: not every number in block1_conv1/bias is finite"),
        (truncated, r"cannot be loaded \(Unable .*truncated file.*\)\. .* delete a damaged one there"),
    ):
        broken = dataclasses.replace(backbones.BACKBONES["vgg16"], make=make)
        monkeypatch.setattr(backbones, "BACKBONES", {"vgg16": broken})
        with pytest.raises(ModelError, match=message):
            backbones.pyramid("vgg16", blocks.image_input(), weights="imagenet")
