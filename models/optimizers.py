"""Optimisers: Keras's by name, and one for each of several groups of variables."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import keras

from models.errors import ModelError
from models.schedules import Schedule

Name = Literal["adamw", "adam", "sgd", "rmsprop", "lamb", "lion"]

NO_DECAY = (r"(^|/)(bias|gamma|beta)(/replica_\d+)?(:\d+)?$",)
"""Patterns of variables without weight decay: biases and normalisation (Goyal et al. 2017, section 5.1).

Keras matches them with TensorFlow's names, such as `stem_norm/gamma/replica_1:0`.
"""


def build(
    optimizer: Name, rate: float | Schedule, *, momentum: float = 0.9, weight_decay: float = 0.0
) -> keras.optimizers.Optimizer:
    """Build an optimiser.

    >>> build("sgd", 0.1, weight_decay=1e-4).weight_decay
    0.0001

    Args:
        optimizer: Its name. `sgd` uses Nesterov's momentum.
        rate: Learning rate, or a schedule of it.
        momentum: Momentum of sgd and rmsprop; ignored by the others.
        weight_decay: Decoupled (Loshchilov & Hutter 2019), for all optimisers: each step subtracts rate * weight_decay
            times the weight, except for biases and normalisation. LAMB's trust ratio does not include it.

    Raises:
        ModelError: Unknown optimiser.
    """
    kinds: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
        "adamw": keras.optimizers.Adam,  # the same as Adam with decoupled weight decay
        "adam": keras.optimizers.Adam,
        "sgd": partial(keras.optimizers.SGD, momentum=momentum, nesterov=momentum > 0),
        "rmsprop": partial(keras.optimizers.RMSprop, momentum=momentum),
        "lamb": keras.optimizers.Lamb,
        "lion": keras.optimizers.Lion,
    }
    if optimizer not in kinds:
        raise ModelError(f"`optimizer` must be adamw, adam, sgd, rmsprop, lamb or lion. Received: {optimizer!r}.")
    made = kinds[optimizer](rate, weight_decay=weight_decay or None)
    made.exclude_from_weight_decay(var_names=NO_DECAY)
    return made


class Groups:
    """Optimisers of disjoint groups of variables, with the interface of one Keras optimiser.

    A step without a gradient for a group changes nothing in it, not even its count of steps. So Adam's bias correction
    starts when a frozen group is unfrozen, not before.

    Args:
        groups: Each optimiser with its variables. The first one counts the steps of the training.
    """

    def __init__(self, groups: Sequence[tuple[keras.optimizers.Optimizer, Sequence[keras.Variable]]]) -> None:
        self._optimizers = [optimizer for optimizer, _ in groups]
        self._members = [list(variables) for _, variables in groups]
        self.loss_scale_factor: float | None = None  # LossScaleOptimizer sets it to None and scales itself

    def build(self, _: Sequence[keras.Variable]) -> None:
        """Create the variables of every optimiser for its group; the argument is ignored."""
        for optimizer, members in zip(self._optimizers, self._members, strict=True):
            optimizer.build(members)

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """The optimiser of each group."""
        return list(self._optimizers)

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables of all optimisers, in the order of the groups."""
        return [variable for optimizer in self._optimizers for variable in optimizer.variables]

    @property
    def iterations(self) -> keras.Variable:
        """The first group's count of steps."""
        return self._optimizers[0].iterations

    def scale_loss(self, loss: Any) -> Any:
        """Return the loss unchanged."""
        return loss

    def apply(self, gradients: Sequence[Any], trainable_variables: Sequence[keras.Variable]) -> None:
        """Update the variables. Raise ModelError if one belongs to no group."""
        remaining = {variable.path: gradient for gradient, variable in zip(gradients, trainable_variables, strict=True)}
        for optimizer, members in zip(self._optimizers, self._members, strict=True):
            pairs = [(remaining.pop(variable.path), variable) for variable in members if variable.path in remaining]
            if pairs:
                optimizer.apply(*(list(column) for column in zip(*pairs, strict=True)))
        if remaining:
            raise ModelError(f"These variables belong to no group of the optimiser: {', '.join(remaining)}.")
