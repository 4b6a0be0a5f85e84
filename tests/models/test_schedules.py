"""Learning-rate schedules at selected steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import optimizers, schedules
from models.errors import ModelError


def rates(schedule: str, total: int = 100, warmup: int = 10) -> np.ndarray:
    rate = schedules.learning_rate(schedule, 0.5, total, warmup)
    return np.array([float(rate(step)) for step in range(total + 1)])


@pytest.mark.parametrize("schedule", ["constant", "cosine", "poly"])
def test_warm_up_is_linear_and_reaches_the_peak(schedule: str) -> None:
    values = rates(schedule)
    np.testing.assert_allclose(values[:10], 0.05 * np.arange(1, 11), rtol=1e-6)
    assert values[10] == pytest.approx(0.5)
    assert values.max() == pytest.approx(0.5)


def test_values_after_the_warm_up() -> None:
    assert rates("constant")[10:] == pytest.approx(0.5)
    assert rates("cosine")[55] == pytest.approx(0.25)
    assert rates("poly")[55] == pytest.approx(0.5 * 0.5**0.9)
    for schedule in ("cosine", "poly"):
        values = rates(schedule)
        assert (np.diff(values[10:]) < 0).all() and values[-1] == pytest.approx(0, abs=1e-7)


def test_without_warm_up_the_first_step_has_the_peak() -> None:
    assert rates("cosine", warmup=0)[0] == pytest.approx(0.5)


@pytest.mark.parametrize("warmup", [100, 120, -1])
def test_a_warm_up_as_long_as_the_training_is_refused(warmup: int) -> None:
    with pytest.raises(ModelError, match=f"{warmup} steps of warm-up, 100 steps in all"):
        schedules.learning_rate("cosine", 0.1, 100, warmup)


def test_steps_decay_from_each_border_on() -> None:
    rate = schedules.learning_rate("step", 1.0, 100, decay_steps=[60, 80], decay_factor=0.1)
    values = [float(rate(step)) for step in (0, 59, 60, 79, 80, 99)]
    assert values == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize(("schedule", "steps"), [("step", []), ("poly", [3])])
def test_decay_steps_go_with_step_only(schedule: str, steps: list[int]) -> None:
    with pytest.raises(ModelError, match="`decay_steps` go with schedule 'step'"):
        schedules.learning_rate(schedule, 0.1, 10, decay_steps=steps)  # type: ignore[arg-type]


def test_unknown_schedules_are_refused() -> None:
    with pytest.raises(ModelError, match="constant, cosine, poly or step"):
        schedules.learning_rate("linear", 0.1, 100)  # type: ignore[arg-type]


def test_the_rate_follows_the_schedule_and_survives_serialisation() -> None:
    optimizer = optimizers.build("sgd", schedules.learning_rate("cosine", 1.0, 4), momentum=0.0)
    weight = keras.Variable(np.float32(0))
    moves = []
    for _ in range(4):
        old = float(weight.numpy())
        optimizer.apply([tf.constant(1.0)], [weight])
        moves.append(old - float(weight.numpy()))
    np.testing.assert_allclose(moves, 0.5 * (1 + np.cos(np.pi * np.arange(4) / 4)), rtol=1e-5)
    again = schedules.Schedule.from_config(schedules.learning_rate("poly", 1.0, 9, 2).get_config())
    assert float(again(5)) == pytest.approx(float(schedules.learning_rate("poly", 1.0, 9, 2)(5)))
