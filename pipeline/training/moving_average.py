"""The moving average of a model's weights, which is validated and kept where a recipe sets train.ema."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    import keras


class MovingAverage:
    """Averages the weights of a model, and with them the statistics of batch normalisation, so that the two match.

    Each step moves the average by 1 - d towards the weights, d = min(decay, (1 + n) / (10 + n)) after n steps, so that
    the initial weights lose their influence soon (tf.train.ExponentialMovingAverage, `num_updates`).

    Args:
        model: Built under `strategy.scope()`.
        decay: In 0..1.
        strategy: The devices that hold the model's variables.
    """

    def __init__(self, model: "keras.Model", decay: float, strategy: tf.distribute.Strategy) -> None:
        self._decay, self._strategy = decay, strategy
        self._sources = [variable for variable in model.variables if tf.as_dtype(variable.dtype).is_floating]
        with strategy.scope():
            self._averages = [tf.Variable(variable.numpy(), trainable=False) for variable in self._sources]
            self._steps = tf.Variable(0, dtype=tf.int64, trainable=False)

    @property
    def variables(self) -> list[tf.Variable]:
        """The variables that a checkpoint must hold."""
        return [self._steps, *self._averages]

    def update(self) -> None:
        """Move the average towards the weights. Call it once a step, in cross-replica context, inside a tf.function."""
        steps = tf.cast(self._steps.read_value(), tf.float32)
        share = 1 - tf.minimum(self._decay, (1 + steps) / (10 + steps))
        for average, source in zip(self._averages, self._sources, strict=True):
            self._strategy.extended.update(average, _move, args=(source.value, share), group=False)
        self._steps.assign_add(1)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Assign the average to the model for the duration of the block; afterwards restore its own weights."""
        saved = [variable.numpy() for variable in self._sources]
        self.assign()
        try:
            yield
        finally:
            for variable, value in zip(self._sources, saved, strict=True):
                variable.assign(value)

    def assign(self) -> None:
        """Assign the average to the model."""
        for variable, average in zip(self._sources, self._averages, strict=True):
            variable.assign(average.numpy())


def _move(average: tf.Variable, source: tf.Tensor, share: tf.Tensor) -> None:
    average.assign_sub((average - source) * share)
