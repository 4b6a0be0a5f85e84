"""The log of a training: TensorBoard events, scalars.jsonl, and the terminal."""

import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.training import tensorboard_pictures
from pipeline.training.job import Display
from pipeline.training.progress_bar import ProgressBar
from pipeline.training.scalar_log import FILE, ScalarLog
from pipeline.training.state import Entry, State
from pipeline.training.tensorboard_writer import TensorBoardWriter
from pipeline.training.validation import Validation

if TYPE_CHECKING:
    import keras

UPDATE_SECONDS = 0.5
"""Time between two updates of the bar and of slowly changing numbers, such as the speed."""

MAX_DATA_WAIT = 0.1
"""Share of the time spent waiting for data above which a warning is printed."""

MIN_SECONDS = 1.0
"""Duration of an epoch below which that share is mostly noise."""

DATA_WAIT_WARNING = (
    "warning: {:.0%} of the time the training waited for data. What helps: input.cache 'memory' or 'disk', "
    "input.augment_on 'device', less in input.augment, a smaller input.size or input.augment.crop, more CPU cores."
)

NO_LOSS_WARNING = (
    "warning: the validation loss is not finite, as some logits are not. It is left out. What helps: a lower "
    "train.learning_rate, a longer train.warmup_epochs, train.precision 'mixed_bfloat16' or 'float32'."
)


class TrainingLog(AbstractContextManager["TrainingLog"]):
    """Logs a training in one process; a resumed training continues the log.

    Args:
        folder: Folder of the train step; TensorBoard's events are written to events/.
        total, steps: Steps of the training, None: not known yet; steps per epoch.
        done: Steps done before this process.
    """

    def __init__(self, folder: Path, *, total: int | None, steps: int, done: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._tensorboard = TensorBoardWriter(folder / "events", done=done)
        self._scalar_log = ScalarLog(folder / FILE, done=done)
        self._bar = ProgressBar(total, steps, done)
        self._steps = steps
        self._updated = time.monotonic()
        self._warned = False
        self._pictures: dict[str, np.ndarray] = {}
        self._weights: dict[str, np.ndarray] = {}

    def __enter__(self) -> "TrainingLog":
        self._bar.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.__exit__()
        self._tensorboard.close()
        self._scalar_log.close()

    def start(self, model: "keras.Model", display: Display) -> None:
        """Log the training's settings, and the network's graph where the display has one."""
        self._tensorboard.settings(display.settings)
        if display.graph_size:
            self._tensorboard.graph(tensorboard_pictures.trace_graph(model, display.graph_size))

    def steps(
        self, last: int, figures: Sequence[Mapping[str, float]], state: State, rate: Callable[[int], float]
    ) -> None:
        """Log steps up to number `last`, from 1 over the whole training; rate and speed only every UPDATE_SECONDS."""
        for number, values in enumerate(figures, start=last - len(figures) + 1):
            self._scalars(number, {f"train/{name}": value for name, value in values.items()})
        if time.monotonic() - self._updated < UPDATE_SECONDS and state.step < self._steps:
            return
        self._updated = time.monotonic()
        self._scalars(last, {"train/learning_rate": rate(last), **_speed(state)})
        self._bar.update(last, state.epoch + 1, figures[-1]["loss"], state.miou)

    def draw(self, model: "keras.Model", display: Display, validation: Validation) -> None:
        """Draw a validation while the model holds the validated weights; `epoch` writes the pictures."""
        self._pictures = tensorboard_pictures.draw(model, display, validation)
        if display.histograms:
            self._weights = {variable.path: variable.numpy() for variable in model.trainable_variables}

    def epoch(self, done: int, entry: Entry, validation: Validation | None) -> None:
        """Log an epoch, after `done` steps of the training."""
        timed = {"epoch/seconds": entry["seconds"]} if entry["seconds"] else {}  # 0 if every step compiled
        self._scalars(done, {"epoch/loss": entry["loss"], **timed})
        if validation:
            self._scalars(done, {f"val/{name}": value for name, value in validation.scalars().items()})
            for name, picture in self._pictures.items():
                self._tensorboard.image(done, f"val/{name}", picture)
            for name, values in self._weights.items():
                self._tensorboard.histogram(done, f"weights/{name}", values)
            self._pictures, self._weights = {}, {}
        self._bar.epoch(entry)
        if (entry["data_wait"] or 0) > MAX_DATA_WAIT and entry["seconds"] > MIN_SECONDS and not self._warned:
            self._warned = True
            self.print(textwrap.fill(DATA_WAIT_WARNING.format(entry["data_wait"]), width=80))
        if validation and validation.loss is None and validation.miou is not None:
            self.print(textwrap.fill(NO_LOSS_WARNING, width=80))

    def end(self, done: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of the weights that are kept."""
        self._scalars(done, {f"final/{name}": value for name, value in metrics.items()})
        self._tensorboard.end()

    def expect(self, total: int) -> None:
        """Show the progress towards `total` steps, which were not known before."""
        self._bar.expect(total)

    def print(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.print(line)

    def flush(self) -> None:
        """Write pending entries to disk; called before each checkpoint, so that a resumed training leaves no gap."""
        self._tensorboard.flush()
        self._scalar_log.flush()

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        if values:
            self._tensorboard.scalars(step, values)
            self._scalar_log.add(step, values)


class NoLog(AbstractContextManager["NoLog"]):
    """Logs nothing, for workers other than the chief."""

    def __exit__(self, *_: object) -> None:
        """Close nothing."""

    def _ignore(self, *_: object) -> None:
        """Accept the arguments of the same method of TrainingLog."""

    start = steps = draw = epoch = end = expect = print = flush = _ignore


def _speed(state: State) -> dict[str, float]:
    """Return the speed in this epoch so far."""
    if not state.seconds:
        return {}
    return {
        "train/images_per_s": state.images / state.seconds,
        "train/data_wait": state.waited / state.seconds,
        "train/step_seconds": state.seconds / state.counted,
    }
