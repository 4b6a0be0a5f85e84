"""One step: the same from one device and from two, and nothing from pixels that do not count."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import losses
from pipeline.update import make_update

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def results(ingested: Path) -> dict[str, Any]:
    """What one device and two gave; see replicas.py."""
    script = Path(__file__).with_name("replicas.py")
    command = [sys.executable, str(script), str(ingested / "records")]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_two_replicas_train_to_the_weights_of_one_device(results: dict[str, Any]) -> None:
    one, two = results["one"], results["two"]
    np.testing.assert_allclose(two["losses"], one["losses"], atol=1e-5)
    assert len(one["weights"]) == len(two["weights"]) == 8
    for first, second in zip(one["weights"], two["weights"], strict=True):
        np.testing.assert_allclose(second, first, atol=1e-5)


def test_two_replicas_count_what_one_device_counts(results: dict[str, Any]) -> None:
    for batches in ("confusion", "odd"):  # 3 images shared by 2 replicas: one is filled up
        one, two = (np.array(results[name][batches]) for name in ("one", "two"))
        assert np.abs(one - two).sum() <= 2  # a pixel on the border between two classes may fall either way
        assert one.sum() == two.sum() == np.array(results["one"]["confusion"]).sum()


@pytest.fixture
def model() -> keras.Model:
    images = keras.Input((None, None, 3))
    return keras.Model(images, keras.layers.Conv2D(3, 1)(keras.layers.Rescaling(1 / 255)(images)))


def one_step(model: keras.Model, batch: dict[str, np.ndarray], **settings: Any) -> float:
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build(model.trainable_variables)
    return float(make_update(model, optimizer, tf.distribute.get_strategy(), **settings)(batch))


def random_batch() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"image": rng.integers(0, 256, (2, 8, 8, 3), np.uint8), "label": rng.integers(0, 3, (2, 8, 8), np.uint8)}


def test_the_loss_is_the_weighted_mean_and_a_step_lowers_it(model: keras.Model) -> None:
    batch, weights = random_batch(), [1.0, 0.5, 2.0]
    batch["label"][0, :4] = 255
    total, weight = losses.cross_entropy(model(batch["image"].astype(np.float32)), batch["label"], weights)
    before = one_step(model, batch, class_weights=weights)
    assert before == pytest.approx(float(total / weight), rel=1e-5)
    assert one_step(model, batch, class_weights=weights) < before


def test_a_batch_without_a_pixel_that_counts_changes_nothing(model: keras.Model) -> None:
    batch = random_batch()
    batch["label"][:] = 255
    before = [weight.numpy() for weight in model.weights]
    assert one_step(model, batch) == 0
    assert all((weight.numpy() == old).all() for weight, old in zip(model.weights, before, strict=True))


def test_ignored_pixels_have_no_say(model: keras.Model) -> None:
    start = model.get_weights()
    batch = random_batch()
    batch["label"][:, ::2] = 255
    one_step(model, batch)
    after = model.get_weights()
    model.set_weights(start)
    batch["image"][:, ::2] = 0
    one_step(model, batch)
    for first, second in zip(after, model.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)
