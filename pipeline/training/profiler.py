"""TensorFlow's profiler around chosen steps of a training."""

from contextlib import AbstractContextManager
from pathlib import Path

import tensorflow as tf


class Profiler(AbstractContextManager["Profiler"]):
    """Profiles the calls that hold the chosen steps; leaving the block ends what still runs.

    Args:
        folder: TensorBoard's folder; its page Profile needs the package tensorboard-plugin-profile.
        steps: First and last step of the training, from 1; None: nothing is profiled.
    """

    def __init__(self, folder: Path, steps: tuple[int, int] | None) -> None:
        self._folder, self._steps, self._running = folder, steps, False

    def __exit__(self, *_: object) -> None:
        self._stop()

    def before(self, step: int, count: int) -> None:
        """Note that the next call begins with `step` and does `count` steps."""
        if self._steps and not self._running and self._steps[0] < step + count and step <= self._steps[1]:
            tf.profiler.experimental.start(str(self._folder))
            self._running = True

    def after(self, step: int) -> None:
        """Note that `step` was the last of a call."""
        if self._steps and step >= self._steps[1]:
            self._stop()

    def _stop(self) -> None:
        if self._running:
            tf.profiler.experimental.stop()
            self._running = False
