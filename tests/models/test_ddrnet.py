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


def test_the_number_of_weights_is_that_of_the_paper(model: keras.Model) -> None:
    alone = auxiliary.without_heads(model)
    assert count(alone) == 5_695_923 == pytest.approx(5.7e6, rel=0.01)
    assert not [layer.name for layer in alone.layers if layer.name.startswith("auxiliary")]
    assert count(model) - count(alone) == 2 * 64 + 64 * 64 * 9 + 2 * 64 + 64 * 19 + 19


def test_ddrnet_23_is_the_same_net_twice_as_wide() -> None:
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
