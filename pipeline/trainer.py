"""The training loop: steps, validations, checkpoints, and a resume that ends where no interruption would have.

What a training is at some moment is its variables (weights, optimiser, random states) and a State. A checkpoint holds
both; the batches to come follow from the State alone.
"""

import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from pipeline.checkpoints import Checkpoints
from pipeline.errors import Interrupted, UserError
from pipeline.interruption import Interruption
from pipeline.progress import Progress
from pipeline.state import Entry, State
from pipeline.telemetry import Telemetry
from pipeline.update import Batch, Update
from pipeline.validation import Validation

if TYPE_CHECKING:
    import keras

Variables = dict[str, Any]
"""Keras variables by the names that they have in a checkpoint: their places, as Keras numbers optimisers anew."""

SETTLE_SECONDS = 0.5
"""Time between two looks at the losses. A look waits for the device, so not every step has one."""

MAX_DATA_WAIT = 0.1
"""Share of the time spent waiting for data from which on it is worth telling."""

TELLING_SECONDS = 1.0
"""Time below which such a share tells of nothing but chance."""

DATA_WAIT_WARNING = (
    "warning: {:.0%} of the time the training waited for data. What helps: input.cache 'memory', less in "
    "input.augment, a smaller input.size or input.augment.crop, more CPU cores."
)


@dataclass(frozen=True)
class Job:
    """What is to be trained, and how.

    Attributes:
        model, optimizer: Both built, under the strategy's scope.
        update: One step (see pipeline.update).
        batches: From (epoch, step), both from 0, to the endless batches from there on, shared out over the devices.
        learning_rate: From the number of steps done to the rate of the next one.
        validate: Measures the model; calls its argument between batches. None: there is nothing to measure on.
        epochs, steps: Epochs of the training; steps of an epoch.
        batch_size: Images of a step over all devices.
        validate_every: Epochs between two validations; the last epoch always has one.
        checkpoint_seconds: Most time between two checkpoints; the end of an epoch always has one.
    """

    model: "keras.Model"
    optimizer: "keras.optimizers.Optimizer"
    update: Update
    batches: Callable[[int, int], Iterator[Batch]]
    learning_rate: Callable[[int], Any]
    validate: Callable[[Callable[[], None]], Validation] | None
    epochs: int
    steps: int
    batch_size: int
    validate_every: int
    checkpoint_seconds: float


