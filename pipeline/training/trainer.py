"""The training loop: steps, validations, checkpoints. An interrupted training resumes and ends with the same weights.

A training is determined by its variables (weights, optimiser, average, random states) and a State. A checkpoint holds
both; the next batches follow from the State.

Workers that train together compute the same variables and the same State each. Only the chief writes files.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import Interrupted, Paused
from pipeline.training import not_finite
from pipeline.training.budget_meter import BudgetMeter
from pipeline.training.checkpoints import Checkpoints, best_name
from pipeline.training.interruption import Interruption
from pipeline.training.job import Job
from pipeline.training.profiler import Profiler
from pipeline.training.rhythm import Rhythm
from pipeline.training.state import State
from pipeline.training.step_loops import Call, RunSteps
from pipeline.training.train_step import Batch
from pipeline.training.training_log import NoLog, TrainingLog
from pipeline.training.validation import Validation

Variables = dict[str, Any]
"""Variables by their names in a checkpoint, which are positions: Keras numbers optimisers differently each time."""


class Trainer:
    """Trains a job, from the newest checkpoint on if there is one.

    Args:
        job: The job; a resumed training must have the same one.
        checkpoints: Checkpoints to resume from and to write.
        folder: Folder of the train step, for logs.
    """

    def __init__(self, job: Job, checkpoints: Checkpoints, folder: Path) -> None:
        self.job, self.checkpoints, self.folder = job, checkpoints, folder
        self.state = self._restore()
        if total := job.total or self.state.total:
            self._set_total(total)
        self._meter = BudgetMeter(job, self.state)
        if self._writes and self._done:
            print(f"train     resumes after {self._place}", flush=True)
        self._interruption = Interruption()
        self._rhythm = Rhythm(job.steps_per_call, job.team)
        self._log: TrainingLog | NoLog = NoLog()
        if self._writes:
            self._log = TrainingLog(folder, total=self.state.total, steps=job.steps, done=self._done)
        self._profiler = Profiler(folder / "events", job.profile if self._writes else None)
        self._saved = time.monotonic()
        self._compiled: RunSteps | None = None  # has run steps in this process before

    def run(self) -> State:
        """Train to the end; leave the model with its best weights, or with the last ones if there was no validation.

        Raises:
            Paused: After the epochs of job.pause; each epoch ends with a checkpoint.
            Interrupted: By Ctrl-C or SIGTERM, after a checkpoint was written.
            UserError: The loss, the gradient or the weights are not finite.
        """
        job, state = self.job, self.state
        batches = iter(()) if self._over else job.batches(state.epoch, state.step)
        with self._interruption, self._log, self._profiler:
            if not self._over:
                self._log.start(job.model, job.display)
            while not self._over:
                self._pause_if_due()
                self._run_steps(batches)
                self._end_epoch()
            self._keep_best()
        return state

    @property
    def _writes(self) -> bool:
        return self.job.team is None or self.job.team.is_chief

    @property
    def _done(self) -> int:
        return self.state.done(self.job.steps)

    @property
    def _over(self) -> bool:
        return self.state.stopped or self.state.epoch >= self._epochs

    @property
    def _epochs(self) -> float:
        """Epochs of the training; the last one may have fewer steps."""
        return math.inf if self.state.total is None else math.ceil(self.state.total / self.job.steps)

    def _run_steps(self, batches: Iterator[Batch]) -> None:
        """Run the remaining steps of an epoch."""
        job, state = self.job, self.state
        run_steps = job.step_runner(state.epoch)
        remaining = math.inf if state.total is None else state.total - state.epoch * job.steps
        steps = int(min(job.steps, remaining))
        while state.step < steps:
            count = min(self._rhythm.steps, steps - state.step)
            with self._profiler.call(self._done + 1, count):
                began = time.monotonic()
                call = run_steps(batches, count)
                seconds = time.monotonic() - began
            self._add(call)
            # Without a pace there is no number of steps: a first epoch cut to calls that compile counts its last one.
            last = state.total is None and not state.counted and state.step >= steps
            timed = run_steps is self._compiled or last
            if timed:
                state.count(count, count * job.batch_size, seconds=seconds, waited=call.waited)
            self._compiled = run_steps
            self._log_steps(call)
            job.heartbeat()
            if timed:
                state.elapsed += time.monotonic() - began
                self._rhythm.measure(seconds, count)
            if state.total is None:
                self._meter.check(count)
            if time.monotonic() - self._saved > job.checkpoint_seconds:
                self._save()
            self._stop_if_requested(now=state.step >= steps)  # a validation takes long

    def _add(self, call: Call) -> None:
        """Add a call's steps to the state; raise if one is not finite."""
        self.state.step += len(call.figures)
        last = call.figures[-1]
        if not last["finite"]:
            where = {"epoch": self.state.epoch + 1, "step": self.state.step, "of": self.job.steps}
            ids = self.job.image_ids(call.keys)
            raise not_finite.error(self.folder if self._writes else None, last, where, self._rate(self._done), ids)
        self.state.losses = math.fsum([self.state.losses, *(figures["loss"] for figures in call.figures)])

    def _log_steps(self, call: Call) -> None:
        # Under loss scaling the gradient overflows now and then: such a step was skipped.
        figures = [
            {name: value for name, value in step.items() if name != "finite" and math.isfinite(value)}
            for step in call.figures
        ]
        self._log.steps(self._done, figures, self.state, self._rate)

    def _end_epoch(self) -> None:
        """Validate if due, add the epoch to the history, and write a checkpoint."""
        job, state = self.job, self.state
        due = (state.epoch + 1) % job.validate_every == 0 or state.epoch + 1 == self._epochs
        began = time.monotonic()
        if state.total is None:
            self._save()
        checkpoint = time.monotonic() - began
        validation = None
        if job.validate and (due or state.total is None):
            self._meter.mark(first=True)
            measured = self._validate() if due else self._measure()  # if not due, for its duration
            self._meter.mark()
            validation = measured if due else None
        self._stop_if_requested()
        if state.total is None:
            total, line = self._meter.total(checkpoint)
            self._set_total(total)
            self._log.expect(total)
            self._log.print(line)
        entry = state.end_epoch(self._rate(self._done), validation)
        self._log.epoch(self._done, entry, validation)
        if job.patience and state.stale >= job.patience:
            state.stopped = True
            self._log.print(f"stops early: {state.stale} validations without a better {job.best_by}")
        self._save()
        self._stop_if_requested()

    def _validate(self) -> Validation | None:
        """Measure the weights, and save them if they are the best so far; None: interrupted."""
        job, state = self.job, self.state
        with job.average.in_place() if job.average else nullcontext():
            validation = self._measure()
            if validation is None:
                return None
            value = validation.value(job.best_by)
            if value is not None and _better(job.best_by, value, state.best):
                if self._writes:
                    self.checkpoints.save_best(self._done, _arrays(self._weights()))
                file = best_name(self._done)
                state.best = {"epoch": state.epoch + 1, "by": job.best_by, "value": value, "file": file}
            self._log.draw(job.model, job.display, validation)
        return validation

    def _measure(self) -> Validation | None:
        """Measure the weights in place; None: interrupted."""
        assert self.job.validate
        try:
            return self.job.validate(self._between_batches)
        except _ValidationStopped:
            return None

    def _keep_best(self) -> None:
        state, metrics = self.state, dict[str, float]()
        if state.best:
            _assign(self._weights(), self.checkpoints.best(state.best["file"]))
            entry = state.history[state.best["epoch"] - 1]
            metrics = {name: entry[name] for name in ("miou", "pixel_accuracy", "val_loss") if entry[name] is not None}
            metrics["epoch"] = state.best["epoch"]
        elif self.job.average:
            self.job.average.assign()
        self._log.end(self._done, metrics)
        if self.job.team:
            self.job.team.barrier()  # the chief removes the checkpoints next: every worker must have read its own

    def _between_batches(self) -> None:
        self._meter.mark()
        self.job.heartbeat()
        # Workers validate different numbers of batches: one that stopped would leave the others waiting for its sum.
        if self._interruption.requested and (self.job.team is None or self.job.team.is_single):
            raise _ValidationStopped

    def _stop_if_requested(self, *, now: bool = True) -> None:
        """Stop if a worker was interrupted: all of them make this call after the same step. `now`: see Rhythm."""
        if not self._rhythm.stop(requested=self._interruption.requested, now=now):
            return
        team = self.job.team
        self._save()
        if team:
            team.barrier()  # a worker that ended while the chief still writes would end the chief too
        raise Interrupted(f"stopped at {self._place}; the same command continues from there")

    def _pause_if_due(self) -> None:
        if self.job.pause is None or self.state.epoch < self.job.pause:
            return
        if self.job.team:
            self.job.team.barrier()  # as in _stop_if_requested
        raise Paused(f"paused after epoch {self.state.epoch}, as train.pause_epochs says")

    def _set_total(self, total: int) -> None:
        self.state.total = total
        self.job.set_total(total)

    def _save(self) -> None:
        if not self._writes:
            return
        if self.state.total is None:
            self.state.spent = self._meter.spent
        self._log.flush()
        self.checkpoints.save(self._done, _arrays(self._variables()), asdict(self.state))
        self._saved = time.monotonic()
        self.job.heartbeat()

    def _restore(self) -> State:
        """Restore every worker from the newest checkpoint that the chief finds intact."""
        checkpoint = self.checkpoints.latest() if self._writes else None
        if self.job.team:
            number = self.job.team.broadcast(State(**checkpoint.state).done(self.job.steps) if checkpoint else -1)
            checkpoint = checkpoint if self._writes or number < 0 else self.checkpoints.at(number)
        if checkpoint is None:
            return State()
        _assign(self._variables(), checkpoint.arrays)
        return State(**checkpoint.state)

    def _weights(self) -> Variables:
        return {f"model/{index}": variable for index, variable in enumerate(self.job.model.variables)}

    def _variables(self) -> Variables:
        optimizer = {f"optimizer/{index}": variable for index, variable in enumerate(self.job.optimizer.variables)}
        average = enumerate(self.job.average.variables if self.job.average else ())
        return self._weights() | optimizer | {f"average/{index}": variable for index, variable in average}

    def _rate(self, number: int) -> float:
        """Return the learning rate of step `number`, counted from 1 over the whole training."""
        return float(self.job.learning_rate(number - 1))

    @property
    def _place(self) -> str:
        epoch, step = divmod(max(self._done - 1, 0), self.job.steps)
        return f"epoch {epoch + 1}, step {step + 1} of {self.job.steps}"


class _ValidationStopped(Exception):
    """A validation was interrupted between two batches."""


def _better(by: str, value: float, best: Mapping[str, Any]) -> bool:
    if not best:
        return True
    return value < best["value"] if by == "loss" else value > best["value"]


def _arrays(variables: Variables) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in variables.items()}


def _assign(variables: Variables, arrays: Mapping[str, np.ndarray]) -> None:
    for name, variable in variables.items():
        variable.assign(arrays[name])
