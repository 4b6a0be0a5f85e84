"""The light feature pyramid: numbers of its docstring, levels, single images, any backbone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import backbones, catalog, inspect, segmenter


def test_weights_and_multiply_adds_are_those_of_its_docstring() -> None:
    model = catalog.build("fpn", 11)
    assert model.count_params() == 3_637_515
    cost = sum(row.macs for row in inspect.summary(model, (360, 480)))
    assert round(cost / 1e9, 2) == 2.90
    assert cost < sum(row.macs for row in inspect.summary(catalog.build("fast", 11), (360, 480)))


@pytest.mark.parametrize("backbone", ["efficientnet_lite2", "resnet50"])
def test_each_level_has_the_size_of_its_features_whatever_the_backbone(backbone: str) -> None:
    model = catalog.build("fpn", 3, {"backbone": backbone, "width": 8})
    names = {stride: f"merge{stride}_relu" for stride in (32, 16, 8, 4, 2)}
    levels = keras.Model(model.input, {stride: model.get_layer(name).output for stride, name in names.items()})
    shapes = levels.compute_output_shape((1, 65, 96, 3))
    widths = {32: 16, 16: 16, 8: 16, 4: 8, 2: 4}
    assert shapes == {stride: (1, 96 // stride, 96 // stride, width) for stride, width in widths.items()}


def test_the_gate_lets_the_whole_image_weigh_the_coarsest_channels() -> None:
    model = catalog.build("fpn", 3, {"width": 8})
    gated, gate, free = (model.get_layer(name) for name in ("context", "context_gate", "context_project_relu"))
    gate.bias.assign(np.linspace(-2, 2, 16))
    part = keras.Model(model.input, [gated.output, gate.output, free.output])
    product, weights, features = part(np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8))
    assert weights.shape == (2, 1, 1, 16) and 0 < np.min(weights) < np.max(weights) < 1
    np.testing.assert_allclose(product, features * weights, rtol=1e-5)


def test_a_single_image_trains_it() -> None:
    """The gate sees one pixel, which batch normalisation would make 0."""
    model = catalog.build("fpn", 3, {"width": 8})
    image = tf.random.stateless_uniform([1, 64, 64, 3], (0, 1), maxval=255)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(image, training=True) ** 2)
    gate = model.get_layer("context_gate").kernel
    assert np.any(tape.gradient(loss, gate.value))
    assert catalog.min_batch_size("fpn") == 1 and catalog.has_backbone("fpn")
    assert backbones.layers(model) and np.isfinite(segmenter.logits(model, image)).all()