class Trainer:
    """Trains, or goes on where an earlier sitting stopped.

    Args:
        job: What to do. Of an earlier sitting in the same folder it must have been the same.
        checkpoints: Where to go on from, and what is written for the next sitting.
        events: Folder for TensorBoard.
    """

    def __init__(self, job: Job, checkpoints: Checkpoints, events: Path) -> None:
        self.job, self.checkpoints = job, checkpoints
        self.state = self._restore()
        self._interruption = Interruption()
        self._progress = Progress(job.epochs, job.steps, self._done)
        self._telemetry = Telemetry(events, done=self._done)
        self._losses: list[tf.Tensor] = []
        self._settled = self._saved = time.monotonic()
        self._warm = self._warned = False

    def run(self) -> State:
        """Train to the end, and leave the model with its best weights, or with the last ones if none were measured.

        Raises:
            Interrupted: Ctrl-C or SIGTERM came; a checkpoint was written.
            UserError: The loss is no longer a number.
        """
        job, state = self.job, self.state
        batches = job.batches(state.epoch, state.step) if state.epoch < job.epochs else iter(())
        with self._interruption, self._progress, closing(self._telemetry):
            while state.epoch < job.epochs:
                self._run_steps(batches)
                self._end_epoch()
        if state.best:
            _assign(self._weights(), self.checkpoints.best(state.best["file"]))
        return state

    @property
    def _done(self) -> int:
        return self.state.epoch * self.job.steps + self.state.step

    def _run_steps(self, batches: Iterator[Batch]) -> None:
        """Do what is left of an epoch's steps."""
        job, state = self.job, self.state
        while state.step < job.steps:
            began = time.monotonic()
            batch = next(batches)
            arrived = time.monotonic()
            self._losses.append(job.update(batch))
            state.step += 1
            now = time.monotonic()
            if now - self._settled > SETTLE_SECONDS or state.step == job.steps:
                self._settle()
                now = time.monotonic()
            if self._warm:
                state.count(job.batch_size, seconds=now - began, waited=arrived - began)
            self._warm = True
            if now - self._saved > job.checkpoint_seconds:
                self._save()
            self._stop_if_asked()

    def _settle(self) -> None:
        """Look at the losses since the last look; the device has then done every step."""
        losses = [float(loss) for loss in self._losses]
        self._losses.clear()
        first = self._done - len(losses)
        for number, loss in enumerate(losses, start=first + 1):
            if not np.isfinite(loss):
                raise UserError(self._not_finite(loss, number))
            self._telemetry.scalars(number, {"train/loss": loss})
        self.state.losses += sum(losses)
        if losses:
            self._telemetry.scalars(self._done, {"train/learning_rate": self._rate(self._done)})
            self._progress.step(self._done, self.state.epoch + 1, losses[-1], self.state.miou)
        self._settled = time.monotonic()

    def _end_epoch(self) -> None:
        """Validate where it is time to, note the epoch in the history, write a checkpoint."""
        job, state = self.job, self.state
        due = (state.epoch + 1) % job.validate_every == 0 or state.epoch + 1 == job.epochs
        found = job.validate(self._stop_if_asked) if job.validate and due else None
        if found and found.miou is not None and found.miou > state.best.get("miou", -1.0):
            file = self.checkpoints.save_best(self._done, _arrays(self._weights()))
            state.best = {"epoch": state.epoch + 1, "miou": found.miou, "file": file}
        entry = state.end_epoch(self._rate(self._done), found)
        self._report(entry, found)
        self._save()
        self._stop_if_asked()

    def _report(self, entry: Entry, found: Validation | None) -> None:
        rates = {name: entry[name] for name in ("images_per_s", "data_wait") if entry[name] is not None}
        self._telemetry.scalars(self._done, {f"train/{name}": value for name, value in rates.items()})
        self._telemetry.scalars(self._done, {"epoch/loss": entry["loss"], "epoch/seconds": entry["seconds"]})
        if found:
            measured = {f"val/iou/{name}": iou for name, iou in found.per_class_iou.items() if iou is not None}
            self._telemetry.scalars(self._done, measured | ({} if found.miou is None else {"val/miou": found.miou}))
            for name, picture in found.pictures.items():
                self._telemetry.image(self._done, f"val/{name}", picture)
        self._progress.epoch(entry)
        if (entry["data_wait"] or 0) > MAX_DATA_WAIT and entry["seconds"] > TELLING_SECONDS and not self._warned:
            self._warned = True
            self._progress.say(textwrap.fill(DATA_WAIT_WARNING.format(entry["data_wait"]), width=80))

    def _stop_if_asked(self) -> None:
        if not self._interruption.asked:
            return
        self._save()
        raise Interrupted(f"stopped at {self._place(self._done)}; the same command goes on from there")

    def _save(self) -> None:
        if self._losses:
            self._settle()
        self._telemetry.flush()
        self.checkpoints.save(self._done, _arrays(self._variables()), asdict(self.state))
        self._saved = time.monotonic()

    def _restore(self) -> State:
        found = self.checkpoints.latest()
        if found is None:
            return State()
        _assign(self._variables(), found.arrays)
        self.state = State(**found.state)
        print(f"train     goes on after {self._place(self._done)}", flush=True)
        return self.state

    def _weights(self) -> Variables:
        return {f"model/{index}": variable for index, variable in enumerate(self.job.model.variables)}

    def _variables(self) -> Variables:
        optimizer = enumerate(self.job.optimizer.variables)
        return self._weights() | {f"optimizer/{index}": variable for index, variable in optimizer}

    def _rate(self, number: int) -> float:
        """Learning rate of step `number`, counted from 1 over the whole training."""
        return float(self.job.learning_rate(number - 1))

    def _place(self, done: int) -> str:
        epoch, step = divmod(max(done - 1, 0), self.job.steps)
        return f"epoch {epoch + 1}, step {step + 1} of {self.job.steps}"

    def _not_finite(self, loss: float, number: int) -> str:
        return (
            f"The loss became {loss} at {self._place(number)}, at learning rate {self._rate(number):.3g}. "
            "Nothing after the last checkpoint is kept. Lower train.learning_rate (try a tenth) or lengthen "
            "train.warmup_epochs; with train.precision 'mixed_float16', try 'mixed_bfloat16'."
        )


def _arrays(variables: Variables) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in variables.items()}


def _assign(variables: Variables, arrays: Mapping[str, np.ndarray]) -> None:
    for name, variable in variables.items():
        variable.assign(arrays[name])
