"""FCN: the numbers of weights in its sources, its receptive field, and its parameters."""

import dataclasses

import keras
import numpy as np
import pytest

from models import backbones, catalog
from models.errors import ModelError

CAMVID_NOTEBOOK = {
    "fusion": "parallel",
    "score_fc7": False,
    "rectify_scores": True,
    "upscore": "stride",
    "dropout": 0.0,
}
PAIRS_NOTEBOOK = {
    "head_width": 1024,
    "score_fc7": False,
    "rectify_scores": True,
    "upscore": "stride",
    "upscore_bias": True,
    "dropout": 0.0,
}
VGG16 = 14_714_688


def count(num_classes: int, **options) -> int:
    return catalog.build("fcn", num_classes, options).count_params()


def test_the_notebook_network_has_its_135_066_008_weights() -> None:
    model = catalog.build("fcn", 12, CAMVID_NOTEBOOK)
    assert model.count_params() == 135_066_008
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 135_066_008
    expected = {
        "fc6": 102_764_544,
        "fc7": 16_781_312,
        "score16": 6_156,
        "score8": 3_084,
        "upscore16_to8": 576,
        "upscore_fc7": 786_432,
        "upscore8": 9_216,
    }
    assert {name: model.get_layer(name).count_params() for name in expected} == expected
    pool5 = keras.Model(model.input, model.get_layer("backbone_block5_pool").output)
    assert pool5.compute_output_shape((1, 224, 224, 3)) == (1, 7, 7, 512)


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_the_image_pairs_notebook_counted_layer_by_layer(stride: int) -> None:
    classes, width = 13, 1024
    head = (7 * 7 * 512 + 1) * width + (width + 1) * width
    scores = {8: (512 + 1) * classes + (256 + 1) * classes, 16: (512 + 1) * classes, 32: 0}[stride]
    doublings = {8: (width, classes), 16: (width,), 32: ()}[stride]
    upsampling = sum((2 * 2 * before + 1) * classes for before in doublings)
    final = (stride * stride * (width if stride == 32 else classes) + 1) * classes
    assert count(classes, stride=stride, **PAIRS_NOTEBOOK) == VGG16 + head + scores + upsampling + final


def published(width: int) -> int:
    """FCN-8s for 21 classes as its authors define it: shelhamer/fcn.berkeleyvision.org, voc-fcn8s/net.py.

    Convolutions have a bias there and transposed convolutions none; `width` is 4096.
    """
    total, before = 0, 3
    for channels in (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512):
        total += (9 * before + 1) * channels
        before = channels
    fc6, fc7 = (7 * 7 * 512 + 1) * width, (width + 1) * width
    scores = (width + 1) * 21 + (512 + 1) * 21 + (256 + 1) * 21
    upsampling = 2 * 4 * 4 * 21 * 21 + 16 * 16 * 21 * 21
    return total + fc6 + fc7 + scores + upsampling


def test_the_published_network_has_its_134_million() -> None:
    """Built with a head of 8 channels, which is fast; table 1 of the paper says 134M."""
    assert count(21, head_width=8) == published(8)
    assert published(4096) == 134_489_759 == pytest.approx(134e6, rel=0.01)


def test_the_receptive_field_of_fc7_is_404_pixels_as_in_the_paper() -> None:
    model = catalog.build("fcn", 2, {"head_width": 4})
    field, jump = 1, 1
    for layer in model.layers:
        kernel = getattr(layer, "kernel_size", getattr(layer, "pool_size", (1, 1)))[0]
        field += (kernel - 1) * jump
        jump *= getattr(layer, "strides", (1, 1))[0]
        if layer.name == "fc7":
            break
    assert (field, jump) == (404, 32)


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 32, "score_fc7": False},
        {"stride": 16, "fusion": "parallel", "upscore": "double"},
        {"stride": 8, "fusion": "parallel", "upscore": "stride", "score_fc7": False, "rectify_scores": True},
        {"stride": 16, "upscore": "stride", "upscore_bias": True},
    ],
)
def test_variants_keep_the_size(options: dict[str, object]) -> None:
    model = catalog.build("fcn", 3, {"head_width": 4, **options})
    assert model(np.zeros((1, 37, 53, 3))).shape == (1, 37, 53, 3)


