"""A network can learn one drawn scene by heart: what it says reaches the pixels it belongs to."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from models import auxiliary, catalog, optimizers
from models.losses.total import Total, combine

VOID, IGNORE, CLASSES = 11, 255, 11

LONG = (pytest.mark.slow, pytest.mark.long)


@pytest.fixture(scope="module")
def scene(camvid_raw: Path) -> tuple[np.ndarray, np.ndarray]:
    image = next(iter(sorted((camvid_raw / "train").glob("*.png"))))
    label = np.array(Image.open(camvid_raw / "trainannot" / image.name))
    return np.array(Image.open(image))[None, :64], np.where(label == VOID, IGNORE, label)[None, :64]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "steps"),
    [
        ("fast", {"width": 16, "dropout": 0.0}, 90),
        pytest.param(
            "fcn",
            {"backbone": "mobilenet_v2", "head_width": 256, "upscore": "stride", "dropout": 0.0},
            50,
            marks=LONG,
        ),
        ("unet", {"width": 16}, 45),
        ("unet_backbone", {"backbone": "mobilenet_v2", "widths": (64, 64, 32, 32)}, 25),
        pytest.param("segnet", {}, 20, marks=LONG),
        pytest.param("ddrnet", {}, 40, marks=LONG),
        pytest.param("segformer", {"dropout": 0.0, "drop_path": 0.0}, 50, marks=LONG),
        pytest.param("deeplabv3plus", {"backbone": "mobilenet_v2", "width": 64, "dropout": 0.0}, 30, marks=LONG),
    ],
)
def test_one_scene_can_be_learned_by_heart(name: str, options, steps: int, scene) -> None:
    keras.utils.set_random_seed(0)
    images, labels = scene
    model = catalog.build(name, CLASSES, options)
    optimizer = optimizers.build("adamw", 2e-3)
    compute = Total()

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            parts = compute(model(tf.cast(images, tf.float32), training=True), labels)
            loss = combine(parts, [sums[1] for _, sums in parts.values()])["loss"]
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    first = float(step())
    for _ in range(steps):
        last = float(step())
    counts = labels != IGNORE
    # As in training: a few steps do not bring the moving statistics of small features to where they will be.
    logits = auxiliary.main(model(images, training=True))
    right = np.argmax(logits, axis=-1)[counts] == labels[counts]
    assert last < first / 3 and right.mean() > 0.85
