"""The backbone is trained when and as fast as the recipe says; rates are scaled only where it says so."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import backbones
from pipeline.config.train import TrainConfig
from pipeline.training import optimisation, step_loops
from pipeline.training.train_step import make_update

STEPS = 2


def config(**settings: Any) -> TrainConfig:
    common = {"epochs": 4, "batch_size": 2, "learning_rate": 0.1, "schedule": "constant", "optimizer": "sgd"}
    return TrainConfig(**{**common, "momentum": 0.0, **settings})


def network() -> keras.Model:
    """A backbone of a convolution and a normalisation, and a head."""
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name=f"{backbones.PREFIX}conv")(
        keras.layers.Rescaling(1 / 255)(images)
    )
    x = keras.layers.BatchNormalization(name=f"{backbones.PREFIX}norm")(x)
    return keras.Model(images, keras.layers.Conv2D(3, 1, name="head")(x), name="tiny")


def weights(model: keras.Model) -> dict[str, np.ndarray]:
    return {variable.path: variable.numpy() for variable in model.variables}


def moved(model: keras.Model, settings: TrainConfig) -> list[set[str]]:
    """Train for four epochs; return the variables that each of them changed."""
    optimizer = optimisation.optimizer(settings, model, optimisation.learning_rate(settings, STEPS), STEPS)
    frozen = settings.backbone.frozen_epochs
    strategy = tf.distribute.get_strategy()

    def make() -> step_loops.RunSteps:
        return step_loops.one_by_one(make_update(model, optimizer, strategy))

    every = make()
    stride = settings.backbone.frozen_stride
    unfreezer = optimisation.BackboneUnfreezer(model, frozen, make, frozen_stride=stride) if frozen != "all" else None
    step_runner = unfreezer or (lambda epoch: every)
    rng = np.random.default_rng(0)
    batch = {"image": rng.integers(0, 256, (2, 8, 8, 3), np.uint8), "label": rng.integers(0, 3, (2, 8, 8), np.uint8)}
    changed = []
    for epoch in range(4):
        before = weights(model)
        step_runner(epoch)(iter([batch] * STEPS), STEPS)
        changed.append({name for name, value in weights(model).items() if not np.array_equal(value, before[name])})
    return changed


def names(model: keras.Model) -> tuple[set[str], set[str]]:
    """Paths of the variables of the backbone, its statistics too, and of the head."""
    every = {variable.path for variable in model.variables}
    head = {path for path in every if path.startswith("head/")}
    return every - head, head


def test_a_frozen_backbone_keeps_its_statistics_and_is_trained_later() -> None:
    model = network()
    backbone, head = names(model)
    assert moved(model, config(backbone={"frozen_epochs": 2})) == [head, head, head | backbone, head | backbone]


def test_freezing_the_backbone_does_not_reorder_the_variables() -> None:
    model = network()
    paths = [variable.path for variable in model.variables]
    backbones.set_trainable(model, trainable=False)
    assert [variable.path for variable in model.variables] == paths


def test_a_backbone_can_stay_frozen() -> None:
    model = network()
    _, head = names(model)
    assert moved(model, config(backbone={"frozen_epochs": "all"})) == [head] * 4
    assert len(model.trainable_variables) == 2


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_a_backbone_can_stay_frozen_up_to_a_stride(factor: float) -> None:
    images = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    for name, strides in (("fine", 1), ("finer", 2), ("gate", 0), ("coarse", 2)):
        name = f"{backbones.PREFIX}{name}"
        if not strides:
            mean = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)
            x = keras.layers.Multiply(name=name)([x, keras.layers.Conv2D(4, 1, name=f"{name}_conv")(mean)])
            continue
        x = keras.layers.Conv2D(4, 3, strides, padding="same", name=f"{name}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"{name}_norm")(x)
    model = keras.Model(images, keras.layers.Conv2DTranspose(3, 4, 4, name="head")(x))
    _, head = names(model)
    coarse = {path for path in weights(model) if path.startswith(f"{backbones.PREFIX}coarse")}
    settings = {"frozen_stride": 2, "frozen_epochs": 1, "learning_rate_factor": factor}
    assert moved(model, config(backbone=settings)) == [head, *[head | coarse] * 3]


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_backbone_has_its_own_learning_rate(precision: str) -> None:
    kernels = []
    for factor in (1.0, 0.25):
        model = network()
        start = weights(model)
        settings = config(backbone={"learning_rate_factor": factor}, precision=precision)
        optimizer = optimisation.optimizer(settings, model, optimisation.learning_rate(settings, STEPS), STEPS)
        gradients = [optimizer.scale_loss(tf.ones(variable.shape)) for variable in model.trainable_variables]
        optimizer.apply(gradients, model.trainable_variables)
        kernels.append({name: (start[name] - value).mean() for name, value in weights(model).items()})
    conv, head = f"{backbones.PREFIX}conv/kernel", "head/kernel"
    assert kernels[0][conv] == pytest.approx(0.1, rel=1e-3) and kernels[1][conv] == pytest.approx(0.025, rel=1e-3)
    assert kernels[1][head] == pytest.approx(0.1, rel=1e-3)


def test_the_rate_scales_with_the_batch_only_where_the_recipe_says_so() -> None:
    assert optimisation.peak_rate(config(batch_size=64)) == 0.1
    assert optimisation.peak_rate(config(batch_size=64, learning_rate_batch=16)) == pytest.approx(0.4)
    rate = optimisation.learning_rate(config(batch_size=64, learning_rate_batch=16), STEPS)
    assert float(rate(0)) == pytest.approx(0.4)


@pytest.mark.parametrize("warmup_epochs", [0.6, 1])
@pytest.mark.parametrize("steps", [1, 5])
def test_a_warm_up_is_shorter_than_the_training_however_few_steps_there_are(warmup_epochs: float, steps: int) -> None:
    """As in the trial steps of `batch_size: auto`, and where a recipe with a warm-up is tried for one epoch."""
    rate = optimisation.learning_rate(config(epochs=1, warmup_epochs=warmup_epochs), steps)
    assert max(float(rate(step)) for step in range(steps)) == pytest.approx(0.1)
