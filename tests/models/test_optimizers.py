"""Optimisers: the change of a weight by one step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import optimizers, schedules
from models.errors import ModelError


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ModelError, match="adamw, adam, sgd, rmsprop, lamb or lion"):
        optimizers.build("adagrad", 0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "rmsprop", "lamb", "lion"])
def test_decay_shrinks_only_kernels_by_rate_times_decay(name: str) -> None:
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(2, 1, bias_initializer="ones", name="with_bias")(inputs)
    model = keras.Model(inputs, keras.layers.BatchNormalization(beta_initializer="ones", name="norm")(x))
    before = {variable.path: variable.numpy() for variable in model.trainable_variables}
    optimizer = optimizers.build(name, 0.5, weight_decay=0.1)
    zeros = [tf.zeros(variable.shape) for variable in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    for variable in model.trainable_variables:
        factor = 1 - 0.5 * 0.1 if variable.path == "with_bias/kernel" else 1
        np.testing.assert_allclose(variable.numpy(), before[variable.path] * factor, rtol=1e-6)


def test_sgd_uses_nesterovs_momentum() -> None:
    weight = keras.Variable(np.float32(0))
    optimizers.build("sgd", 1.0, momentum=0.9).apply([tf.constant(1.0)], [weight])
    assert weight.numpy() == pytest.approx(-1.9)


def grouped(factor: float) -> tuple[optimizers.Groups, list[keras.Variable]]:
    """Two weights; the second is trained at `factor` times the rate, from the third step on."""
    weights = [keras.Variable(np.float32(0), name=name) for name in ("head", "backbone")]
    rate = schedules.learning_rate("poly", 0.1, 10)
    slow = rate.delayed(2, factor=factor)
    return optimizers.Groups(
        [(optimizers.build("adam", rate), weights[:1]), (optimizers.build("adam", slow), weights[1:])]
    ), weights


def test_a_group_has_its_own_rate_and_starts_when_unfrozen() -> None:
    groups, weights = grouped(0.5)
    groups.build(weights)
    moves = []
    for step in range(4):
        before = [float(weight.numpy()) for weight in weights]
        trained = weights if step >= 2 else weights[:1]
        groups.apply([tf.constant(1.0)] * len(trained), trained)
        moves.append([old - float(weight.numpy()) for old, weight in zip(before, weights, strict=True)])
    rate = schedules.learning_rate("poly", 0.1, 10)
    # With equal gradients Adam's step is its rate, from its very first step on.
    expected = [[float(rate(step)), 0.5 * float(rate(step)) * (step >= 2)] for step in range(4)]
    np.testing.assert_allclose(moves, expected, rtol=1e-4)
    assert int(groups.iterations.numpy()) == 4 and len(groups.variables) == 2 * 3
    with pytest.raises(ModelError, match="no group of the optimiser: stranger"):
        groups.apply([tf.constant(1.0)], [keras.Variable(np.float32(0), name="stranger")])


def test_groups_can_have_their_loss_scaled() -> None:
    groups, weights = grouped(1.0)
    scaled = keras.optimizers.LossScaleOptimizer(groups, initial_scale=8.0)
    scaled.build(weights)
    assert float(scaled.scale_loss(1.0)) == 8
    scaled.apply([tf.constant(8.0), tf.constant(float("inf"))], weights)
    assert [float(weight.numpy()) for weight in weights] == [0, 0] and float(scaled.scale_loss(1.0)) == 4
    scaled.apply([tf.constant(4.0)], weights[:1])
    assert float(weights[0].numpy()) == pytest.approx(-0.1, rel=1e-4) and float(weights[1].numpy()) == 0
