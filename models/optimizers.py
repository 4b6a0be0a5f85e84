"""Optimisers: the Keras ones by name, alone or one for each group of variables."""

from collections.abc import Sequence
from typing import Any, Literal

import keras

from models.errors import ModelError
from models.schedules import Schedule

Name = Literal["adamw", "adam", "sgd", "rmsprop", "lamb", "lion"]

NO_DECAY = (r"(^|/)(bias|gamma|beta)(/replica_\d+)?(:\d+)?$",)
"""Names of the variables that weight decay leaves alone, biases and normalisation (Goyal et al. 2017, section 5.1).

Keras matches them with TensorFlow's names, such as `stem_norm/gamma/replica_1:0`.
"""


def build(
    optimizer: Name, rate: float | Schedule, *, momentum: float = 0.9, weight_decay: float = 0.0
) -> keras.optimizers.Optimizer:
    """Make an optimiser.

    Args:
        optimizer: Its name. `sgd` is with Nesterov's momentum.
        rate: Learning rate, or schedule of it.
        momentum: Of sgd and rmsprop; the others do not read it.
        weight_decay: Decoupled (Loshchilov & Hutter 2019): each step takes rate * weight_decay of every weight but
            biases and normalisation, with each of the optimisers. It is no part of LAMB's trust ratio.
    """
    decay = weight_decay or None
    made: keras.optimizers.Optimizer
    if optimizer in ("adam", "adamw"):  # with decoupled decay the two are one
        made = keras.optimizers.Adam(rate, weight_decay=decay)
    elif optimizer == "sgd":
        made = keras.optimizers.SGD(rate, momentum=momentum, nesterov=momentum > 0, weight_decay=decay)
    elif optimizer == "rmsprop":
        made = keras.optimizers.RMSprop(rate, momentum=momentum, weight_decay=decay)
    elif optimizer == "lamb":
        made = keras.optimizers.Lamb(rate, weight_decay=decay)
    elif optimizer == "lion":
        made = keras.optimizers.Lion(rate, weight_decay=decay)
    else:
        raise ModelError(f"`optimizer` must be adamw, adam, sgd, rmsprop, lamb or lion. Received: {optimizer!r}.")
    made.exclude_from_weight_decay(var_names=NO_DECAY)
    return made


class Groups:
    """Optimisers of disjoint groups of variables, used as if they were one Keras optimiser.

    A group without a gradient in some step is left as it is, its count of steps too. So Adam's corrections for its
    first steps come when a group that was frozen begins to learn, not before.

    Args:
        groups: Each optimiser with its variables. The first one's steps are those of the training.
    """

    def __init__(self, groups: Sequence[tuple[keras.optimizers.Optimizer, Sequence[keras.Variable]]]) -> None:
        self._optimizers = [optimizer for optimizer, _ in groups]
        self._members = [list(variables) for _, variables in groups]
        self.loss_scale_factor: float | None = None  # LossScaleOptimizer sets it to None: it scales by itself

    def build(self, _: Sequence[keras.Variable]) -> None:
        """Make the variables of every optimiser, for its own group."""
        for optimizer, members in zip(self._optimizers, self._members, strict=True):
            optimizer.build(members)

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """One for each group."""
        return list(self._optimizers)

    @property
    def variables(self) -> list[keras.Variable]:
        """Of every optimiser, in the order of the groups."""
        return [variable for optimizer in self._optimizers for variable in optimizer.variables]

    @property
    def iterations(self) -> keras.Variable:
        """Steps done by the first group."""
        return self._optimizers[0].iterations

    def scale_loss(self, loss: Any) -> Any:
        """Give the loss as it is."""
        return loss

    def apply(self, gradients: Sequence[Any], trainable_variables: Sequence[keras.Variable]) -> None:
        """Change the variables; each must belong to a group."""
        given = {variable.path: gradient for gradient, variable in zip(gradients, trainable_variables, strict=True)}
        for optimizer, members in zip(self._optimizers, self._members, strict=True):
            found = [(given.pop(variable.path), variable) for variable in members if variable.path in given]
            if found:
                optimizer.apply(*(list(column) for column in zip(*found, strict=True)))
        if given:
            raise ModelError(f"These variables belong to no group of the optimiser: {', '.join(given)}.")
