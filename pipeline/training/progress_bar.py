"""The terminal output of a training: a progress bar, where there is a terminal, and a line for each epoch.

No result of a training depends on this module.
"""

import math
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from tqdm import tqdm


class ProgressBar(AbstractContextManager["ProgressBar"]):
    """Shows epoch, loss, mIoU and the remaining time of the whole training.

    Args:
        total: Steps of the whole training; None: not known yet.
        steps: Steps per epoch.
        done: Steps done by earlier processes.
    """

    def __init__(self, total: int | None, steps: int, done: int) -> None:
        self._total, self._steps, self._done = total, steps, done
        self._origin: tuple[float, int] | None = None  # time and steps done after the first call, which compiles

    def __enter__(self) -> "ProgressBar":
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

    def expect(self, total: int) -> None:
        """Show the progress towards `total` steps, which were not known before."""
        self._total = self._bar.total = total

    @property
    def _epochs(self) -> str:
        return "?" if self._total is None else str(math.ceil(self._total / self._steps))

    def update(self, done: int, epoch: int, loss: float, miou: float | None) -> None:
        """Show `done` steps of the whole training, the epoch (from 1), and the newest loss and mIoU."""
        self._done = done
        self._origin = self._origin or (time.monotonic(), done)
        validated = "" if miou is None else f"  val mIoU {miou:.3f}"
        self._bar.set_description_str(
            f"epoch {epoch}/{self._epochs}  loss {loss:.3f}{validated}  left {self._left()}", refresh=False
        )
        self._bar.update(done - self._bar.n)
        self._bar.refresh()

    def print(self, line: str) -> None:
        """Print a line above the bar, to standard output."""
        self._bar.clear()
        print(line, flush=True)
        self._bar.refresh()

    def epoch(self, entry: Mapping[str, Any]) -> None:
        """Print the line of an epoch from its entry in the history."""
        parts = [f"epoch {entry['epoch']}/{self._epochs}", f"loss {entry['loss']:.3f}"]
        if entry["miou"] is not None:
            parts.append(f"val mIoU {entry['miou']:.3f}")
        if entry["images_per_s"] is not None:
            parts += [f"{entry['images_per_s']:.0f} img/s", f"data wait {entry['data_wait'] * 100:.0f} %"]
        self.print("  ".join([*parts, f"left {self._left()}"]))

    def _left(self) -> str:
        """Estimate the remaining time from the speed so far, with validations and checkpoints."""
        began, first = self._origin or (0.0, self._done)
        if self._done == first or self._total is None:
            return "?"
        seconds = (time.monotonic() - began) / (self._done - first) * (self._total - self._done)
        if seconds < 90:
            return f"{seconds:.0f} s"
        minutes = round(seconds / 60)
        return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
