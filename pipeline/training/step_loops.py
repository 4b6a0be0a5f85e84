"""Training steps in a Python loop, or several in one TensorFlow graph."""

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
    """The result of one call of RunSteps.

    Attributes:
        figures: Figures of each step, see train_step.Figures. Only the last step may not be finite.
        keys: int64 [B], keys of the examples of the last step; [0] where batches have none.
        waited: Seconds spent waiting for data.
    """

    figures: list[dict[str, float]]
    keys: np.ndarray
    waited: float


RunSteps = Callable[[Iterator[Batch], int], Call]
"""Run up to n steps with the next batches; stop at the first one that is not finite."""


def one_by_one(update: Update) -> RunSteps:
    """Run steps in a Python loop."""

    def run_steps(batches: Iterator[Batch], count: int) -> Call:
        figures: list[dict[str, float]] = []
        waited = 0.0
        while len(figures) < count and all(step["finite"] for step in figures):
            began = time.monotonic()
            batch = next(batches)
            waited += time.monotonic() - began
            results = update(batch)
            row = tf.stack(list(results.values())).numpy()  # one read, for which the host waits once
            figures.append(dict(zip(results, map(float, row), strict=True)))
        return Call(figures, np.asarray(_keys(batch)), waited)

    return run_steps


def fused(update: Update) -> RunSteps:
    """Run all steps of a call in one graph, which also reads the batches; the results are those of `one_by_one`."""
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

    def run_steps(batches: Iterator[Batch], count: int) -> Call:
        rows, keys, waited = run(batches, tf.constant(count))
        figures = [dict(zip(names, map(float, row), strict=True)) for row in rows.numpy()]
        return Call(figures, keys.numpy(), float(waited))

    return run_steps


def _now() -> tf.Tensor:
    """Return the time in seconds while a graph runs; deterministic operations do not allow tf.timestamp."""
    return tf.ensure_shape(tf.numpy_function(time.monotonic, [], tf.float64), [])


def _keys(batch: Batch) -> tf.Tensor:
    if not isinstance(batch, Mapping) or "key" not in batch:
        return tf.zeros([0], tf.int64)
    key = batch["key"]
    return tf.concat(key.values, axis=0) if isinstance(key, tf.distribute.DistributedValues) else key