def test_the_last_upsampling_stays_bilinear_as_published() -> None:
    model = catalog.build("fcn", 3, {"head_width": 4})
    assert not model.get_layer("upscore8").trainable_variables
    assert model.get_layer("upscore2_to16").trainable_variables


@pytest.mark.parametrize("fusion", ["sequential", "parallel"])
def test_scores_are_added_in_float32_under_mixed_precision(fusion: str) -> None:
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = catalog.build("fcn", 2, {"head_width": 4, "fusion": fusion})
    finally:
        keras.mixed_precision.set_global_policy("float32")
    sums = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert sums and {(layer.compute_dtype, layer.output.dtype) for layer in sums} == {("float32", "float32")}


def test_scores_are_initialised_small_and_have_the_penalty_of_tensorflow_1() -> None:
    keras.utils.set_random_seed(0)
    model = catalog.build("fcn", 2, {"head_width": 512, "upscore": "double", "l2": 1e-4})
    decoder = ("score_fr", "score16", "score8", "upscore2_to16", "upscore2_to8", "upscore8")
    kernels = [np.asarray(model.get_layer(name).kernel) for name in decoder]
    assert all(0.007 < kernel.std() < 0.013 for kernel in kernels if kernel.size > 100)
    np.testing.assert_allclose(sum(map(float, model.losses)), 1e-4 * sum((k**2).sum() / 2 for k in kernels), rtol=1e-5)
    assert not catalog.build("fcn", 2, {"head_width": 4}).losses


def test_a_head_that_cannot_be_vgg16s_is_refused_before_any_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "BACKBONES", {})
    with pytest.raises(ModelError, match=r"needs backbone 'vgg16' .*\. Received: backbone 'resnet50', head_width 8\.$"):
        catalog.build("fcn", 2, {"head_weights": "imagenet", "backbone": "resnet50", "head_width": 8})


def test_the_head_is_initialised_with_vgg16s_fully_connected_layers(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """VGG16 with its top has 138 million weights: here, one with layers 8 wide in place of 4096."""

    def vgg16(*, include_top: bool, weights: None, input_shape: tuple[int, ...]) -> keras.Model:
        network = keras.applications.VGG16(include_top=False, weights=weights, input_shape=input_shape)
        if not include_top:
            return network
        x = keras.layers.Flatten(name="flatten")(network.output)
        for name in ("fc1", "fc2"):
            x = keras.layers.Dense(8, activation="relu", name=name)(x)
        return keras.Model(network.input, x, name="vgg16")

    narrow = dataclasses.replace(backbones.BACKBONES["vgg16"], make=vgg16)
    monkeypatch.setattr(backbones, "BACKBONES", {"vgg16": narrow})
    keras.utils.set_random_seed(0)
    classifier = vgg16(include_top=True, weights=None, input_shape=(224, 224, 3))
    classifier.save_weights(tmp_path / "vgg.weights.h5")
    options = {"head_width": 8, "head_weights": str(tmp_path / "vgg.weights.h5"), "dropout": 0.0}
    model = catalog.build("fcn", 2, options)
    features = np.random.default_rng(0).normal(size=(1, 7, 7, 512)).astype(np.float32)
    received = model.get_layer("fc7")(model.get_layer("fc6")(features))[:, 3, 3]  # its receptive field is all 7x7
    expected = classifier.get_layer("fc2")(classifier.get_layer("fc1")(features.reshape(1, -1)))
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)
    assert np.any(expected)
    with pytest.raises(
        ModelError, match=r"'head_weights' .* needs backbone 'vgg16' and head_width 8: the kernel of fc6"
    ):
        catalog.build("fcn", 2, {**options, "head_width": 16})
    with pytest.raises(ModelError, match="SHA-256"):
        catalog.build("fcn", 2, {**options, "head_weights_sha256": "0" * 64})
