"""How a recipe's weights change: its schedule, its optimisers, and the backbone that is frozen for a while."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras

from models import backbones, optimizers, schedules
from pipeline.config.recipe import TrainConfig

if TYPE_CHECKING:
    from pipeline.training.step_loops import Take


def learning_rate(config: TrainConfig, steps: int) -> schedules.Schedule:
    """Make the schedule of a training whose epochs have so many steps, scaled where the recipe asks for it."""
    total = config.epochs * steps
    return schedules.learning_rate(
        config.schedule,
        peak_rate(config),
        total,
        min(round(config.warmup_epochs * steps), total - 1),  # few steps must not round it up to the whole training
        decay_steps=[epoch * steps for epoch in config.decay_epochs],
        decay_factor=config.decay_factor,
    )


def peak_rate(config: TrainConfig) -> float:
    """Give the rate after the warm-up: as the recipe says, or in proportion to the batch (Goyal et al. 2017)."""
    return config.learning_rate * (config.images / config.learning_rate_batch if config.learning_rate_batch else 1)


def optimizer(
    config: TrainConfig, model: keras.Model, rate: schedules.Schedule, steps: int
) -> "keras.optimizers.Optimizer | optimizers.Groups":
    """Make and build the optimiser, under the strategy's scope. Freezes the backbone where it never learns."""
    backbone, frozen = config.backbone, config.backbone.frozen_epochs
    apart = backbone.learning_rate_factor != 1 or frozen != 0
    made: keras.optimizers.Optimizer | optimizers.Groups
    if frozen == "all":
        backbones.set_trainable(model, trainable=False)
        made = _one(config, rate)
    elif apart:
        members = {variable.path for variable in backbones.variables(model)}
        rest = [variable for variable in model.trainable_variables if variable.path not in members]
        slow = rate.beginning_at(frozen * steps, factor=backbone.learning_rate_factor)
        groups = [(_one(config, rate), rest), (_one(config, slow), backbones.variables(model))]
        made = optimizers.Groups(groups)
    else:
        made = _one(config, rate)
    # Gradients below float16's smallest number would be lost; bfloat16 has float32's range.
    if config.precision == "mixed_float16":
        made = keras.optimizers.LossScaleOptimizer(made)
    made.build(model.trainable_variables)
    return made


class Thaw:
    """Gives what does the steps of an epoch: first with a frozen backbone, then with one that learns.

    Args:
        model: The model.
        frozen_epochs: Epochs with a frozen backbone.
        make: Makes what does the steps; it sees the model's trainable variables at the first step.
    """

    def __init__(self, model: keras.Model, frozen_epochs: int, make: "Callable[[], Take]") -> None:
        self._model, self._frozen_epochs, self._make = model, frozen_epochs, make
        self._made: dict[bool, Take] = {}

    def __call__(self, epoch: int) -> "Take":
        """Give what does the steps of `epoch`, counted from 0."""
        frozen = epoch < self._frozen_epochs
        if frozen not in self._made:
            backbones.set_trainable(self._model, trainable=not frozen)
            self._made = {frozen: self._make()}
        return self._made[frozen]


def _one(config: TrainConfig, rate: schedules.Schedule) -> keras.optimizers.Optimizer:
    return optimizers.build(config.optimizer, rate, momentum=config.momentum, weight_decay=config.weight_decay)
