"""DDRNet-23-slim against its paper: the number of weights, strides, the auxiliary head."""

import math

import keras
import pytest

from models import auxiliary, catalog


def count(model: keras.Model) -> int:
    return sum(math.prod(weight.shape) for weight in model.trainable_variables)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return catalog.build("ddrnet", 19)


def conv(before: int, after: int, kernel: int) -> int:
    """Weights of a convolution without bias and of the normalisation of its output."""
    return before * after * kernel**2 + 2 * after


def preactivated(before: int, after: int, kernel: int) -> int:
    """Weights of the normalisation of the input and of a convolution without bias."""
    return 2 * before + before * after * kernel**2


def basic(before: int, after: int) -> int:
    """Weights of two basic blocks; the first projects its shortcut if the channels change."""
    projection = conv(before, after, 1) if before != after else 0
    return conv(before, after, 3) + 3 * conv(after, after, 3) + projection


def bottleneck(before: int, inside: int) -> int:
    return (
        conv(before, inside, 1)
        + conv(inside, inside, 3)
        + conv(inside, 2 * inside, 1)
        + conv(before, 2 * inside, 1)  # the shortcut
    )


PUBLISHED = {
    "stem": conv(3, 32, 3) + conv(32, 32, 3),
    "layer1": basic(32, 32),
    "layer2": basic(32, 64),
    "coarse3": basic(64, 128),
    "fine3": basic(64, 64),
    "exchange3": conv(64, 128, 3) + conv(128, 64, 1),
    "coarse4": basic(128, 256),
    "fine4": basic(64, 64),
    "exchange4": conv(64, 128, 3) + conv(128, 256, 3) + conv(256, 64, 1),
    "fine5": bottleneck(64, 64),
    "coarse5": bottleneck(256, 256),
    "context": 5 * preactivated(512, 128, 1)
    + 4 * preactivated(128, 128, 3)
    + preactivated(5 * 128, 128, 1)
    + preactivated(512, 128, 1),
    "logits": preactivated(128, 64, 3) + preactivated(64, 19, 1) + 19,
}
"""Weights layer by layer, from the authors' own definition: ydhongHIT/DDRNet, segmentation/DDRNet_23_slim.py.

There the two convolutions of the stem have a bias before their normalisation, 2 * 32 weights that change nothing.
"""


def test_every_part_has_the_weights_of_the_authors_definition(model: keras.Model) -> None:
    network = auxiliary.without_heads(model)
    parts = dict.fromkeys(PUBLISHED, 0)
    for weight in network.trainable_weights:
        parts[next(part for part in parts if weight.path.startswith(part))] += math.prod(weight.shape)
    assert parts == PUBLISHED
    assert sum(PUBLISHED.values()) + 2 * 32 == 5_695_987


def test_the_number_of_weights_is_that_of_the_paper(model: keras.Model) -> None:
    network = auxiliary.without_heads(model)
    assert count(network) == 5_695_923 == pytest.approx(5.7e6, rel=0.01)
    assert not [layer.name for layer in network.layers if layer.name.startswith("auxiliary")]
    assert count(model) - count(network) == 2 * 64 + 64 * 64 * 9 + 2 * 64 + 64 * 19 + 19


def test_ddrnet_23_is_the_same_network_twice_as_wide() -> None:
    wide = catalog.build("ddrnet", 19, {"width": 64, "head_width": 128})
    assert count(auxiliary.without_heads(wide)) == pytest.approx(20.1e6, rel=0.01)  # the paper's table


@pytest.mark.parametrize(
    ("layer", "stride", "channels"),
    [("fine4_2_add", 8, 64), ("fine5_add", 8, 128), ("coarse4_2_add", 32, 256), ("coarse5_add", 64, 512),
     ("context_add", 64, 128), ("auxiliary", 8, 19)],
)  # fmt: skip
def test_strides_are_those_of_the_paper(model: keras.Model, layer: str, stride: int, channels: int) -> None:
    part = keras.Model(model.input, model.get_layer(layer).output)
    assert part.compute_output_shape((1, 128, 192, 3)) == (1, 128 // stride, 192 // stride, channels)
