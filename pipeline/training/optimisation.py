"""The optimisation of a recipe: learning rate schedule, optimisers, and the epochs with a frozen backbone."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from models import backbones, optimizers, schedules
from pipeline.config.train import TrainConfig

if TYPE_CHECKING:
    from pipeline.training.step_loops import RunSteps


def learning_rate(config: TrainConfig, steps: int) -> schedules.Schedule:
    """Build the schedule of a training with `steps` steps per epoch, scaled with the batch where the recipe says so.

    Its `total_steps` is a variable, on the devices of the strategy in whose scope this is called. Under a budget it is
    the least until the trainer sets it: the warm-up lasts longer.
    """
    total = config.total_steps(steps)
    warmup = warmup_steps(config, steps)
    schedule = schedules.learning_rate(
        config.schedule,
        peak_rate(config),
        total or warmup + 1,
        warmup,
        decay_steps=[epoch * steps for epoch in config.decay_epochs],
        decay_factor=config.decay_factor,
    )
    # A variable in any case, so that a training of the same number of epochs computes the very same rates.
    return replace(schedule, total_steps=tf.Variable(schedule.total_steps, trainable=False, dtype=tf.int64))


def warmup_steps(config: TrainConfig, steps: int) -> int:
    """Return the steps of the warm-up, fewer than the training has."""
    warmup, total = round(config.warmup_epochs * steps), config.total_steps(steps)
    return warmup if total is None else min(warmup, total - 1)  # few steps must not round it up to the whole training


def peak_rate(config: TrainConfig) -> float:
    """Return the rate after the warm-up: the recipe's, or proportional to the batch size (Goyal et al. 2017)."""
    return config.learning_rate * (config.images / config.learning_rate_batch if config.learning_rate_batch else 1)


def optimizer(
    config: TrainConfig, model: keras.Model, rate: schedules.Schedule, steps: int
) -> "keras.optimizers.Optimizer | optimizers.Groups":
    """Create and build the optimiser, under the strategy's scope. Freezes what of the backbone is never trained."""
    backbone, frozen, stride = config.backbone, config.backbone.frozen_epochs, config.backbone.frozen_stride
    if stride:
        backbones.set_trainable(model, trainable=False)
        backbones.set_trainable(model, trainable=True, beyond=stride)
    separate = backbone.learning_rate_factor != 1 or frozen != 0
    result: keras.optimizers.Optimizer | optimizers.Groups
    if frozen == "all":
        backbones.set_trainable(model, trainable=False)
        result = _build(config, rate)
    elif separate:
        members = backbones.variables(model, beyond=stride)
        paths = {variable.path for variable in members}
        rest = [variable for variable in model.trainable_variables if variable.path not in paths]
        slow = rate.delayed(frozen * steps, factor=backbone.learning_rate_factor)
        groups = [(_build(config, rate), rest), (_build(config, slow), members)]
        result = optimizers.Groups(groups)
    else:
        result = _build(config, rate)
    # Gradients below float16's smallest number would become 0; bfloat16 has float32's range.
    if config.precision == "mixed_float16":
        result = keras.optimizers.LossScaleOptimizer(result)
    result.build(model.trainable_variables)
    return result


class BackboneUnfreezer:
    """Trains with a frozen backbone in the first epochs, and with a trainable one afterwards.

    Args:
        model: The model.
        frozen_epochs: Number of epochs with a frozen backbone.
        make: Creates the function that runs steps; it reads the model's trainable variables at the first step.
        frozen_stride: Stride up to which the backbone stays frozen; 0: it is trained as a whole.
    """

    def __init__(
        self, model: keras.Model, frozen_epochs: int, make: "Callable[[], RunSteps]", *, frozen_stride: int = 0
    ) -> None:
        self._model, self._frozen_epochs, self._frozen_stride = model, frozen_epochs, frozen_stride
        self._make = make
        self._run_steps: dict[bool, RunSteps] = {}

    def __call__(self, epoch: int) -> "RunSteps":
        """Return the function that runs the steps of `epoch`, counted from 0."""
        frozen = epoch < self._frozen_epochs
        if frozen not in self._run_steps:
            backbones.set_trainable(self._model, trainable=not frozen, beyond=self._frozen_stride)
            self._run_steps = {frozen: self._make()}
        return self._run_steps[frozen]


def _build(config: TrainConfig, rate: schedules.Schedule) -> keras.optimizers.Optimizer:
    return optimizers.build(config.optimizer, rate, momentum=config.momentum, weight_decay=config.weight_decay)
