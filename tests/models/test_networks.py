"""Properties of every network: sizes, precision, initial weights, gradients, names, weights files."""

import itertools
import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import auxiliary, backbones, blocks, catalog, segmenter, weights
from models.losses.total import Total, combine

SMALL_BACKBONE = {"backbone": "mobilenet_v2", "widths": (16, 16, 8, 8)}

SMALL = {"fast": {"width": 8}, "fcn": {"head_width": 16}, "unet": {"width": 4}, "unet_backbone": SMALL_BACKBONE}
SMALL |= {"ddrnet": {"width": 8, "head_width": 8}, "segformer": {"decoder_width": 16}}
SMALL |= {"deeplabv3plus": {"backbone": "mobilenet_v2", "width": 16}, "fpn": {"width": 16}}
SMALL |= {"keras_hub": {"preset": "segformer_b0_ade20k_512", "weights": "random"}}
"""Options that make a network cheap. A model that is not listed is built with its defaults."""

NETWORKS = catalog.names()
CLASSES = 5


def build(name: str, **options) -> keras.Model:
    return catalog.build(name, CLASSES, {**SMALL.get(name, {}), **options})


def build_in(precision: str, name: str) -> keras.Model:
    keras.mixed_precision.set_global_policy(precision)
    try:
        return build(name)
    finally:
        keras.mixed_precision.set_global_policy("float32")


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> keras.Model:
    keras.utils.set_random_seed(1)
    return build(request.param)


@pytest.fixture(scope="module")
def mixed(network: keras.Model) -> keras.Model:
    """The same network, drawn again under mixed precision; float16 overflows first, by some draws, so not by any."""
    keras.utils.set_random_seed(0)
    return build_in("mixed_float16", network.name)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def mean_loss(outputs: auxiliary.Outputs, labels: np.ndarray) -> tf.Tensor:
    parts = Total()(outputs, labels)
    return combine(parts, [sums[1] for _, sums in parts.values()])["loss"]


@pytest.mark.parametrize("size", [(64, 96), (37, 53), (1, 1), (3, 70)])
def test_logits_are_float32_of_the_images_size(network: keras.Model, size: tuple[int, int]) -> None:
    received = segmenter.logits(network, noise(2, *size, 3))
    assert received.shape == (2, *size, CLASSES) and received.dtype == tf.float32
    assert np.isfinite(received).all()


def test_symbolic_sizes_are_unknown(network: keras.Model) -> None:
    assert network.input_shape == (None, None, None, 3)
    logits = [auxiliary.main(network.output), *auxiliary.heads(network.output).values()]
    assert all(output.shape == (None, None, None, CLASSES) for output in logits)


def test_the_catalogue_reads_its_stride_from_the_source(network: keras.Model) -> None:
    padded = {layer.multiple for layer in network.layers if isinstance(layer, blocks.PadToMultiple)}
    assert padded == {catalog.stride(network.name, SMALL.get(network.name, {}))}


def test_the_catalogue_reads_from_the_source_whether_it_has_a_backbone(network: keras.Model) -> None:
    assert catalog.has_backbone(network.name) == bool(backbones.layers(network))


def test_padding_moves_no_pixel(network: keras.Model) -> None:
    """The logits of a cropped, padded image match those of the whole image best without any shift."""
    image = noise(1, 20, 20, 3).repeat(8, 1).repeat(8, 2)
    whole, cut = (np.asarray(segmenter.logits(network, image[:, :side, :side]))[0] for side in (160, 130))
    here = cut[24:88, 24:88]
    alike = {}
    for down, right in itertools.product(range(-24, 25, 4), repeat=2):
        beside = whole[24 + down : 88 + down, 24 + right : 88 + right]
        both = (part - part.mean(axis=(0, 1)) for part in (here, beside))
        one, other = (part / np.linalg.norm(part) for part in both)
        alike[down, right] = float((one * other).sum())
    assert max(alike, key=alike.__getitem__) == (0, 0), sorted(alike.items(), key=lambda item: -item[1])[:3]


def test_a_gradient_reaches_every_trainable_weight(network: keras.Model) -> None:
    side = 128 if network.name == "ddrnet" else 64  # its coarsest features are at 1/64; one pixel normalises to 0
    labels = np.random.default_rng(0).integers(0, CLASSES, (2, side, side))
    with tf.GradientTape() as tape:
        loss = mean_loss(network(noise(2, side, side, 3), training=True), labels)
    gradients = tape.gradient(loss, network.trainable_variables)
    dead = [
        variable.path
        for variable, gradient in zip(network.trainable_variables, gradients, strict=True)
        if gradient is None or not np.any(gradient)
    ]
    assert network.trainable_variables and not dead


