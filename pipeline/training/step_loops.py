"""Steps of a training, one or several for each return to Python."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.training.train_step import Batch, Update

Arrays = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


@dataclass(frozen=True)
class Call:
    """What one call did.

    Attributes:
        figures: Of each step; see update.Figures. A step that went wrong is the last one.
        keys: int64 [B], the keys of the examples of the last step; [0] where the batches have none.
        waited: Seconds that it waited for data.
    """

    figures: list[dict[str, float]]
    keys: np.ndarray
    waited: float


Take = Callable[[Iterator[Batch], int], Call]
"""Does so many steps with the next batches, or fewer if one goes wrong."""


def one_by_one(update: Update) -> Take:
    """Return to Python after each step: `count` of them in a loop there."""

    def take(batches: Iterator[Batch], count: int) -> Call:
        figures: list[dict[str, float]] = []
        waited = 0.0
        while len(figures) < count and all(found["finite"] for found in figures):
            began = time.monotonic()
            batch = next(batches)
            waited += time.monotonic() - began
            figures.append({name: float(value) for name, value in update(batch).items()})
        return Call(figures, np.asarray(_keys(batch)), waited)

    return take


def fused(update: Update) -> Take:
    """Do all steps of a call in one graph, batches taken from the iterator inside: nothing else differs."""
    names: list[str] = []

    @tf.function(reduce_retracing=True)
    def run(batches: Any, count: tf.Tensor) -> Arrays:
        rows = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
        keys = tf.zeros([0], tf.int64)
        waited = tf.zeros([], tf.float64)
        for step in tf.range(count):
            tf.autograph.experimental.set_loop_options(shape_invariants=[(keys, tf.TensorShape([None]))])
            began = _now()
            with tf.control_dependencies([began]):
                batch = next(batches)
            keys = _keys(batch)
            with tf.control_dependencies([keys]):
                waited += _now() - began
            figures = update(batch)
            names[:] = list(figures)
            rows = rows.write(step, tf.stack(list(figures.values())))
            if figures["finite"] == 0:
                break
        return rows.stack(), keys, waited

    def take(batches: Iterator[Batch], count: int) -> Call:
        rows, keys, waited = run(batches, tf.constant(count))
        figures = [dict(zip(names, map(float, row), strict=True)) for row in rows.numpy()]
        return Call(figures, keys.numpy(), float(waited))

    return take


def _now() -> tf.Tensor:
    """Seconds, while a graph runs; tf.timestamp is refused where operations must be deterministic."""
    return tf.ensure_shape(tf.numpy_function(time.monotonic, [], tf.float64), [])


def _keys(batch: Batch) -> tf.Tensor:
    if not isinstance(batch, Mapping) or "key" not in batch:
        return tf.zeros([0], tf.int64)
    key = batch["key"]
    return tf.concat(key.values, axis=0) if isinstance(key, tf.distribute.DistributedValues) else key
