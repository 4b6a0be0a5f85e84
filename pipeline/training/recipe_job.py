"""Builds the training job of a recipe: network, optimiser, batches, step and validation."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from datasets.spec import DatasetSpec
from models import inspect
from models.inference import Inference
from pipeline.cluster import heartbeat
from pipeline.cluster.team import Team
from pipeline.config.input import InputConfig
from pipeline.config.recipe import Recipe, hyper_parameters
from pipeline.config.step_names import INGEST, VALIDATE
from pipeline.config.train import TrainConfig
from pipeline.evaluation.scoring import Scorer
from pipeline.input import batches, decoded, record_dataset, records
from pipeline.input.transforms import rare_classes
from pipeline.training import batch_norm, initial_weights, optimisation, step_loops, xla
from pipeline.training.budget import Budget
from pipeline.training.job import Display, Job
from pipeline.training.moving_average import MovingAverage
from pipeline.training.train_step import Update, make_update
from pipeline.training.validation import Validator
from pipeline.workspace import json_file

if TYPE_CHECKING:
    from models.optimizers import Groups

VALIDATION_IMAGES = 4
"""Images of a validation batch on each device: at original size, more are hardly faster and take memory."""

OVERLAP = 0.5
"""Share of a validation window that the next one covers again, so that each pixel is far from the border of one."""


def make_job(
    config: Recipe, inputs: dict[str, Path], steps: int, strategy: tf.distribute.Strategy, *, began: float = 0.0
) -> Job:
    """Build the training job of a recipe.

    Args:
        config: Its sections input, model and train are used.
        inputs: Folders of the steps ingest and validate, and optionally "cache", for decoded images.
        steps: Steps per epoch.
        strategy: The devices.
        began: time.monotonic() when the step began: `train.budget` counts from then on.

    Raises:
        ModelError: The network cannot be built, or has no layer of a name in train.tensorboard.inspect.
    """
    train, folder = config.train, inputs[INGEST] / "records"
    spec = DatasetSpec.read(inputs[INGEST] / "spec.json")
    team = Team(strategy)
    warmup = optimisation.warmup_steps(train, steps)
    with strategy.scope(), _precision(train.precision):
        synchronized = batch_norm.is_synchronized(train, strategy.num_replicas_in_sync)
        model, loaded = initial_weights.build(config, spec.num_classes, synchronized=synchronized)
        rate = optimisation.learning_rate(train, steps)
        optimizer = optimisation.optimizer(train, model, rate, steps)
    for layer in train.tensorboard.inspect:
        inspect.find(model, layer)  # raises before the training starts if there is no such layer
    average = None if train.ema is None else MovingAverage(model, train.ema, strategy)
    validator = _validator(config, model, strategy, team, folder, spec)
    return Job(
        model=model,
        optimizer=optimizer,
        step_runner=_step_runner(config, inputs, model, optimizer, strategy, average),
        batches=make_batches(config, inputs, strategy),
        learning_rate=rate,
        validate=validator if records.splits(folder).get(records.VAL) else None,
        total=train.total_steps(steps),
        steps=steps,
        batch_size=train.images,
        display=_display(config, spec),
        budget=Budget(train.budget, began, fewest=max(warmup, steps) + 1) if train.budget else None,
        set_total=rate.total_steps.assign,
        validate_every=train.validate_every,
        pause=train.pause_epochs,
        checkpoint_seconds=train.checkpoint_seconds,
        steps_per_call=train.steps_per_call,
        best_by=train.best_by,
        patience=train.patience,
        average=average,
        team=team,
        heartbeat=heartbeat.send,
        image_ids=lambda keys: _image_ids(folder, team.gather(keys)),
        loaded_weights=loaded,
        profile=train.tensorboard.profile,
    )


def make_batches(
    config: Recipe, inputs: dict[str, Path], strategy: tf.distribute.Strategy
) -> Callable[[int, int], Iterator[Any]]:
    """Return a function from (epoch, step), from 0, to the endless batches from there on, for `strategy`'s devices."""
    team = Team(strategy)

    def batches_from(epoch: int, step: int) -> Iterator[Any]:
        dataset = batches.train_dataset(
            inputs[INGEST] / "records",
            config.input,
            batch_size=config.train.images,
            seed=config.train.seed,
            epoch=epoch,
            first_step=step,
            cache=inputs.get("cache"),
            rarity=_rarity(config.input, inputs[VALIDATE]),
            part=(team.index, team.size),
            replicas=team.local_replicas,
        )
        return iter(strategy.distribute_datasets_from_function(lambda context: dataset))

    return batches_from


