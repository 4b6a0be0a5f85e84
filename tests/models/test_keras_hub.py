"""Presets of KerasHub: the logits are KerasHub's, at any size; what is not a preset is an error that says so.

The presets are built and saved here by KerasHub; nothing is downloaded.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models import backbones, blocks, catalog, hub_presets, segmenter, weights
from models.errors import ModelError
from models.hub_presets import PUBLISHED
from pipeline.__main__ import main
from pipeline.config.model import ModelConfig
from pipeline.host import hub_downloads

CLASSES = 5
SCALE, OFFSET = np.float32([0.01, 0.02, 0.015]), np.float32([-1, -2, 0.5])
RESNET = {
    "input_conv_filters": [8],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 8, 8, 8],
    "stackwise_num_blocks": [1, 1, 1, 1],
    "stackwise_num_strides": [1, 2, 2, 2],
    "block_type": "bottleneck_block",
}


@pytest.fixture(scope="module")
def hub() -> Any:
    return pytest.importorskip("keras_hub", reason="KerasHub is not installed: pip install -e '.[hub]'")


def drawn(task: keras.Model) -> keras.Model:
    """Draw every weight, so that no scale is 1 and no bias is 0."""
    rng = np.random.default_rng(0)
    for weight in task.weights:
        if "seed" not in weight.path:
            new = rng.uniform(0.5, 1.5, weight.shape) if "variance" in weight.path else rng.normal(0, 0.1, weight.shape)
            weight.assign(new if "variance" in weight.path else np.asarray(weight) + new)
    return task


@pytest.fixture(scope="module")
def segformer(hub: Any) -> keras.Model:
    encoder = hub.models.MiTBackbone(
        image_shape=(64, 64, 3),
        num_layers=4,
        hidden_dims=[8, 16, 24, 32],
        layerwise_depths=[1, 2, 1, 1],
        layerwise_num_heads=[1, 2, 2, 4],
        layerwise_sr_ratios=[8, 4, 2, 1],
        layerwise_patch_sizes=[7, 3, 3, 3],
        layerwise_strides=[4, 2, 2, 2],
        max_drop_path_rate=0.1,
    )
    backbone = hub.models.SegFormerBackbone(image_encoder=encoder, projection_filters=16)
    kind = hub.models.SegFormerImageSegmenterPreprocessor
    converter = kind.image_converter_cls(image_size=(64, 64), scale=SCALE.tolist(), offset=OFFSET.tolist())
    return drawn(hub.models.SegFormerImageSegmenter(backbone, CLASSES, preprocessor=kind(converter)))


def deeplab(hub: Any, **changed: Any) -> keras.Model:
    encoder = hub.models.ResNetBackbone(**RESNET | changed)
    backbone = hub.models.DeepLabV3Backbone(encoder, "P5", 8, [6, 12, 18], low_level_feature_key="P2")
    return drawn(hub.models.DeepLabV3ImageSegmenter(backbone, CLASSES))


@pytest.fixture(scope="module")
def preset(segformer: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("presets") / "segformer"
    segformer.save_to_preset(str(folder))
    return folder


def build(preset: Path | str, classes: int = CLASSES, **options: str) -> keras.Model:
    return catalog.build("keras_hub", classes, {"preset": str(preset), **options})


@pytest.fixture(scope="module")
def network(preset: Path) -> keras.Model:
    """The network of the preset. Read only."""
    return build(preset)


def photos(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, height, width, 3)).astype(np.float32)


@pytest.mark.parametrize(("approximate", "tolerance"), [(False, 1e-5), (True, 1e-3)])
def test_segformers_logits_are_keras_hubs(
    approximate: bool,
    tolerance: float,
    segformer: keras.Model,
    network: keras.Model,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the exact GELU, by which the published weights were trained; KerasHub approximates it."""
    gelu = keras.ops.nn.gelu
    monkeypatch.setattr(keras.ops.nn, "gelu", lambda x: gelu(x, approximate=approximate))
    images = photos(64, 64)
    expected = np.asarray(segformer(images * SCALE + OFFSET, training=False))
    received = np.asarray(segmenter.logits(network, images))
    assert np.abs(received - expected).max() < tolerance * np.abs(expected).max()


def test_deeplabs_logits_are_keras_hubs_with_imagenets_normalisation_where_there_is_none(
    hub: Any, tmp_path: Path
) -> None:
    task = deeplab(hub)
    task.save_to_preset(str(tmp_path / "deeplab"))
    images = photos(128, 96)
    normalised = (images - np.float32(blocks.IMAGENET_MEAN)) / np.float32(blocks.IMAGENET_STD)
    expected = np.asarray(task(normalised, training=False))
    model = build(tmp_path / "deeplab")
    np.testing.assert_allclose(segmenter.logits(model, images), expected, atol=1e-5 * np.abs(expected).max())
    assert segmenter.logits(model, images[:, :37, :53]).shape == (2, 37, 53, CLASSES)
    assert len(backbones.variables(model)) == len(task.backbone.image_encoder.trainable_variables)


