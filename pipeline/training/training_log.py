"""What a training tells while it goes: to TensorBoard, to scalars.jsonl, to the terminal."""

import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.training.progress_bar import Progress
from pipeline.training.scalar_log import FILE, ScalarLog
from pipeline.training.state import Entry, State
from pipeline.training.tensorboard_writer import Telemetry
from pipeline.training.validation import Validation

LOOK_SECONDS = 0.5
"""Time between two looks at what changes little from step to step, such as the speed."""

MAX_DATA_WAIT = 0.1
"""Share of the time spent waiting for data from which on it is worth telling."""

TELLING_SECONDS = 1.0
"""Time below which such a share tells of nothing but chance."""

DATA_WAIT_WARNING = (
    "warning: {:.0%} of the time the training waited for data. What helps: input.cache 'memory' or 'disk', "
    "input.augment_on 'device', less in input.augment, a smaller input.size or input.augment.crop, more CPU cores."
)

NO_LOSS_WARNING = (
    "warning: the validation loss is no number, as some logits are not. It is left out. What helps: a lower "
    "train.learning_rate, a longer train.warmup_epochs, train.precision 'mixed_bfloat16' or 'float32'."
)


class Logbook(AbstractContextManager["Logbook"]):
    """Tells of one sitting of a training.

    Args:
        folder: Folder of the train step; TensorBoard's events go to events/.
        epochs, steps: Epochs of the training; steps of an epoch.
        done: Steps done before this sitting.
    """

    def __init__(self, folder: Path, *, epochs: int, steps: int, done: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._telemetry = Telemetry(folder / "events", done=done)
        self._log = ScalarLog(folder / FILE, done=done)
        self._progress = Progress(epochs, steps, done)
        self._steps = steps
        self._looked = time.monotonic()
        self._warned = False

    def __enter__(self) -> "Logbook":
        self._progress.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.__exit__()
        self._telemetry.close()
        self._log.close()

    def settings(self, values: Mapping[str, Any], graph: bytes | None) -> None:
        """Tell by what this training differs from others, and what its network looks like."""
        self._telemetry.settings(values)
        if graph is not None:
            self._telemetry.graph(graph)

    def steps(
        self, last: int, figures: Sequence[Mapping[str, float]], state: State, rate: Callable[[int], float]
    ) -> None:
        """Tell of the newest steps, up to step `last`; of rate, speed and waiting only now and then."""
        for number, values in enumerate(figures, start=last - len(figures) + 1):
            self._scalars(number, {f"train/{name}": value for name, value in values.items()})
        if time.monotonic() - self._looked < LOOK_SECONDS and state.step < self._steps:
            return
        self._looked = time.monotonic()
        self._scalars(last, {"train/learning_rate": rate(last), **_speed(state)})
        self._progress.step(last, state.epoch + 1, figures[-1]["loss"], state.miou)

    def epoch(self, done: int, entry: Entry, found: Validation | None) -> None:
        """Tell of a finished epoch, after `done` steps of the training."""
        timed = {"epoch/seconds": entry["seconds"]} if entry["seconds"] else {}  # none where every step compiled
        self._scalars(done, {"epoch/loss": entry["loss"], **timed})
        if found:
            self._scalars(done, {f"val/{name}": value for name, value in found.scalars().items()})
            for name, picture in found.pictures.items():
                self._telemetry.image(done, f"val/{name}", picture)
        self._progress.epoch(entry)
        if (entry["data_wait"] or 0) > MAX_DATA_WAIT and entry["seconds"] > TELLING_SECONDS and not self._warned:
            self._warned = True
            self._progress.say(textwrap.fill(DATA_WAIT_WARNING.format(entry["data_wait"]), width=80))
        if found and found.loss is None and found.miou is not None:
            self._progress.say(textwrap.fill(NO_LOSS_WARNING, width=80))

    def histograms(self, done: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Tell how the numbers of each array are spread."""
        for name, values in arrays.items():
            self._telemetry.histogram(done, f"weights/{name}", values)

    def end(self, done: int, values: Mapping[str, float]) -> None:
        """Tell what the weights that are kept measure."""
        self._scalars(done, {f"final/{name}": value for name, value in values.items()})
        self._telemetry.end()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._progress.say(line)

    def flush(self) -> None:
        """Bring to disk what was told: before a checkpoint, so that a resume leaves no gap."""
        self._telemetry.flush()
        self._log.flush()

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        if values:
            self._telemetry.scalars(step, values)
            self._log.add(step, values)


class NoLogbook(AbstractContextManager["NoLogbook"]):
    """Tells nothing: what all workers find, the chief tells."""

    def __exit__(self, *_: object) -> None:
        """There is nothing to close."""

    def _nothing(self, *_: object) -> None:
        """Take what the same method of Logbook takes."""

    settings = steps = epoch = histograms = end = say = flush = _nothing


def _speed(state: State) -> dict[str, float]:
    """Of this epoch so far; the first step of a sitting, which compiles, does not count."""
    if not state.seconds:
        return {}
    return {
        "train/images_per_s": state.images / state.seconds,
        "train/data_wait": state.waited / state.seconds,
        "train/step_seconds": state.seconds / state.counted,
    }
