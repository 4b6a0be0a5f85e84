"""The moving average of a model's weights: what is measured and kept where a recipe sets train.ema."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    import keras


class MovingAverage:
    """Follows the weights of a model; the statistics of normalisation are averaged too, so that the two fit.

    Each step moves the average by 1 - d towards the weights, d = min(decay, (1 + n) / (10 + n)) after n steps, so that
    it does not hang on to the first weights (tf.train.ExponentialMovingAverage, `num_updates`).

    Args:
        model: Built under `strategy.scope()`.
        decay: In 0..1.
        strategy: The devices that hold the model's variables.
    """

    def __init__(self, model: "keras.Model", decay: float, strategy: tf.distribute.Strategy) -> None:
        self._decay, self._strategy = decay, strategy
        self._followed = [variable for variable in model.variables if tf.as_dtype(variable.dtype).is_floating]
        with strategy.scope():
            self._averages = [tf.Variable(variable.numpy(), trainable=False) for variable in self._followed]
            self._steps = tf.Variable(0, dtype=tf.int64, trainable=False)

    @property
    def variables(self) -> list[tf.Variable]:
        """What a checkpoint must hold."""
        return [self._steps, *self._averages]

    def follow(self) -> None:
        """Move towards the weights, once a step; in cross-replica context, inside a tf.function."""
        steps = tf.cast(self._steps.read_value(), tf.float32)
        share = 1 - tf.minimum(self._decay, (1 + steps) / (10 + steps))
        for average, followed in zip(self._averages, self._followed, strict=True):
            self._strategy.extended.update(average, _move, args=(followed.value, share), group=False)
        self._steps.assign_add(1)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the model the average for the time of the block; then it has its own weights again."""
        kept = [variable.numpy() for variable in self._followed]
        self.assign()
        try:
            yield
        finally:
            for variable, value in zip(self._followed, kept, strict=True):
                variable.assign(value)

    def assign(self) -> None:
        """Give the model the average for good."""
        for variable, average in zip(self._followed, self._averages, strict=True):
            variable.assign(average.numpy())


def _move(average: tf.Variable, followed: tf.Tensor, share: tf.Tensor) -> None:
    average.assign_sub((average - followed) * share)
