"""SegFormer-B0 against its paper: the number of weights, strides, and attention against a reference in NumPy."""

import math

import keras
import numpy as np
import pytest

from models import catalog
from models.segformer import Attention


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return catalog.build("segformer", 150)


def test_the_number_of_weights_is_that_of_the_published_model(model: keras.Model) -> None:
    assert sum(math.prod(weight.shape) for weight in model.trainable_variables) == 3_752_694
    assert 3_752_694 - (150 - 19) * (256 + 1) == 3_719_027 == pytest.approx(3.7e6, rel=0.01)  # 19 classes
    encoder = [layer for layer in model.layers if layer.name.startswith("stage")]
    assert sum(layer.count_params() for layer in encoder) == 3_319_392


@pytest.mark.parametrize(("stage", "channels"), [(1, 32), (2, 64), (3, 160), (4, 256)])
def test_strides_and_channels_are_those_of_the_paper(model: keras.Model, stage: int, channels: int) -> None:
    part = keras.Model(model.input, model.get_layer(f"stage{stage}_norm").output)
    stride = 2 ** (stage + 1)
    assert part.compute_output_shape((1, 96, 160, 3)) == (1, 96 // stride, 160 // stride, channels)


@pytest.mark.parametrize(("stage", "reduction"), [(1, 8), (2, 4), (3, 2)])
def test_keys_are_reduced(model: keras.Model, stage: int, reduction: int) -> None:
    assert model.get_layer(f"stage{stage}_block1_reduce_conv").strides == (reduction, reduction)


def test_attention_is_the_softmax_of_scaled_products() -> None:
    rng = np.random.default_rng(0)
    query, key, value = (rng.normal(size=(2, *size, 6)).astype(np.float32) for size in ((4, 5), (2, 3), (2, 3)))
    expected = np.zeros(query.shape)
    for image, y, x, head in np.ndindex(2, 4, 5, 2):
        part = slice(3 * head, 3 * head + 3)
        scores = key[image].reshape(6, 6)[:, part] @ query[image, y, x, part] / math.sqrt(3)
        shares = np.exp(scores) / np.exp(scores).sum()
        expected[image, y, x, part] = shares @ value[image].reshape(6, 6)[:, part]
    np.testing.assert_allclose(Attention(2)(query, key, value), expected, atol=1e-5)


def test_deeper_blocks_are_skipped_more_often(model: keras.Model) -> None:
    rates = [layer.rate for layer in model.layers if layer.name.endswith("ffn_drop_path")]
    np.testing.assert_allclose(rates, np.linspace(0, 0.1, 8)[1:])
    assert not [layer for layer in catalog.build("segformer", 3, {"drop_path": 0}).layers if "drop_path" in layer.name]
