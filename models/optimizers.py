"""Optimisers and learning-rate schedules."""

import math
from typing import Any, Literal

import keras
import tensorflow as tf

from models.errors import ModelError

NO_DECAY = (r"(^|/)(bias|gamma|beta)(/replica_\d+)?(:\d+)?$",)
"""Names of the variables that weight decay leaves alone, biases and normalisation (Goyal et al. 2017, section 5.1).

Keras matches them with TensorFlow's names, such as `stem_norm/gamma/replica_1:0`.
"""

POLY_POWER = 0.9
"""Exponent of the poly schedule (DeepLab, Chen et al. 2017)."""


class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear rise to `peak` over `warmup_steps`, then constant, or a fall to 0 at `total_steps`: cosine or poly."""

    def __init__(self, schedule: str, peak: float, total_steps: int, warmup_steps: int) -> None:
        super().__init__()
        self.schedule, self.peak = schedule, peak
        self.total_steps, self.warmup_steps = total_steps, warmup_steps

    def __call__(self, step: Any) -> tf.Tensor:
        """Give the rate of the step that has `step` steps before it, a float32 scalar."""
        step = tf.cast(step, tf.float32)
        rise = tf.minimum(1.0, (step + 1) / max(self.warmup_steps, 1))
        done = tf.clip_by_value((step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1), 0.0, 1.0)
        if self.schedule == "cosine":
            fall = 0.5 * (1 + tf.cos(math.pi * done))
        elif self.schedule == "poly":
            fall = (1 - done) ** POLY_POWER
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
        }


def learning_rate(
    schedule: Literal["constant", "cosine", "poly"], peak: float, total_steps: int, warmup_steps: int = 0
) -> WarmupSchedule:
    """Make a schedule; `total_steps` counts the warm-up. Raises ModelError if nothing would follow the warm-up."""
    if schedule not in ("constant", "cosine", "poly"):
        raise ModelError(f"`schedule` must be constant, cosine or poly. Received: {schedule!r}.")
    if not 0 <= warmup_steps < total_steps:
        raise ModelError(
            f"The warm-up must be shorter than the training. Received: {warmup_steps} steps of warm-up, "
            f"{total_steps} steps in all."
        )
    return WarmupSchedule(schedule, peak, total_steps, warmup_steps)


def build(
    optimizer: Literal["adamw", "adam", "sgd", "rmsprop"],
    rate: float | WarmupSchedule,
    *,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> keras.optimizers.Optimizer:
    """Make an optimiser.

    Args:
        optimizer: Its name. `sgd` is with Nesterov's momentum.
        rate: Learning rate, or schedule of it.
        momentum: Of sgd and rmsprop; the others do not read it.
        weight_decay: Decoupled (Loshchilov & Hutter 2019): each step takes rate * weight_decay of every weight but
            biases and normalisation, with each of the four optimisers.
    """
    decay = weight_decay or None
    made: keras.optimizers.Optimizer
    if optimizer in ("adam", "adamw"):  # with decoupled decay the two are one
        made = keras.optimizers.Adam(rate, weight_decay=decay)
    elif optimizer == "sgd":
        made = keras.optimizers.SGD(rate, momentum=momentum, nesterov=momentum > 0, weight_decay=decay)
    elif optimizer == "rmsprop":
        made = keras.optimizers.RMSprop(rate, momentum=momentum, weight_decay=decay)
    else:
        raise ModelError(f"`optimizer` must be adamw, adam, sgd or rmsprop. Received: {optimizer!r}.")
    made.exclude_from_weight_decay(var_names=NO_DECAY)
    return made
