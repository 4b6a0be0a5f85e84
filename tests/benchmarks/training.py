"""Measure the training step with each of its options, relative to a minimal step of the same network.

    .venv/bin/python tests/benchmarks/training.py [--model fast] [--size 96 128] [--batch 4] [--steps 24] [--rounds 5]

The minimal step is a tf.function of forward pass, loss, gradient and optimiser: no norms, no checks, no log. Variants
alternate and the results are medians, so that a busy machine slows all of them alike. Deterministic operations apply to
a whole process: they are measured in separate processes, against one without.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models import catalog, optimizers
from models.losses import pixels, target
from pipeline.training import step_loops
from pipeline.training.moving_average import MovingAverage
from pipeline.training.state import State
from pipeline.training.train_step import make_update
from pipeline.training.training_log import TrainingLog

CLASSES, FUSED = 11, 8
Run = Callable[[Iterator[Any], int], Any]


def batches(options: argparse.Namespace) -> Iterator[Any]:
    """Repeat one random batch endlessly."""
    rng = np.random.default_rng(0)
    shape = (options.batch, *options.size)
    batch = {
        "image": rng.integers(0, 256, (*shape, 3), np.uint8),
        "label": rng.integers(0, CLASSES, shape, np.uint8),
        "key": np.arange(options.batch),
    }
    return iter(tf.data.Dataset.from_tensors(batch).repeat())


def network(options: argparse.Namespace) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    """Build the network and its optimiser, with the same weights every time."""
    keras.utils.set_random_seed(0)
    model = catalog.build(options.model, CLASSES)
    optimizer = optimizers.build("adamw", 1e-3, weight_decay=0.01)
    optimizer.build(model.trainable_variables)
    return model, optimizer


def minimal(options: argparse.Namespace) -> Run:
    """Return the minimal step."""
    model, optimizer = network(options)

    @tf.function
    def step(batch: Any) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(tf.cast(batch["image"], tf.float32), training=True)
            total, weight = pixels.cross_entropy(logits, target.make(batch["label"], CLASSES))
            loss = total / weight
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    def run(data: Iterator[Any], steps: int) -> None:
        for _ in range(steps):
            float(step(next(data)))

    return run


def segline(
    options: argparse.Namespace, *, fused: bool = False, ema: bool = False, **settings: Any
) -> step_loops.RunSteps:
    """Return the training step of Segline."""
    model, optimizer = network(options)
    strategy = tf.distribute.get_strategy()
    average = MovingAverage(model, 0.999, strategy) if ema else None
    update = make_update(model, optimizer, strategy, average=average, **settings)
    if not fused:
        return step_loops.one_by_one(update)
    run_steps = step_loops.fused(update)
    return lambda data, steps: [run_steps(data, FUSED) for _ in range(steps // FUSED)][-1]


def logged(options: argparse.Namespace, log: TrainingLog) -> Run:
    """Return the training step of Segline, with TensorBoard and scalars.jsonl."""
    run_steps = segline(options)

    def run(data: Iterator[Any], steps: int) -> None:
        for number in range(1, steps + 1):
            log.steps(number, run_steps(data, 1).figures, State(step=number), lambda _: 1e-3)

    return run


def seconds(run: Run, data: Iterator[Any], steps: int) -> float:
    """Return the mean seconds of a step."""
    began = time.perf_counter()
    run(data, steps)
    return (time.perf_counter() - began) / steps


def child(options: argparse.Namespace) -> None:
    """Print the seconds of a step, with deterministic operations or without; runs in a separate process."""
    if options.child == "deterministic":
        tf.config.experimental.enable_op_determinism()
    run, data = segline(options), batches(options)
    run(data, FUSED)
    print(statistics.median(seconds(run, data, options.steps) for _ in range(3)))


def in_new_process(kind: str) -> float:
    """Return the seconds of a step in a new process."""
    command = [sys.executable, __file__, *sys.argv[1:], "--child", kind]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", choices=("plain", "deterministic"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options)
        return
    with tempfile.TemporaryDirectory() as folder, TrainingLog(Path(folder), total=10**9, steps=10**9, done=0) as log:
        variants: dict[str, Run] = {
            "minimal step": minimal(options),
            "train": segline(options),
            "train, logged to TensorBoard": logged(options, log),
            f"train.steps_per_call: {FUSED}": segline(options, fused=True),
            "train.clip_norm: 1": segline(options, clip_norm=1.0),
            "train.ema: 0.999": segline(options, ema=True),
            "train.accumulate: 2": segline(options, accumulate=2),
        }
        data = batches(options)
        times_of: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(options.rounds + 1):  # the first one compiles
            for name, run in variants.items():
                times_of[name].append(seconds(run, data, options.steps))
    least = statistics.median(times_of["minimal step"][1:])
    print(f"{'step':<28} {'ms':>8} {'images/s':>9} {'x minimal':>11}")
    for name, times in times_of.items():
        median = statistics.median(times[1:])
        print(f"{name:<28} {1000 * median:8.1f} {options.batch / median:9.1f} {median / least:11.2f}")
    plain, exact = (statistics.median(in_new_process(kind) for _ in range(2)) for kind in ("plain", "deterministic"))
    print(f"{'train.deterministic: true':<28} {1000 * exact:8.1f} {options.batch / exact:9.1f} {exact / plain:11.2f}*")
    print("* against the same step without it, each in separate processes")


if __name__ == "__main__":
    main()
