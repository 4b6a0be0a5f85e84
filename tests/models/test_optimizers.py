"""Schedules by their landmarks, and optimisers by what one step does to a weight."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import optimizers
from models.errors import ModelError


def rates(schedule: str, total: int = 100, warmup: int = 10) -> np.ndarray:
    rate = optimizers.learning_rate(schedule, 0.5, total, warmup)
    return np.array([float(rate(step)) for step in range(total + 1)])


@pytest.mark.parametrize("schedule", ["constant", "cosine", "poly"])
def test_warm_up_is_linear_and_reaches_the_peak(schedule: str) -> None:
    values = rates(schedule)
    np.testing.assert_allclose(values[:10], 0.05 * np.arange(1, 11), rtol=1e-6)
    assert values[10] == pytest.approx(0.5)
    assert values.max() == pytest.approx(0.5)


def test_landmarks_after_the_warm_up() -> None:
    assert rates("constant")[10:] == pytest.approx(0.5)
    assert rates("cosine")[55] == pytest.approx(0.25)
    assert rates("poly")[55] == pytest.approx(0.5 * 0.5**0.9)
    for schedule in ("cosine", "poly"):
        values = rates(schedule)
        assert (np.diff(values[10:]) < 0).all() and values[-1] == pytest.approx(0, abs=1e-7)


def test_no_warm_up_begins_at_the_peak() -> None:
    assert rates("cosine", warmup=0)[0] == pytest.approx(0.5)


@pytest.mark.parametrize("warmup", [100, 120, -1])
def test_a_warm_up_as_long_as_the_training_is_refused(warmup: int) -> None:
    with pytest.raises(ModelError, match=f"{warmup} steps of warm-up, 100 steps in all"):
        optimizers.learning_rate("cosine", 0.1, 100, warmup)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ModelError, match="constant, cosine or poly"):
        optimizers.learning_rate("step", 0.1, 100)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="adamw, adam, sgd or rmsprop"):
        optimizers.build("lion", 0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "rmsprop"])
def test_decay_shrinks_kernels_alone_and_by_rate_times_decay(name: str) -> None:
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


def test_the_rate_follows_the_schedule_and_survives_serialisation() -> None:
    optimizer = optimizers.build("sgd", optimizers.learning_rate("cosine", 1.0, 4), momentum=0.0)
    weight = keras.Variable(np.float32(0))
    moves = []
    for _ in range(4):
        old = float(weight.numpy())
        optimizer.apply([tf.constant(1.0)], [weight])
        moves.append(old - float(weight.numpy()))
    np.testing.assert_allclose(moves, 0.5 * (1 + np.cos(np.pi * np.arange(4) / 4)), rtol=1e-5)
    again = optimizers.WarmupSchedule.from_config(optimizers.learning_rate("poly", 1.0, 9, 2).get_config())
    assert float(again(5)) == pytest.approx(float(optimizers.learning_rate("poly", 1.0, 9, 2)(5)))


def test_sgd_is_nesterovs() -> None:
    weight = keras.Variable(np.float32(0))
    optimizers.build("sgd", 1.0, momentum=0.9).apply([tf.constant(1.0)], [weight])
    assert weight.numpy() == pytest.approx(-1.9)
