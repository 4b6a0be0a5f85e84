"""From a recipe to the job of its training: network, optimiser, batches, step, validation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from datasets.spec import DatasetSpec
from models import inspect
from models.inference import Inference
from pipeline.cluster import heartbeat
from pipeline.cluster.team import Team
from pipeline.config.recipe import InputConfig, Recipe, TrainConfig, described
from pipeline.drawing import channel_grid
from pipeline.evaluation.scoring import Scorer
from pipeline.input import batches, decoded, record_dataset, records
from pipeline.input.transforms import rare_classes
from pipeline.training import initial_weights, optimisation, step_loops
from pipeline.training.job import Job
from pipeline.training.moving_average import MovingAverage
from pipeline.training.train_step import make_update
from pipeline.training.validation import Validator
from pipeline.workspace import json_file

VALIDATION_IMAGES = 4
"""Images of a validation batch on each device: at original size, more gains little and takes memory."""

OVERLAP = 0.5
"""Share of a validation window that the next one sees again: no pixel is answered from near a window's border alone."""


def make_job(config: Recipe, inputs: dict[str, Path], steps: int, strategy: tf.distribute.Strategy) -> Job:
    """Build what a recipe trains.

    Args:
        config: Its sections input, model and train.
        inputs: Folders of the steps ingest and validate, and one for what is kept, "cache", where there is such.
        steps: Steps of an epoch.
        strategy: The devices.
    """
    train, folder = config.train, inputs["ingest"] / "records"
    spec = DatasetSpec.read(inputs["ingest"] / "spec.json")
    team = Team(strategy)
    rate = optimisation.learning_rate(train, steps)
    synchronized = strategy.num_replicas_in_sync > 1
    with strategy.scope(), _precision(train.precision):
        model, begun = initial_weights.build(config, spec.num_classes, synchronized=synchronized)
        optimizer = optimisation.optimizer(train, model, rate, steps)
    average = None if train.ema is None else MovingAverage(model, train.ema, strategy)

    def take() -> step_loops.Take:
        update = make_update(
            model,
            optimizer,
            strategy,
            loss=train.loss,
            class_weights=_class_weights(train, inputs["validate"]),
            logit_adjustment=train.logit_adjustment,
            label_smoothing=train.label_smoothing,
            accumulate=train.accumulate,
            clip_norm=train.clip_norm,
            average=average,
            prepare=batches.on_device(config.input, _rarity(config.input, inputs["validate"])),
        )
        return step_loops.one_by_one(update) if train.steps_per_call == 1 else step_loops.fused(update)

    validator = Validator(
        Scorer(
            model,
            spec.num_classes,
            config.input.fitting,
            strategy=strategy,
            plan=Inference(window=train.validate_window, overlap=OVERLAP, average=False),
            answers=True,
        ),
        folder,
        spec,
        batch_size=VALIDATION_IMAGES * team.local_replicas,
        samples=train.samples if team.is_chief else 0,
        look=_look(config, model) if team.is_chief else None,
    )
    return Job(
        model=model,
        optimizer=optimizer,
        take=_phases(train, model, take),
        batches=batches_of(config, inputs, strategy),
        learning_rate=rate,
        validate=validator if records.splits(folder).get(records.VAL) else None,
        epochs=train.epochs,
        steps=steps,
        batch_size=train.images,
        validate_every=train.validate_every,
        checkpoint_seconds=train.checkpoint_seconds,
        steps_per_call=train.steps_per_call,
        best_by=train.best_by,
        patience=train.patience,
        average=average,
        team=team,
        beat=heartbeat.beat,
        names=lambda keys: _names(folder, team.gather(keys)),
        settings=described(config, ("input", "model", "train")),
        begun=begun,
        graph=(lambda: _graph(model, config)) if train.tensorboard.graph else None,
        histograms=train.tensorboard.histograms,
        profile=train.tensorboard.profile,
    )


def batches_of(
    config: Recipe, inputs: dict[str, Path], strategy: tf.distribute.Strategy
) -> Callable[[int, int], Iterator[Any]]:
    """Give a job's batches: from (epoch, step) to the endless ones from there on, shared out over the devices."""
    team = Team(strategy)

    def batches_from(epoch: int, step: int) -> Iterator[Any]:
        dataset = batches.train_dataset(
            inputs["ingest"] / "records",
            config.input,
            batch_size=config.train.images,
            seed=config.train.seed,
            epoch=epoch,
            first_step=step,
            cache=inputs.get("cache"),
            rarity=_rarity(config.input, inputs["validate"]),
            part=(team.index, team.size),
            replicas=team.local_replicas,
        )
        return iter(strategy.distribute_datasets_from_function(lambda context: dataset))

    return batches_from


def _look(config: Recipe, model: keras.Model) -> Callable[[np.ndarray], Mapping[str, np.ndarray]] | None:
    """Draw the layers that the recipe names; raise ModelError at once where the network has none of that name."""
    layers = config.train.tensorboard.inspect
    for layer in layers:
        inspect.find(model, layer)
    return partial(channel_grid.training_pictures, model, layers, config.input.fitting) if layers else None


def _phases(
    config: TrainConfig, model: keras.Model, take: Callable[[], step_loops.Take]
) -> Callable[[int], step_loops.Take]:
    frozen = config.backbone.frozen_epochs
    if frozen in (0, "all"):
        made = take()
        return lambda epoch: made
    assert isinstance(frozen, int)
    return optimisation.Thaw(model, frozen, take)


def _class_weights(config: TrainConfig, validate: Path) -> list[float] | None:
    if config.class_weights == "none":
        return None
    weights: list[float] = json_file.read(validate / "weights.json")[config.class_weights]
    return weights


def _rarity(config: InputConfig, validate: Path) -> np.ndarray | None:
    if not config.augment.rare_crops:
        return None
    return rare_classes.rarity(json_file.read(validate / "statistics.json")["splits"][records.TRAIN]["pixels"])


def _names(folder: Path, keys: np.ndarray) -> Sequence[str]:
    """Find the ids of examples by their keys; reads the whole split, for when something went wrong."""
    names = {}
    for record in record_dataset.encoded(folder, records.TRAIN):
        names[int(decoded.key(record["id"]))] = record["id"].numpy().decode()
    return [names.get(key % decoded.KEYS, str(key)) for key in keys.tolist()]


def _graph(model: keras.Model, config: Recipe) -> bytes:
    """Trace the network for inference and give its operations, weights left out."""
    size = config.input.augment.crop or config.input.size or (None, None)
    spec = tf.TensorSpec([None, *size, 3], tf.float32)
    traced = tf.function(lambda images: model(images, training=False)).get_concrete_function(spec)
    graph: bytes = traced.graph.as_graph_def().SerializeToString()
    return graph


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """Build layers that compute in this precision; their variables are float32 in any."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
