"""Train: records -> the weights that did best on the validation split.

model.weights.h5   the best weights; the last ones if there is no validation split
history.json       one entry for each epoch (see pipeline.state.Entry)
events/            for TensorBoard
checkpoints/       while it lasts
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from datasets.spec import DatasetSpec
from models import catalog, optimizers
from pipeline import devices, input, json_file, records
from pipeline.checkpoints import Checkpoints
from pipeline.config import Recipe, TrainConfig
from pipeline.scoring import Scorer
from pipeline.state import State
from pipeline.trained import WEIGHTS
from pipeline.trainer import Job, Trainer
from pipeline.update import make_update
from pipeline.validation import Validator

HISTORY = "history.json"

VALIDATION_IMAGES = 4
"""Images of a validation batch on each device: at original size, more gains little and takes memory."""


def run(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    """Train, or go on where an earlier sitting left `out`.

    Raises:
        UserError: The records cannot make a batch, the devices are not there, or the loss became NaN.
        Interrupted: Ctrl-C or SIGTERM; a checkpoint was written.
    """
    checkpoints = Checkpoints(out / "checkpoints")
    if not (out / HISTORY).exists():  # it is written last
        folder = inputs["ingest"] / "records"
        steps = _steps(config, inputs["validate"])
        keras.utils.set_random_seed(config.train.seed)
        strategy = devices.strategy(config.train)
        job = _job(config, inputs, steps, strategy)
        print(f"train     {config.model.name}: {_size(job.model)}; {devices.describe()}")
        print(
            f"train     {config.train.epochs} epochs of {steps} steps of {config.train.batch_size} images", flush=True
        )
        state = Trainer(job, checkpoints, out / "events").run()
        _write(out, job.model, state)
        print(f"train     keeps {_kept(state, folder)}")
    checkpoints.remove()


def _steps(config: Recipe, validate: Path) -> int:
    """Steps of an epoch. Refuses what cannot make a batch, before anything is built."""
    statistics = json_file.read(validate / "statistics.json")
    sizes = statistics["splits"].get(records.TRAIN, {}).get("sizes", {})
    input.check(config.input, config.train.batch_size, sizes)
    return sum(sizes.values()) // config.train.batch_size


def _job(config: Recipe, inputs: dict[str, Path], steps: int, strategy: tf.distribute.Strategy) -> Job:
    train, folder = config.train, inputs["ingest"] / "records"
    spec = DatasetSpec.read(inputs["ingest"] / "spec.json")
    rate = optimizers.learning_rate(
        train.schedule, train.learning_rate, train.epochs * steps, round(train.warmup_epochs * steps)
    )
    with strategy.scope(), _precision(train.precision):
        replicas = strategy.num_replicas_in_sync
        model = catalog.build(config.model.name, spec.num_classes, config.model.options, synchronized=replicas > 1)
        optimizer = _optimizer(train, rate)
        optimizer.build(model.trainable_variables)

    def batches(epoch: int, step: int) -> Iterator[Any]:
        dataset = input.train_dataset(
            folder, config.input, batch_size=train.batch_size, seed=train.seed, epoch=epoch, first_step=step
        )
        return iter(strategy.experimental_distribute_dataset(dataset))

    update = make_update(
        model,
        optimizer,
        strategy,
        class_weights=_class_weights(train, inputs["validate"]),
        label_smoothing=train.label_smoothing,
    )
    validator = Validator(
        Scorer(model, spec.num_classes, config.input.size, strategy=strategy),
        folder,
        spec,
        batch_size=VALIDATION_IMAGES * replicas,
        samples=train.samples,
    )
    return Job(
        model=model,
        optimizer=optimizer,
        update=update,
        batches=batches,
        learning_rate=rate,
        validate=validator if records.splits(folder).get(records.VAL) else None,
        epochs=train.epochs,
        steps=steps,
        batch_size=train.batch_size,
        validate_every=train.validate_every,
        checkpoint_seconds=train.checkpoint_seconds,
    )


def _optimizer(config: TrainConfig, rate: optimizers.WarmupSchedule) -> keras.optimizers.Optimizer:
    optimizer = optimizers.build(config.optimizer, rate, momentum=config.momentum, weight_decay=config.weight_decay)
    # Gradients below float16's smallest number would be lost; bfloat16 has float32's range.
    return keras.optimizers.LossScaleOptimizer(optimizer) if config.precision == "mixed_float16" else optimizer


def _class_weights(config: TrainConfig, validate: Path) -> list[float] | None:
    if config.class_weights == "none":
        return None
    weights: list[float] = json_file.read(validate / "weights.json")[config.class_weights]
    return weights


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """Build layers that compute in this precision; their variables are float32 in any."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _write(out: Path, model: keras.Model, state: State) -> None:
    partial = out / f"partial.{WEIGHTS}"
    model.save_weights(partial)
    partial.replace(out / WEIGHTS)
    partial = out / f"partial.{HISTORY}"
    json_file.write(partial, state.history)
    partial.replace(out / HISTORY)


def _size(model: keras.Model) -> str:
    weights = sum(math.prod(weight.shape) for weight in model.trainable_variables)
    return f"{weights / 1e6:.2f} million weights"


def _kept(state: State, folder: Path) -> str:
    if state.best:
        return f"the weights of epoch {state.best['epoch']}, val mIoU {state.best['miou']:.4f}"
    if not records.splits(folder).get(records.VAL):
        return "the last weights: there is no validation split to choose by"
    return "the last weights: no pixel of the validation split counts"