def _step_runner(
    config: Recipe,
    inputs: dict[str, Path],
    model: keras.Model,
    optimizer: "keras.optimizers.Optimizer | Groups",
    strategy: tf.distribute.Strategy,
    average: MovingAverage | None,
) -> Callable[[int], step_loops.RunSteps]:
    """Return a function from an epoch to the function that runs its steps."""
    train = config.train

    def update(**settings: Any) -> Update:
        return make_update(
            model,
            optimizer,
            strategy,
            loss=train.loss,
            class_weights=_class_weights(train, inputs[VALIDATE]),
            logit_adjustment=train.logit_adjustment,
            label_smoothing=train.label_smoothing,
            accumulate=train.accumulate,
            clip_norm=train.clip_norm,
            average=average,
            prepare=batches.device_augmentation(config.input, _rarity(config.input, inputs[VALIDATE])),
            communication=train.communication,
            **settings,
        )

    def make() -> step_loops.RunSteps:
        made = xla.make(train.jit_compile, update, strategy, lambda: make_batches(config, inputs, strategy)(0, 0))
        return step_loops.one_by_one(made) if train.steps_per_call == 1 else step_loops.fused(made)

    frozen = train.backbone.frozen_epochs
    if frozen in (0, "all"):
        run_steps = make()
        return lambda epoch: run_steps
    assert isinstance(frozen, int)
    return optimisation.BackboneUnfreezer(model, frozen, make, frozen_stride=train.backbone.frozen_stride)


def _validator(
    config: Recipe, model: keras.Model, strategy: tf.distribute.Strategy, team: Team, folder: Path, spec: DatasetSpec
) -> Validator:
    plan = Inference(window=config.train.validate_window, overlap=OVERLAP, average=False)
    scorer = Scorer(model, spec.num_classes, config.input.fitting, strategy=strategy, plan=plan)
    samples = max(config.train.samples, 1) if team.is_chief else 0  # the layers' activations need one
    return Validator(scorer, folder, spec, batch_size=VALIDATION_IMAGES * team.local_replicas, samples=samples)


def _display(config: Recipe, spec: DatasetSpec) -> Display:
    board = config.train.tensorboard
    size = config.input.augment.crop or config.input.size or (None, None)
    return Display(
        spec=spec,
        settings=hyper_parameters(config),
        samples=config.train.samples,
        layers=board.inspect,
        fit=config.input.fitting,
        graph_size=size if board.graph else None,
        histograms=board.histograms,
    )


def _class_weights(config: TrainConfig, validate: Path) -> list[float] | None:
    if config.class_weights == "none":
        return None
    weights: list[float] = json_file.read(validate / "weights.json")[config.class_weights]
    return weights


def _rarity(config: InputConfig, validate: Path) -> np.ndarray | None:
    if not config.augment.rare_crops:
        return None
    return rare_classes.rarity(json_file.read(validate / "statistics.json")["splits"][records.TRAIN]["pixels"])


def _image_ids(folder: Path, keys: np.ndarray) -> Sequence[str]:
    """Return the ids of examples, int64 [N] keys. Reads the whole split: only for error messages."""
    ids = {}
    for record in record_dataset.encoded(folder, records.TRAIN):
        ids[int(decoded.key(record["id"]))] = record["id"].numpy().decode()
    return [ids.get(key % decoded.KEYS, str(key)) for key in keys.tolist()]


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """Build layers that compute in this precision; their variables are always float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
