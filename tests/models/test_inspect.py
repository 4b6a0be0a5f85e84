"""Inspection: multiply-adds counted by hand; filters and activations of known layers."""

import keras
import numpy as np
import pytest

from models import auxiliary, catalog, inspect
from models.errors import ModelError
from models.fit import Fit


@pytest.fixture(scope="module")
def model() -> keras.Model:
    images = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="first")(images)
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = keras.layers.Conv2DTranspose(2, 4, strides=2, padding="same", name="larger")(x)
    return keras.Model(images, keras.layers.ReLU(name="relu")(x), name="small")


def test_summary_equals_counts_by_hand(model: keras.Model) -> None:
    rows = {row.name: row for row in inspect.summary(model, (10, 12))}
    assert rows["first"] == inspect.Row("first", "Conv2D", (5, 6, 4), 3 * 3 * 3 * 4 + 4, 5 * 6 * 27 * 4)
    assert rows["depthwise"] == inspect.Row("depthwise", "DepthwiseConv2D", (5, 6, 4), 36, 5 * 6 * 36)
    assert rows["larger"] == inspect.Row("larger", "Conv2DTranspose", (10, 12, 2), 130, 5 * 6 * 16 * 4 * 2)
    assert (rows["relu"].weights, rows["relu"].macs, rows["image"].shape) == (0, 0, (10, 12, 3))


@pytest.mark.parametrize(
    ("name", "classes", "size", "gigas"),
    [("ddrnet", 19, (1024, 2048), 36.3), ("segformer", 150, (512, 512), 8.4)],
)
def test_multiply_adds_are_those_of_the_papers(name: str, classes: int, size, gigas: float) -> None:
    network = auxiliary.without_heads(catalog.build(name, classes))
    rows = inspect.summary(network, size)
    assert sum(row.macs for row in rows) / 1e9 == pytest.approx(gigas, rel=0.002)
    assert sum(row.weights for row in rows) == network.count_params()


def test_filters_of_three_channels_are_in_colour_and_others_are_averaged(model: keras.Model) -> None:
    kernel = np.zeros((3, 3, 3, 4), np.float32)
    kernel[0, 1, 2, 3], kernel[2, 2, 0, 1] = 2, -1
    model.get_layer("first").kernel.assign(kernel)
    pictures = inspect.filters(model, "first")
    assert pictures.shape == (4, 3, 3, 3) and (pictures[0] == 0.5).all()
    assert pictures[3, 0, 1, 2] == 1 and pictures[1, 2, 2, 0] == 0.25
    assert inspect.filters(model, "depthwise").shape == (4, 3, 3, 1)
    one = inspect.filters(model, "first", 3)
    assert one.shape == (3, 3, 3, 1) and one[2, 0, 1, 0] == 1 and (one[:2] == 0.5).all()
    with pytest.raises(ModelError, match=r"'first' has the filters 0 to 3\. Received: 4\."):
        inspect.filters(model, "first", 4)
    larger = inspect.filters(model, "larger")
    assert larger.shape == (2, 4, 4, 1) and larger.min() >= 0 and larger.max() <= 1


def test_each_channel_of_activations_has_its_own_scale(model: keras.Model) -> None:
    image = np.random.default_rng(0).integers(0, 256, (10, 12, 3), np.uint8)
    activations = inspect.activations(model, "first", image)
    output = keras.Model(model.input, model.get_layer("first").output)(image[None].astype(np.float32)).numpy()[0]
    assert activations.shape == (4, 5, 6, 1)
    for channel, picture in enumerate(activations[..., 0]):
        low, high = output[..., channel].min(), output[..., channel].max()
        expected = (output[..., channel] - low) / (high - low) if high > low else 0 * picture
        np.testing.assert_allclose(picture, expected, atol=1e-6)
    assert inspect.activations(model, "first", image, Fit((4, 4))).shape == (4, 2, 2, 1)


def test_the_error_for_an_unknown_layer_names_similar_ones(model: keras.Model) -> None:
    with pytest.raises(ModelError, match=r"'small' has no layer 'frst'\. Similar: first\. --summary lists all 5\."):
        inspect.filters(model, "frst")
    with pytest.raises(ModelError, match="Layer 'relu' of model 'small' is a ReLU and has no filters"):
        inspect.filters(model, "relu")
