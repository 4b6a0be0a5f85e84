"""Train: records -> the best weights on the validation split.

weights.h5         the best weights; the last ones if there is no validation split
history.json       one entry for each epoch (see pipeline.training.state.Entry)
scalars.jsonl      every number that TensorBoard shows
batch_size.json    the chosen batch size, where the recipe says `auto`
precision.json     the chosen precision, where the recipe says `auto`
budget.json        the number of epochs that the budget allowed, where the recipe names one
events/            for TensorBoard
checkpoints/       during the training
not_finite.json    if the loss became NaN or infinite: the step and its images
"""

import math
import time
from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf

from models import catalog
from pipeline.cluster import devices, heartbeat
from pipeline.cluster.team import Team
from pipeline.cluster.worker_lost import explain_worker_loss
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import VALIDATE
from pipeline.config.train import TrainConfig
from pipeline.console.terminal import duration, wrapped
from pipeline.errors import Interrupted, UserError
from pipeline.input import input_check, records
from pipeline.training import batch_norm, batch_size, budget, not_finite, precision, trained_model
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.job import Job
from pipeline.training.recipe_job import make_job
from pipeline.training.state import State
from pipeline.training.trainer import Trainer
from pipeline.workspace import json_file

HISTORY = "history.json"


def run(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    """Train, or resume the training that an earlier process left in `out`.

    Raises:
        UserError: The records cannot make a batch, the devices are not there, or the loss became NaN.
        Interrupted: Ctrl-C or SIGTERM; a checkpoint was written.
        WorkerLost: Another worker is lost, or did not answer in time.
    """
    began = time.monotonic()
    checkpoints = Checkpoints(out / "checkpoints", config.train.keep_checkpoints)
    if (out / HISTORY).exists():  # it is written last
        checkpoints.remove()
        return
    sizes = _sizes(inputs[VALIDATE])
    _check(config, sizes)
    auto, chosen = config.train.batch_size == "auto", config.train.precision == "auto"
    config = config.model_copy(update={"train": precision.settled(config.train, out)})
    share = batch_size.find(config, inputs, sizes) if auto and batch_size.read_stored(out) is None else None
    keras.utils.set_random_seed(config.train.seed)
    if config.train.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = devices.training_strategy(config.train)
    team = Team(strategy)
    images = input_check.count_examples(config.input, sizes)
    with explain_worker_loss(team):
        if auto:
            unit = batch_size.smallest_share(config)
            number = batch_size.agree(share, team, strategy, unit=unit, most=images, out=out)
            config = config.model_copy(update={"train": config.train.of_size(number)})
        if chosen:
            config = config.model_copy(update={"train": precision.agreed(config.train, team, out)})
        steps = images // config.train.images
        _check_budget(config.train, steps)
        job = make_job(config, inputs, steps, strategy, began=began)
        if team.is_chief:
            _begin(config, job, team)
            if chosen:
                print(f"train     {precision.describe(config.train.precision)}", flush=True)
            if chosen_norm := batch_norm.describe(config.train, strategy.num_replicas_in_sync):
                print(wrapped(f"train     {chosen_norm}"), flush=True)
            if job.loaded_weights and not checkpoints.folder.exists():  # otherwise the training resumes
                print(wrapped(f"train     {job.loaded_weights}"), flush=True)
        try:
            state = Trainer(job, checkpoints, out).run()
        except Interrupted:
            heartbeat.finish()
            raise
        if team.is_chief:
            (out / not_finite.FILE).unlink(missing_ok=True)
            if state.total and config.train.budget:
                json_file.write(out / budget.FILE, {"epochs": state.total / steps})
            _write(out, job.model, state)
            print(f"train     keeps {_kept(state, inputs['ingest'] / 'records')}")
            checkpoints.remove()
        heartbeat.send()
        team.barrier()  # a worker that ends before the chief has written would end the chief too
    heartbeat.finish()


def _sizes(validate: Path) -> Mapping[str, int]:
    """Return the number of training images of each size, {"360x480": 367}."""
    splits = json_file.read(validate / "statistics.json")["splits"]
    sizes: Mapping[str, int] = splits.get(records.TRAIN, {}).get("sizes", {})
    return sizes


def _check(config: Recipe, sizes: Mapping[str, int]) -> None:
    """Check that the images can make a batch, before the network is built."""
    input_check.check(config.input, config.train, sizes)
    if not (config.input.size or config.input.augment.crop):
        for size in sizes:
            height, width = map(int, size.split("x"))
            catalog.check_size(config.model.name, config.model.options, (height, width))


def _check_budget(train: TrainConfig, steps: int) -> None:
    first = 1 if train.steps_per_call == "auto" else train.steps_per_call
    if train.budget and steps <= first:
        raise UserError(
            f"train.budget takes its pace from the first epoch, of which the first call compiles: an epoch of {steps} "
            f"step{'s' * (steps > 1)} is one call (train.steps_per_call {train.steps_per_call}). Set train.epochs "
            f"instead, or a smaller train.batch_size{' or train.steps_per_call' * (first > 1)}."
        )


def _begin(config: Recipe, job: Job, team: Team) -> None:
    train = config.train
    workers = "" if team.is_single else f"{team.size} workers of "
    print(f"train     {config.model.name}: {_size(job.model)}; {workers}{devices.describe()}")
    length = f"{train.epochs:g} epochs" if train.epochs else f"{duration(train.budget or 0)}, epochs"
    print(f"train     {length} of {job.steps} steps of {train.images} images{_rate(train)}", flush=True)


def _write(out: Path, model: keras.Model, state: State) -> None:
    trained_model.save(out, model)
    partial = out / f"partial.{HISTORY}"
    json_file.write(partial, state.history)
    partial.replace(out / HISTORY)


def _size(model: keras.Model) -> str:
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_variables)
    return f"{trainable / 1e6:.2f} million trainable weights"


def _rate(config: TrainConfig) -> str:
    if not config.learning_rate_batch:
        return ""
    return f", learning rate {config.learning_rate:g} x {config.images}/{config.learning_rate_batch}"


def _kept(state: State, folder: Path) -> str:
    if best := state.best:
        name = {"miou": "mIoU", "pixel_accuracy": "pixel accuracy", "loss": "loss"}[best["by"]]
        return f"the weights of epoch {best['epoch']}, val {name} {best['value']:.4f}"
    if not records.splits(folder).get(records.VAL):
        return "the last weights: there is no validation split to choose by"
    if state.miou is not None:
        return "the last weights: no validation gave a loss to choose by that is a number"
    return "the last weights: no pixel of the validation split counts"
