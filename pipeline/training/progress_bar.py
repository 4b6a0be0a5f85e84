"""What a training shows while it runs: a bar where there is a terminal, and a line for each epoch."""

import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from tqdm import tqdm


class Progress(AbstractContextManager["Progress"]):
    """Shows epoch, loss, mIoU and the time left of the whole training.

    Args:
        epochs: Epochs of the whole training.
        steps: Steps of an epoch.
        done: Steps that an earlier sitting has done.
    """

    def __init__(self, epochs: int, steps: int, done: int) -> None:
        self._epochs, self._total, self._done = epochs, epochs * steps, done
        self._origin: tuple[float, int] | None = None  # when the first steps were done, which compile, and how many

    def __enter__(self) -> "Progress":
        self._bar = tqdm(
            total=self._total,
            initial=self._done,
            bar_format="{desc} |{bar}| {percentage:3.0f} %",
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
            leave=False,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def step(self, done: int, epoch: int, loss: float, miou: float | None) -> None:
        """Move the bar: `done` steps of the training, in `epoch` (from 1), with the newest loss and mIoU."""
        self._done = done
        self._origin = self._origin or (time.monotonic(), done)
        seen = "" if miou is None else f"  val mIoU {miou:.3f}"
        self._bar.set_description_str(
            f"epoch {epoch}/{self._epochs}  loss {loss:.3f}{seen}  left {self._left()}", refresh=False
        )
        self._bar.update(done - self._bar.n)
        self._bar.refresh()

    def say(self, line: str) -> None:
        """Print a line above the bar, to standard output."""
        self._bar.clear()
        print(line, flush=True)
        self._bar.refresh()

    def epoch(self, entry: Mapping[str, Any]) -> None:
        """Print the line of a finished epoch from its entry of the history."""
        parts = [f"epoch {entry['epoch']}/{self._epochs}", f"loss {entry['loss']:.3f}"]
        if entry["miou"] is not None:
            parts.append(f"val mIoU {entry['miou']:.3f}")
        if entry["images_per_s"] is not None:
            parts += [f"{entry['images_per_s']:.0f} img/s", f"data wait {entry['data_wait'] * 100:.0f} %"]
        self.say("  ".join([*parts, f"left {self._left()}"]))

    def _left(self) -> str:
        """Time that the steps to come will take at the speed so far, validation and checkpoints included."""
        began, first = self._origin or (0.0, self._done)
        if self._done == first:
            return "?"
        seconds = (time.monotonic() - began) / (self._done - first) * (self._total - self._done)
        if seconds < 90:
            return f"{seconds:.0f} s"
        minutes = round(seconds / 60)
        return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