def test_a_size_that_is_no_square_is_a_cut_of_the_padded_one(network: keras.Model) -> None:
    """KerasHub's own network computes squares of one size only."""
    images = photos(64, 96)
    grey = np.broadcast_to(-OFFSET / SCALE, images.shape).copy()  # what the margin is, once normalised
    grey[:, :40, :70] = images[:, :40, :70]
    whole = np.asarray(segmenter.logits(network, grey))
    np.testing.assert_allclose(segmenter.logits(network, images[:, :40, :70]), whole[:, :40, :70], atol=1e-4)


def test_the_last_layer_is_drawn_for_other_classes_and_the_encoder_is_the_backbone(
    network: keras.Model, preset: Path
) -> None:
    same, other = network, build(preset, CLASSES + 1)
    assert other.output_shape[-1] == CLASSES + 1
    encoder = {variable.path: np.asarray(variable) for variable in backbones.variables(same)}
    assert encoder and set(encoder) == {variable.path for variable in backbones.variables(other)}
    for variable in backbones.variables(other):
        np.testing.assert_array_equal(variable, encoder[variable.path])
    np.testing.assert_array_equal(other.get_layer("decoder1").kernel, same.get_layer("decoder1").kernel)
    assert not [layer for layer in backbones.layers(other, beyond=16) if "stage1" in layer.name]


def test_a_trained_network_needs_the_description_only(network: keras.Model, preset: Path, tmp_path: Path) -> None:
    images = photos(40, 40)
    weights.save(network, tmp_path / "weights.h5")
    (tmp_path / "left").mkdir()
    shutil.copy(preset / "config.json", tmp_path / "left")
    options = {"preset": str(tmp_path / "left")}
    restored = catalog.restore("keras_hub", CLASSES, options, tmp_path / "weights.h5")
    np.testing.assert_array_equal(segmenter.logits(restored, images), segmenter.logits(network, images))
    np.testing.assert_array_equal(restored.get_layer("normalise").scale, SCALE)


def test_a_preset_of_a_backbone_only_has_a_drawn_last_layer(segformer: keras.Model, tmp_path: Path) -> None:
    segformer.backbone.save_to_preset(str(tmp_path / "backbone"))
    model = build(tmp_path / "backbone")
    kernel = segformer.backbone.linear_fuse.layers[0].kernel
    np.testing.assert_array_equal(model.get_layer("decoder_fuse_conv").kernel, kernel)
    assert np.abs(model.get_layer("logits").kernel - segformer.output_segmentation_head.kernel).max() > 0.01


PARAMETERS = {"b1_ade20k_512": 13_682_643, "b2_ade20k_512": 24_727_507, "b3_ade20k_512": 44_603_347}
PARAMETERS |= {"b4_ade20k_512": 61_373_907, "b5_ade20k_640": 81_974_227}
LARGE = [pytest.param(name, marks=pytest.mark.long) for name in PARAMETERS if name > "b2"]


@pytest.mark.parametrize("name", ["b1_ade20k_512", *LARGE])
def test_the_table_has_keras_hubs_numbers_of_weights(name: str) -> None:
    """As in its segformer_presets.py, with 19 classes; some count the moving statistics, too."""
    model = build(f"segformer_{name}", 19, weights="random")
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    moving = 2 * model.get_layer("decoder_fuse_norm").moving_mean.shape[0]
    assert PARAMETERS[name] in (trainable, trainable + moving)
    assert PUBLISHED[f"segformer_{name}"].millions == pytest.approx(PARAMETERS[name] / 1e6, abs=0.05)


def test_deeplabs_entry_has_keras_hubs_number_of_weights(hub: Any) -> None:
    """As in its deeplab_v3_presets.py, where it is that of the backbone: without the logits."""
    model = build("deeplab_v3_plus_resnet50_pascalvoc", 21, weights="random")
    others = [model.get_layer(name).count_params() for name in ("logits", "normalise")]
    assert model.count_params() - sum(others) == 39_190_656


def test_the_table_is_keras_hubs(hub: Any) -> None:
    segmenters = hub.models.SegFormerImageSegmenter, hub.models.DeepLabV3ImageSegmenter
    theirs = {name: entry for kind in segmenters for name, entry in kind.presets.items()}
    for name, preset in PUBLISHED.items():
        assert theirs[name]["kaggle_handle"] == f"kaggle://keras/{preset.stored}"
    misdirected = {name for name, entry in theirs.items() if f"/{name}/" not in entry["kaggle_handle"]}
    assert theirs.keys() - PUBLISHED.keys() == misdirected == {"segformer_b1_cityscapes_1024"}


