"""Weights files: their contents, and the errors for files that do not fit."""

import h5py
import keras
import numpy as np
import pytest

from models import backbones, blocks, catalog, weights
from models.errors import ModelError

SMALL = {"width": 8}


def build(classes: int = 5, **options) -> keras.Model:
    return catalog.build("fast", classes, {**SMALL, **options})


@pytest.fixture
def file(tmp_path):
    weights.save(build(), tmp_path / "weights.h5")
    return tmp_path / "weights.h5"


def test_a_file_is_read_by_name_without_segline(file) -> None:
    model = build()
    with h5py.File(file) as content:
        assert content["stem_a_conv/kernel"].shape == (3, 3, 3, 4)
        assert {"moving_mean", "moving_variance", "gamma", "beta"} == set(content["stem_a_norm"])
    assert len({weight.path for weight in model.weights}) == len(model.weights)


def test_a_file_that_does_not_fit_is_refused_in_one_line(file) -> None:
    with pytest.raises(ModelError, match=r"weights\.h5 cannot be loaded into model 'fast': it is of") as caught:
        catalog.restore("fast", 6, SMALL, file)
    assert "logits/kernel is [1, 1, 4, 5] there and [1, 1, 4, 6] here" in str(caught.value)
    with pytest.raises(ModelError, match=r"and \d+ more\)\.$") as caught:
        catalog.restore("unet", 5, {"width": 4}, file)
    assert "it lacks bottom_a_conv/kernel" in str(caught.value) and "\n" not in str(caught.value)


def test_keras_files_are_read_too(tmp_path) -> None:
    model, other = build(), build()
    model.save_weights(tmp_path / "model.weights.h5")
    weights.load(other, tmp_path / "model.weights.h5")
    for theirs, ours in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(theirs, ours)
    with pytest.raises(ModelError, match=r"model\.weights\.h5 cannot be loaded into model 'fast'") as caught:
        catalog.restore("fast", 6, SMALL, tmp_path / "model.weights.h5")
    assert "\n" not in str(caught.value) and "List of" not in str(caught.value)


def test_missing_truncated_and_damaged_files_are_refused(file) -> None:
    whole = file.read_bytes()
    model = build()
    model.get_layer("logits").bias.assign([0, 0, np.nan, 0, 0])
    weights.save(model, file)
    with pytest.raises(ModelError, match="damaged: not every number in logits/bias is finite"):
        weights.load(build(), file)
    file.write_bytes(whole[:20000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        weights.load(build(), file)
    kernel = np.asarray(build().get_layer("stage16_1_a_conv").kernel)
    with h5py.File(file, "w") as content:  # a single weight, so that its place in the file is known
        content.attrs["format"] = weights.FORMAT
        content.create_dataset("stage16_1_a_conv/kernel", data=kernel, chunks=kernel.shape, fletcher32=True)
    damaged = bytearray(file.read_bytes())
    damaged[-kernel.nbytes // 2] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(ModelError, match="it is damaged"):
        weights.load(build(), file)
    file.unlink()
    with pytest.raises(ModelError, match="There is no weights file"):
        weights.load(build(), file)


def test_a_network_of_other_classes_is_loaded_except_its_scores(file, tmp_path) -> None:
    model, trained = build(3), build()
    weights.load(trained, file)
    before = {weight.path: np.asarray(weight) for weight in model.weights}
    assert weights.load_matching(model, file, 3) == ["logits/kernel", "logits/bias"]
    theirs = {weight.path: np.asarray(weight) for weight in trained.weights}
    for weight in model.weights:
        np.testing.assert_array_equal(weight, (before if "logits" in weight.path else theirs)[weight.path])
    assert weights.load_matching(build(), file, 5) == []
    trained.save_weights(tmp_path / "keras.weights.h5")
    assert weights.load_matching(build(), tmp_path / "keras.weights.h5", 5) == []


@pytest.mark.parametrize(("classes", "options"), [(5, {"width": 16}), (3, {"width": 16}), (8, {"width": 16})])
def test_a_network_of_other_options_is_refused(file, classes: int, options: dict[str, int]) -> None:
    expected = r"of another network, or one of other options \(stem_a_conv/kernel is \[3, 3, 3, 4\] there and"
    with pytest.raises(ModelError, match=expected):
        weights.load_matching(build(classes, **options), file, classes)
    with pytest.raises(ModelError, match="it lacks "):
        weights.load_matching(catalog.build("unet", classes, {"width": 4, "depth": 2}), file, classes)


def test_a_backbone_is_loaded_from_a_trained_model(tmp_path) -> None:
    options = {"backbone": "mobilenet_v2", "widths": (8, 8, 8, 8)}
    trained = catalog.build("unet_backbone", 3, options)
    weights.save(trained, tmp_path / "weights.h5")
    images = blocks.image_input()
    features = backbones.pyramid("mobilenet_v2", images, weights=str(tmp_path / "weights.h5"))
    model = keras.Model(images, features)
    for ours in backbones.variables(model):
        layer, name = ours.path.split("/")
        np.testing.assert_array_equal(ours, getattr(trained.get_layer(layer), name))
