"""Every network can overfit one drawn scene, so its logits are aligned with the pixels."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from datasets.camvid import sample
from models import auxiliary, catalog, optimizers, segmenter
from models.labels import IGNORE
from models.losses.total import Total, combine

VOID, CLASSES = 11, 11

MOST_STEPS = 150
"""Steps in which each network with its defaults must have learned the scene."""


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the first scene of a sample: image uint8 [1,H,W,3], label uint8 [1,H,W]."""
    image = min((folder / "train").glob("*.png"))
    label = np.array(Image.open(folder / "trainannot" / image.name))
    return np.array(Image.open(image))[None], np.where(label == VOID, IGNORE, label)[None]


def stepper(model: keras.Model, images, labels, *, rate: float) -> Callable[[], tuple[tf.Tensor, list[tf.Tensor]]]:
    """Return a function that trains one step and returns the loss before it and the gradients."""
    optimizer, compute = optimizers.build("adamw", rate), Total()
    optimizer.build(model.trainable_variables)

    @tf.function
    def step() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            parts = compute(model(tf.cast(images, tf.float32), training=True), labels)
            loss = combine(parts, [sums[1] for _, sums in parts.values()])["loss"]
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss, gradients

    return step


@pytest.fixture(scope="module")
def scene(camvid_raw: Path) -> tuple[np.ndarray, np.ndarray]:
    image, label = read(camvid_raw)
    return image[:, :64], label[:, :64]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "steps"),
    [
        ("fast", {"width": 16, "dropout": 0.0}, 90),
        ("unet", {"width": 16}, 45),
        ("unet_backbone", {"backbone": "mobilenet_v2", "widths": (64, 64, 32, 32)}, 25),
    ],
)
def test_a_narrow_network_overfits_a_scene(name: str, options, steps: int, scene) -> None:
    keras.utils.set_random_seed(0)
    images, labels = scene
    model = catalog.build(name, CLASSES, options)
    step = stepper(model, images, labels, rate=2e-3)
    first = float(step()[0])
    for _ in range(steps):
        last = float(step()[0])
    counts = labels != IGNORE
    # training=True: after a few steps the moving statistics of small features have not converged.
    logits = auxiliary.main(model(images, training=True))
    correct = np.argmax(logits, axis=-1)[counts] == labels[counts]
    assert last < first / 3 and correct.mean() > 0.85


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray]:
    """A scene of 128 x 160 and its mirror image: more than a pixel of DDRNet's coarsest features, at 1/64."""
    folder = tmp_path_factory.mktemp("published") / "camvid"
    sample.write(folder, count=3, seed=0, size=(128, 160))
    image, label = read(folder)
    return np.concatenate([image, image[:, :, ::-1]]), np.concatenate([label, label[:, :, ::-1]])


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", catalog.names())
def test_each_network_with_its_defaults_overfits_a_scene(name: str, pair) -> None:
    """At full width, with dropout; FCN on VGG16 with 134 million weights."""
    keras.utils.set_random_seed(0)
    images, labels = pair
    model = catalog.build(name, CLASSES, catalog.with_random_weights(name, {}))
    step = stepper(model, images, labels, rate=1e-4 if name == "fcn" else 1e-3)
    _, gradients = step()
    dead = [v.path for v, g in zip(model.trainable_variables, gradients, strict=True) if g is None or not np.any(g)]
    assert not dead
    for _ in range(MOST_STEPS):
        if float(step()[0]) < 0.3:
            break
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)  # with momentum 0 the moving statistics become those of the scene
    counts = labels != IGNORE
    correct = np.argmax(segmenter.logits(model, images), axis=-1)[counts] == labels[counts]
    assert correct.mean() > 0.85
