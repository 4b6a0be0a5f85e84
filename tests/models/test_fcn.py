"""FCN: the numbers of weights that its sources print, its parameters, and its backbone's contract."""

import dataclasses

import keras
import numpy as np
import pytest

from models import backbones, blocks, catalog
from models.errors import ModelError


def count(num_classes: int, **options) -> int:
    return catalog.build("fcn", num_classes, options).count_params()


def test_the_notebook_network_has_its_135_066_008_weights() -> None:
    model = catalog.build("fcn", 12, {"fusion": "parallel", "kernel": "stride"})
    assert model.count_params() == 135_066_008
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 135_066_008
    expected = {"fc6": 102_764_544, "fc7": 16_781_312, "upscore16": 576, "upscore_fc7": 786_432, "upscore8": 9_216}
    assert {name: model.get_layer(name).count_params() for name in expected} == expected


def test_the_published_network_has_its_134_million() -> None:
    """Counted at head width 8, with the head's difference to 4096 added: 21 classes, table 1 of the paper says 134M."""

    def head(width: int) -> int:
        return (7 * 7 * 512 + 1) * width + (width + 1) * width + (width + 1) * 21

    total = count(21, head_width=8) - head(8) + head(4096)
    assert total == 134_489_759


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("fusion", ["sequential", "parallel"])
@pytest.mark.parametrize("kernel", ["double", "stride"])
def test_every_variant_builds_and_keeps_the_size(stride: int, fusion: str, kernel: str) -> None:
    options = {"stride": stride, "fusion": fusion, "kernel": kernel, "head_width": 4}
    model = catalog.build("fcn", 3, options)
    assert model(np.zeros((1, 37, 53, 3))).shape == (1, 37, 53, 3)


def test_the_last_enlargement_stays_bilinear_as_published() -> None:
    model = catalog.build("fcn", 3, {"head_width": 4})
    assert not model.get_layer("upscore8").trainable_variables
    assert model.get_layer("upscore2_to16").trainable_variables


def test_vgg_sees_bgr_around_its_means() -> None:
    received = backbones.CaffeNormalise(dtype="float32")(np.array([[[[10, 20, 30]]]], np.uint8))
    np.testing.assert_allclose(received[0, 0, 0], [30 - 103.939, 20 - 116.779, 10 - 123.68], rtol=1e-6)


def test_a_pyramid_is_named_by_stride() -> None:
    images = blocks.image_input()
    features = backbones.pyramid("vgg16", images)
    shapes = keras.Model(images, features).compute_output_shape((1, 65, 96, 3))
    assert shapes == {
        2: (1, 48, 48, 64),
        4: (1, 24, 24, 128),
        8: (1, 12, 12, 256),
        16: (1, 6, 6, 512),
        32: (1, 3, 3, 512),
    }


def test_a_tap_of_another_stride_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = dataclasses.replace(backbones.BACKBONES["vgg16"], taps={4: "block2_pool", 8: "block2_pool"})
    monkeypatch.setattr(backbones, "BACKBONES", {"vgg16": wrong})
    with pytest.raises(AssertionError, match="the tap of stride 8 has stride 4"):
        backbones.pyramid("vgg16", blocks.image_input())


def test_backbone_weights_come_from_a_file(tmp_path) -> None:
    network = keras.applications.VGG16(include_top=False, weights=None)
    file = tmp_path / "vgg16.weights.h5"
    network.save_weights(file)
    model = catalog.build("fcn", 3, {"weights": str(file), "head_width": 4})
    for layer in ("block1_conv1", "block5_conv3"):
        np.testing.assert_array_equal(model.get_layer(layer).kernel, network.get_layer(layer).kernel)


def test_wrong_weights_are_one_clear_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    with pytest.raises(ModelError, match="There is no weights file"):
        catalog.build("fcn", 3, {"weights": str(tmp_path / "none.h5"), "head_width": 4})

    def offline(*, weights: str | None, **_: object) -> keras.Model:
        raise Exception("URL fetch failure on https://storage/vgg16.h5: None -- Name or service not known")

    broken = dataclasses.replace(backbones.BACKBONES["vgg16"], make=offline)
    monkeypatch.setattr(backbones, "BACKBONES", {"vgg16": broken})
    with pytest.raises(ModelError, match=r"ImageNet weights.*cannot be had.*URL fetch failure.*`random`"):
        catalog.build("fcn", 3, {"weights": "imagenet", "head_width": 4})