def deviation(network: str, layer: keras.layers.Layer) -> float:
    """The expected standard deviation of a convolution's initial kernel: He's by the fan-in, or the source's."""
    height, width, inputs, outputs = layer.kernel.shape
    fan_in, fan_out = height * width * inputs, height * width * outputs
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        fan_in = height * width
    if layer.name in ("logits", "auxiliary"):
        return math.sqrt(2 / (fan_in + fan_out))  # Glorot's
    if network == "fcn" and layer.name.startswith("score"):
        return 0.01  # as `build` says
    if network in ("segformer", "keras_hub") and layer.name != "decoder_fuse_conv":  # MiT's _init_weights
        return 0.02 if height == 1 else math.sqrt(2 / fan_out)
    return math.sqrt(2 / fan_in)


def test_initial_kernels_have_the_deviation_of_their_sources(network: keras.Model) -> None:
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    own = [layer for layer in network.layers if type(layer) in kinds and not layer.name.startswith(backbones.PREFIX)]
    assert own or network.name == "unet_backbone"  # which has transposed ones only
    for layer in own:
        kernel = np.asarray(layer.kernel)
        spread = 5 / math.sqrt(2 * kernel.size)
        assert kernel.std() == pytest.approx(deviation(network.name, layer), rel=spread), layer.name


def test_layer_names_are_chosen_and_the_same_every_time(network: keras.Model, mixed: keras.Model) -> None:
    assert [layer.name for layer in network.layers] == [layer.name for layer in mixed.layers]
    by_accident = re.compile(r"^(conv2d|batch_normalization|add|re_lu|\w+_dropout2d|\w+_pooling2d|input_layer)(_\d+)?$")
    assert not [layer.name for layer in network.layers if by_accident.match(layer.name)]
    assert len({variable.path for variable in network.variables}) == len(network.variables)


def test_no_1x1_convolution_strides(network: keras.Model) -> None:
    """Its weight gradient corrupts memory for a batch of one on a CPU (TensorFlow 2.21 with oneDNN)."""
    convolutions = [layer for layer in network.layers if type(layer) is keras.layers.Conv2D]
    assert convolutions
    assert not [layer.name for layer in convolutions if layer.kernel_size == (1, 1) and layer.strides != (1, 1)]


@pytest.mark.parametrize("precision", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_mixed_precision_has_float32_logits_and_finite_gradients(mixed: keras.Model, precision: str) -> None:
    model = mixed if precision == "mixed_float16" else build_in(precision, mixed.name)
    variables = model.trainable_variables
    # Over fewer pixels than its padding, as fc6 has in a small image, the weight gradient of a 7x7 convolution in
    # bfloat16 holds uninitialised memory on a CPU (TensorFlow 2.21 with oneDNN): in 80 of 120 trials over 2x2 pixels.
    height, width = (101, 133) if (model.name, precision) == ("fcn", "mixed_bfloat16") else (37, 53)
    with tf.GradientTape() as tape:
        outputs = model(noise(1, height, width, 3), training=True)
        loss = mean_loss(outputs, np.random.default_rng(0).integers(0, CLASSES, (1, height, width)))
    for received in (auxiliary.main(outputs), *auxiliary.heads(outputs).values()):
        assert received.dtype == tf.float32 and np.isfinite(received).all()
    assert {variable.dtype for variable in variables} == {"float32"}
    pairs = zip(variables, tape.gradient(loss, variables), strict=True)
    assert not [variable.path for variable, gradient in pairs if gradient is None or not np.isfinite(gradient).all()]


def test_weights_are_restored_from_a_file(network: keras.Model, mixed: keras.Model, tmp_path) -> None:
    weights.save(network, tmp_path / "weights.h5")
    weights.load(mixed, tmp_path / "weights.h5")
    for saved, loaded in zip(network.variables, mixed.variables, strict=True):
        if saved.path.endswith("seed_generator_state"):
            continue
        np.testing.assert_array_equal(loaded, saved, err_msg=saved.path)


def test_weights_of_the_classes_are_recognised_by_their_shapes(network: keras.Model) -> None:
    """As in models.weights.load_matching: with another number of classes, weights differ in that number only."""
    there = catalog.build(network.name, CLASSES + 2, SMALL.get(network.name, {}))
    arrays = {weight.path: np.broadcast_to(np.float32(0), weight.shape) for weight in there.weights}
    differing = [weight.path for weight in network.weights if weight.shape != arrays[weight.path].shape]
    assert weights._of_other_classes(network, arrays, CLASSES) == differing != []


def test_a_network_is_restored_without_its_auxiliary_heads(tmp_path) -> None:
    saved = build("ddrnet")
    weights.save(saved, tmp_path / "weights.h5")
    restored = catalog.restore("ddrnet", CLASSES, SMALL["ddrnet"], tmp_path / "weights.h5")
    images = noise(1, 40, 40, 3)
    np.testing.assert_array_equal(segmenter.logits(restored, images), segmenter.logits(saved, images))
    assert auxiliary.heads(saved.output) and not auxiliary.heads(restored.output)
    assert not [variable.path for variable in restored.variables if variable.path.startswith("auxiliary")]
