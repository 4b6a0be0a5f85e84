"""Every layer of Segline's own under both mixed precisions: outputs are finite and of the compute dtype."""

import ast
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import backbones, blocks, keras_hub, segformer, segnet, transplant, unet

LAYERS = {
    backbones.CaffeNormalise: ({}, 1),
    blocks.BatchNorm: ({}, 1),
    blocks.CropLike: ({}, 2),
    blocks.DepthwiseConv: ({"kernel_size": 3, "padding": "same"}, 1),
    blocks.Dropout: ({"rate": 0.5}, 1),
    blocks.PadToMultiple: ({"multiple": 8}, 1),
    blocks.ResizeLike: ({}, 2),
    blocks.Upsample: ({"factor": 2}, 1),
    keras_hub.ScaleOffset: ({}, 1),
    segformer.Attention: ({"heads": 1}, 3),
    segnet.PoolingIndices: ({}, 2),
    segnet.Unpool: ({}, 2),
    transplant.Pointwise: ({"filters": 2, "kernel_size": 1, "strides": 2}, 1),
    unet.Luminance: ({}, 1),
}
"""Layer -> its arguments, and the number of its inputs."""


def test_every_layer_is_listed() -> None:
    layers = {
        value
        for module in (backbones, blocks, keras_hub, segformer, segnet, transplant, unet)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, keras.layers.Layer) and value.__module__.startswith("models.")
    }
    assert layers == set(LAYERS)


def calls_without(keyword: str, code: str, pattern: str) -> list[str]:
    """Return the calls, as source, that match the pattern and lack the keyword."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Name | ast.Attribute)]
    lacking = [ast.unparse(call) for call in made if keyword not in {argument.arg for argument in call.keywords}]
    return [call for call in lacking if re.match(pattern, call)]


MADE = rf"keras\.layers\.|(\w+\.)?({'|'.join(kind.__name__ for kind in LAYERS)})\("
NORMALISES = r"(blocks\.)?(convolution|residual|BatchNorm)\(|keras\.layers\.BatchNormalization\("

each_module = pytest.mark.parametrize(
    "path", sorted(Path(blocks.__file__).parent.glob("*.py")), ids=lambda path: path.stem
)


@each_module
def test_every_layer_is_given_its_name(path: Path) -> None:
    """Automatic names of Keras differ between two networks of one process, and so between a file and its network."""
    assert not calls_without("name", path.read_text(), MADE)


@each_module
def test_every_normalisation_is_passed_synchronized(path: Path) -> None:
    if path.stem == "efficientnet_lite":
        pytest.skip("transplant rebuilds its normalisation, as it does that of keras.applications")
    assert not calls_without("synchronized", path.read_text(), NORMALISES)


def test_calls_without_name_or_synchronized_are_detected() -> None:
    code = "keras.layers.ReLU()(blocks.Upsample(2)(blocks.convolution(x, 8, 3, name='a')))"
    assert calls_without("name", code, MADE) == ["keras.layers.ReLU()", "blocks.Upsample(2)"]
    assert calls_without("synchronized", code, NORMALISES) == ["blocks.convolution(x, 8, 3, name='a')"]


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_a_layer_computes_in_its_precision(kind: type[keras.layers.Layer], precision: str) -> None:
    settings, count = LAYERS[kind]
    layer = kind(**settings, dtype=precision)
    half = layer.compute_dtype
    draw = np.random.default_rng(0)
    maps = [tf.constant(draw.normal(size=(2, 6, 8, 3)), half) for _ in range(count)]
    if kind is segnet.PoolingIndices:
        maps[1] = tf.nn.max_pool2d(maps[0], 2, 2, "VALID")
    with tf.GradientTape() as tape:
        tape.watch(maps)
        received = layer(*maps, training=True) if kind is blocks.BatchNorm else layer(*maps)
        loss = tf.reduce_sum(tf.cast(received, tf.float32) ** 2)
    assert received.dtype == (tf.float32 if kind is backbones.CaffeNormalise else half)
    assert np.isfinite(tf.cast(received, tf.float32)).all()
    if kind is not segnet.PoolingIndices:  # which has no gradient
        assert np.isfinite(tf.cast(tape.gradient(loss, maps)[0], tf.float32)).all()
