"""The training loop: steps, validations, checkpoints, and a resume that ends where no interruption would have.

What a training is at some moment is its variables (weights, optimiser, average, random states) and a State. A
checkpoint holds both; the batches to come follow from the State alone.

Workers that train together come to the same variables and the same State, each by itself. The chief alone writes.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import Interrupted
from pipeline.training import not_finite
from pipeline.training.checkpoints import Checkpoint, Checkpoints, best_name
from pipeline.training.interruption import Interruption
from pipeline.training.job import Job
from pipeline.training.profiler import Profiler
from pipeline.training.state import State
from pipeline.training.step_loops import Call, Take
from pipeline.training.train_step import Batch
from pipeline.training.training_log import Logbook, NoLogbook
from pipeline.training.validation import Validation

Variables = dict[str, Any]
"""Variables by the names that they have in a checkpoint: their places, as Keras numbers optimisers anew."""


class Trainer:
    """Trains, or goes on where an earlier sitting stopped.

    Args:
        job: What to do. Of an earlier sitting in the same folder it must have been the same.
        checkpoints: Where to go on from, and what is written for the next sitting.
        folder: Folder of the train step, for what the training tells.
    """

    def __init__(self, job: Job, checkpoints: Checkpoints, folder: Path) -> None:
        self.job, self.checkpoints, self.folder = job, checkpoints, folder
        self.state = self._restore()
        if self._writes and self._done:
            print(f"train     goes on after {self._place}", flush=True)
        self._interruption = Interruption()
        self._logbook: Logbook | NoLogbook = NoLogbook()
        if self._writes:
            self._logbook = Logbook(folder, epochs=job.epochs, steps=job.steps, done=self._done)
        self._profiler = Profiler(folder / "events", job.profile if self._writes else None)
        self._saved = time.monotonic()
        self._warm: Take | None = None  # what has done steps in this sitting, and so is compiled

    def run(self) -> State:
        """Train to the end, and leave the model with its best weights, or with the last ones if none were measured.

        Raises:
            Interrupted: Ctrl-C or SIGTERM came; a checkpoint was written.
            UserError: The loss is no longer a number.
        """
        job, state = self.job, self.state
        batches = iter(()) if self._over else job.batches(state.epoch, state.step)
        with self._interruption, self._logbook, self._profiler:
            if not self._over:
                self._logbook.settings(job.settings, job.graph() if job.graph else None)
            while not self._over:
                self._run_steps(batches)
                self._end_epoch()
            self._keep_best()
        return state

    @property
    def _writes(self) -> bool:
        return self.job.team is None or self.job.team.is_chief

    @property
    def _done(self) -> int:
        return self.state.epoch * self.job.steps + self.state.step

    @property
    def _over(self) -> bool:
        return self.state.stopped or self.state.epoch >= self.job.epochs

    def _run_steps(self, batches: Iterator[Batch]) -> None:
        """Do what is left of an epoch's steps."""
        job, state = self.job, self.state
        take = job.take(state.epoch)
        while state.step < job.steps:
            count = min(job.steps_per_call, job.steps - state.step)
            with self._profiler.call(self._done + 1, count):
                began = time.monotonic()
                call = take(batches, count)
                seconds = time.monotonic() - began
            self._note(call)
            if take is self._warm:
                state.count(count, count * job.batch_size, seconds=seconds, waited=call.waited)
            self._warm = take
            self._tell(call)
            job.beat()
            if time.monotonic() - self._saved > job.checkpoint_seconds:
                self._save()
            self._stop_if_asked()

    def _note(self, call: Call) -> None:
        """Add a call's steps to the state; end the training where one went wrong."""
        self.state.step += len(call.figures)
        last = call.figures[-1]
        if not last["finite"]:
            where = {"epoch": self.state.epoch + 1, "step": self.state.step, "of": self.job.steps}
            ids = self.job.names(call.keys)
            raise not_finite.error(self.folder if self._writes else None, last, where, self._rate(self._done), ids)
        self.state.losses = math.fsum([self.state.losses, *(figures["loss"] for figures in call.figures)])

    def _tell(self, call: Call) -> None:
        # Where losses are scaled, the gradient may overflow once in a while: such a step was left out.
        kept = [{name: value for name, value in found.items() if math.isfinite(value)} for found in call.figures]
        figures = [{name: value for name, value in found.items() if name != "finite"} for found in kept]
        self._logbook.steps(self._done, figures, self.state, self._rate)

    def _end_epoch(self) -> None:
        """Validate where it is time to, note the epoch in the history, write a checkpoint."""
        job, state = self.job, self.state
        due = (state.epoch + 1) % job.validate_every == 0 or state.epoch + 1 == job.epochs
        found = self._validate() if job.validate and due else None
        self._stop_if_asked()
        entry = state.end_epoch(self._rate(self._done), found)
        self._logbook.epoch(self._done, entry, found)
        if job.patience and state.stale >= job.patience:
            state.stopped = True
            self._logbook.say(f"ends early: {state.stale} validations without a better {job.best_by}")
        self._save()
        self._stop_if_asked()

    def _validate(self) -> Validation | None:
        """Measure, and keep the weights that were measured if they are the best; None: it was interrupted."""
        job, state = self.job, self.state
        assert job.validate
        with job.average.in_place() if job.average else nullcontext():
            try:
                found = job.validate(self._leave_if_asked)
            except _Left:
                return None
            value = found.value(job.best_by)
            if value is not None and _better(job.best_by, value, state.best):
                if self._writes:
                    self.checkpoints.save_best(self._done, _arrays(self._weights()))
                file = best_name(self._done)
                state.best = {"epoch": state.epoch + 1, "by": job.best_by, "value": value, "file": file}
            if job.histograms and self._writes:
                arrays = {variable.path: variable.numpy() for variable in job.model.trainable_variables}
                self._logbook.histograms(self._done, arrays)
        return found

    def _keep_best(self) -> None:
        state, kept = self.state, dict[str, float]()
        if state.best:
            _assign(self._weights(), self.checkpoints.best(state.best["file"]))
            entry = state.history[state.best["epoch"] - 1]
            kept = {name: entry[name] for name in ("miou", "pixel_accuracy", "val_loss") if entry[name] is not None}
            kept["epoch"] = state.best["epoch"]
        elif self.job.average:
            self.job.average.assign()
        self._logbook.end(self._done, kept)
        if self.job.team:
            self.job.team.wait()  # the chief removes the checkpoints next: by now all have read theirs

    def _leave_if_asked(self) -> None:
        self.job.beat()
        # Several workers measure parts of different length: one that left would leave the others waiting for its sum.
        if self._interruption.asked and (self.job.team is None or self.job.team.alone):
            raise _Left

    def _stop_if_asked(self) -> None:
        """End where one worker was asked to: all of them come here after the same step."""
        asked, team = self._interruption.asked, self.job.team
        if not (team.any(asked) if team else asked):
            return
        self._save()
        if team:
            team.wait()  # whoever ends before the chief has written takes it along
        raise Interrupted(f"stopped at {self._place}; the same command goes on from there")

    def _save(self) -> None:
        if not self._writes:
            return
        self._logbook.flush()
        self.checkpoints.save(self._done, _arrays(self._variables()), asdict(self.state))
        self._saved = time.monotonic()
        self.job.beat()

    def _restore(self) -> State:
        """Give every worker the variables and the state of the newest checkpoint that the chief finds whole."""
        found = self.checkpoints.latest() if self._writes else None
        if self.job.team:
            number = self.job.team.first(_number(found, self.job.steps))
            found = found if self._writes or number < 0 else self.checkpoints.at(number)
        if found is None:
            return State()
        _assign(self._variables(), found.arrays)
        return State(**found.state)

    def _weights(self) -> Variables:
        return {f"model/{index}": variable for index, variable in enumerate(self.job.model.variables)}

    def _variables(self) -> Variables:
        optimizer = {f"optimizer/{index}": found for index, found in enumerate(self.job.optimizer.variables)}
        average = enumerate(self.job.average.variables if self.job.average else ())
        return self._weights() | optimizer | {f"average/{index}": variable for index, variable in average}

    def _rate(self, number: int) -> float:
        """Learning rate of step `number`, counted from 1 over the whole training."""
        return float(self.job.learning_rate(number - 1))

    @property
    def _place(self) -> str:
        epoch, step = divmod(max(self._done - 1, 0), self.job.steps)
        return f"epoch {epoch + 1}, step {step + 1} of {self.job.steps}"


class _Left(Exception):
    """A validation was left between two batches."""


def _better(by: str, value: float, best: Mapping[str, Any]) -> bool:
    if not best:
        return True
    return value < best["value"] if by == "loss" else value > best["value"]


def _number(found: Checkpoint | None, steps: int) -> int:
    """Number under which a checkpoint was saved; -1: there is none."""
    return -1 if found is None else int(found.state["epoch"]) * steps + int(found.state["step"])


def _arrays(variables: Variables) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in variables.items()}


def _assign(variables: Variables, arrays: Mapping[str, np.ndarray]) -> None:
    for name, variable in variables.items():
        variable.assign(arrays[name])
