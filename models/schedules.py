"""Learning-rate schedules."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from models.errors import ModelError

Name = Literal["constant", "cosine", "poly", "step"]

POLY_POWER = 0.9
"""Exponent of the poly schedule (DeepLab, Chen et al. 2017)."""


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear rise to `peak` over `warmup_steps`, then what `schedule` says; see `learning_rate` for the arguments."""

    def __init__(
        self,
        schedule: Name,
        peak: float,
        total_steps: int,
        warmup_steps: int,
        decay_steps: Sequence[int] = (),
        decay_factor: float = 0.1,
        first_step: int = 0,
    ) -> None:
        super().__init__()
        self.schedule, self.peak = schedule, peak
        self.total_steps, self.warmup_steps = total_steps, warmup_steps
        self.decay_steps, self.decay_factor = tuple(decay_steps), decay_factor
        self.first_step = first_step

    def __call__(self, step: Any) -> tf.Tensor:
        """Give the rate of the step that has `step` steps before it, a float32 scalar."""
        step = tf.cast(step, tf.float32) + self.first_step
        rise = tf.minimum(1.0, (step + 1) / max(self.warmup_steps, 1))
        done = tf.clip_by_value((step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1), 0.0, 1.0)
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
        """Give the constructor's arguments."""
        return {
            "schedule": self.schedule,
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "decay_steps": self.decay_steps,
            "decay_factor": self.decay_factor,
            "first_step": self.first_step,
        }

    def beginning_at(self, step: int, *, factor: float) -> "Schedule":
        """Give the schedule, times `factor`, for variables that begin to learn after `step` steps."""
        return type(self)(**{**self.get_config(), "peak": self.peak * factor, "first_step": step})


def learning_rate(
    schedule: Name,
    peak: float,
    total_steps: int,
    warmup_steps: int = 0,
    *,
    decay_steps: Sequence[int] = (),
    decay_factor: float = 0.1,
) -> Schedule:
    """Make a schedule.

    Args:
        schedule: What follows the warm-up: `constant`; `cosine` or `poly` to 0 at the end; `step`.
        peak: Rate at the end of the warm-up.
        total_steps: Steps of the whole training, the warm-up too.
        warmup_steps: Steps of a linear rise from near 0.
        decay_steps: With `step`, from each of these steps on the rate is multiplied by `decay_factor` once more.
        decay_factor: See decay_steps.

    Raises:
        ModelError: Unknown schedule, nothing would follow the warm-up, or `step` without steps.
    """
    if schedule not in ("constant", "cosine", "poly", "step"):
        raise ModelError(f"`schedule` must be constant, cosine, poly or step. Received: {schedule!r}.")
    if not 0 <= warmup_steps < total_steps:
        raise ModelError(
            f"The warm-up must be shorter than the training. Received: {warmup_steps} steps of warm-up, "
            f"{total_steps} steps in all."
        )
    if (schedule == "step") != bool(decay_steps):
        raise ModelError(f"`decay_steps` go with schedule 'step'. Received: {schedule!r} with {list(decay_steps)}.")
    return Schedule(schedule, peak, total_steps, warmup_steps, decay_steps, decay_factor)
