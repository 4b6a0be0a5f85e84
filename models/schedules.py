"""Learning-rate schedules."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import keras
import tensorflow as tf

from models.errors import ModelError

Name = Literal["constant", "cosine", "poly", "step"]

POLY_POWER = 0.9
"""Exponent of the poly schedule (DeepLab, Chen et al. 2017)."""


@dataclass(frozen=True)
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to `peak`, then constant or falling. The arguments are those of `learning_rate`.

    `first_step` is the step at which the variables start to train; see `delayed`. `total_steps` is an int or a
    variable, which a training sets once it knows the number: the rates of the warm-up do not depend on it.
    """

    schedule: Name
    peak: float
    total_steps: Any
    warmup_steps: int
    decay_steps: tuple[int, ...] = ()
    decay_factor: float = 0.1
    first_step: int = 0

    def __call__(self, step: Any) -> tf.Tensor:
        """Return the learning rate of step number `step`, counted from 0: a float32 scalar."""
        step = tf.cast(step, tf.float32) + self.first_step
        rise = tf.minimum(1.0, (step + 1) / max(self.warmup_steps, 1))
        falling = tf.cast(tf.maximum(self.total_steps - self.warmup_steps, 1), tf.float32)
        done = tf.clip_by_value((step - self.warmup_steps) / falling, 0.0, 1.0)
        if self.schedule == "cosine":
            fall = 0.5 * (1 + tf.cos(math.pi * done))
        elif self.schedule == "poly":
            fall = (1 - done) ** POLY_POWER
        elif self.schedule == "step":
            borders = tf.constant(self.decay_steps, tf.float32)
            fall = self.decay_factor ** tf.reduce_sum(tf.cast(step >= borders, tf.float32))
        else:
            fall = tf.ones_like(done)
        return self.peak * rise * fall

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return asdict(replace(self, total_steps=int(self.total_steps)))

    def delayed(self, step: int, *, factor: float) -> "Schedule":
        """Return this schedule, times `factor`, for an optimiser whose step 0 is step `step` of the training."""
        return replace(self, peak=self.peak * factor, first_step=step)


def learning_rate(
    schedule: Name,
    peak: float,
    total_steps: int,
    warmup_steps: int = 0,
    *,
    decay_steps: Sequence[int] = (),
    decay_factor: float = 0.1,
) -> Schedule:
    """Build a learning-rate schedule.

    >>> rate = learning_rate("cosine", 0.1, total_steps=100, warmup_steps=10)
    >>> [round(float(rate(step)), 3) for step in (0, 9, 55, 99)]
    [0.01, 0.1, 0.05, 0.0]

    Args:
        schedule: After the warm-up: `constant`; `cosine` or `poly`, which fall to 0 at the end; or `step`.
        peak: Learning rate at the end of the warm-up.
        total_steps: Steps of the whole training, including the warm-up.
        warmup_steps: Steps of the linear warm-up, which starts at peak / warmup_steps.
        decay_steps: With `step`, the rate is multiplied by `decay_factor` once more from each of these steps on.
        decay_factor: Factor of each decay.

    Raises:
        ModelError: The schedule is unknown, the warm-up is not shorter than the training, or `decay_steps` do not go
            with the schedule.
    """
    if schedule not in ("constant", "cosine", "poly", "step"):
        raise ModelError(f"`schedule` must be constant, cosine, poly or step. Received: {schedule!r}.")
    if not 0 <= warmup_steps < total_steps:
        received = f"{warmup_steps} steps of warm-up, {total_steps} steps in all"
        raise ModelError(f"The warm-up must be shorter than the training. Received: {received}.")
    if (schedule == "step") != bool(decay_steps):
        raise ModelError(f"`decay_steps` go with schedule 'step'. Received: {schedule!r} with {list(decay_steps)}.")
    return Schedule(schedule, peak, total_steps, warmup_steps, tuple(decay_steps), decay_factor)