def test_a_published_segformer_is_rebuilt_without_keras_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    assert build("segformer_b0_cityscapes_1024", weights="random").output_shape == (None, None, None, CLASSES)


def test_what_is_no_preset_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ModelError, match=r"'segformer_b0_ade20k', and there is no folder .* Did you mean 'segformer_b0_"
    ):
        catalog.require_weights("keras_hub", {"preset": "segformer_b0_ade20k"})
    with pytest.raises(ModelError, match=rf"folder {tmp_path} is no preset of KerasHub: it holds no config\.json"):
        catalog.require_weights("keras_hub", {"preset": str(tmp_path)})
    with pytest.raises(
        ModelError, match=r"'weights' of model 'keras_hub' must be 'preset' or 'random'\. Received: 'im"
    ):
        catalog.check("keras_hub", {"weights": "imagenet"})
    monkeypatch.setattr(hub_presets, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"needs KerasHub, which is not installed: pip install 'segline\[hub\]'"):
        catalog.require_weights("keras_hub", {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting property name"),
        ("[]", "cannot be used"),
        ('{"class_name": "GemmaBackbone", "config": {}}', "it describes a GemmaBackbone"),
        (
            '{"class_name": "DeepLabV3Backbone", "config": {"image_encoder": {"class_name": "MiTBackbone"}}}',
            "a DeepLabV3Backbone over MiTBackbone",
        ),
    ],
)
def test_a_description_of_something_else_is_an_error(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=rf"{message}.*`preset` names a folder that KerasHub's `save_to_preset`"):
        catalog.require_weights("keras_hub", {"preset": str(tmp_path)})


def test_networks_that_ours_cannot_be_are_refused(hub: Any, preset: Path, tmp_path: Path) -> None:
    described = json.loads((preset / "config.json").read_text())
    described["config"]["image_encoder"]["config"]["layerwise_patch_sizes"] = [4, 2, 2, 2]
    (tmp_path / "config.json").write_text(json.dumps(described))
    with pytest.raises(ModelError, match=r"its patches are \[4, 2, 2, 2\] with strides .* in place of \[7, 3, 3, 3\]"):
        build(tmp_path)
    deeplab(hub, use_pre_activation=True).save_to_preset(str(tmp_path / "second"))
    with pytest.raises(ModelError, match="its ResNet is of version 2"):
        build(tmp_path / "second")


def test_damaged_weights_are_an_error(preset: Path, tmp_path: Path) -> None:
    shutil.copytree(preset, tmp_path / "damaged")
    file = tmp_path / "damaged" / "model.weights.h5"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"damaged' cannot be loaded \(.*\)\. Write the folder again"):
        build(tmp_path / "damaged")


def test_weights_of_another_network_than_described_are_an_error(preset: Path, tmp_path: Path) -> None:
    shutil.copytree(preset, tmp_path / "other")
    file = tmp_path / "other" / "config.json"
    file.write_text(file.read_text().replace('"projection_filters": 16', '"projection_filters": 8'))
    with pytest.raises(ModelError, match=r"do not fit the network that it describes \(decoder1: shapes "):
        build(tmp_path / "other")


def test_offline_the_error_says_where_the_preset_comes_from(
    hub: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to www.kaggle.com")

    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub.models.ImageSegmenter, "from_preset", offline)
    assert main(["weights", "fetch", "segformer_b0_ade20k_512"]) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert "cannot be loaded (no route to www.kaggle.com). KerasHub downloads it once from kaggle.com into" in shown
    assert "`segline weights fetch segformer_b0_ade20k_512`" in shown


def test_segline_weights_fetches_presets_and_knows_which_are_here(
    hub: Any,
    segformer: keras.Model,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    name, built = "segformer_b0_cityscapes_1024", []
    assert main(["weights", "fetch", name, "--dry-run"]) == 0
    folder = tmp_path / "models" / "keras" / "segformer" / "keras" / name / "3"
    assert capsys.readouterr().out == f"download {folder}\n"
    monkeypatch.setattr(catalog, "build", lambda *arguments: built.append(arguments))
    assert main(["weights", "fetch", name]) == 0
    assert capsys.readouterr().out == f"here: {{preset: {name}}}\n" and built[0][0] == "keras_hub"
    folder.mkdir(parents=True)
    (folder / "config.json").touch()
    assert [offer.names[0] for offer in hub_downloads.offers() if offer.is_here] == [name]


def test_the_files_of_a_folder_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    for file in ("config.json", "model.weights.h5"):
        (tmp_path / file).touch()
    files = ModelConfig(name="keras_hub", options={"preset": str(tmp_path)}).files()
    assert files == {f"model.options.preset/{name}": tmp_path / name for name in ("config.json", "model.weights.h5")}
    assert ModelConfig(name="keras_hub", options={}).files() == {}
