"""TensorFlow's profiler around chosen steps of a training."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import tensorflow as tf

MARKER = "train"
"""Name of the trace events that delimit steps on TensorBoard's Profile page."""


class Profiler(AbstractContextManager["Profiler"]):
    """Profiles the calls that contain the chosen steps; leaving the block stops the profiler.

    Args:
        folder: TensorBoard's folder; its Profile page needs the package tensorboard-plugin-profile.
        steps: First and last step to profile, counted from 1 over the whole training; None: none.
    """

    def __init__(self, folder: Path, steps: tuple[int, int] | None) -> None:
        self._folder, self._steps, self._running = folder, steps, False

    def __exit__(self, *_: object) -> None:
        self._stop()

    @contextmanager
    def call(self, step: int, count: int) -> Iterator[None]:
        """Surround a call that runs `count` steps from `step` on; the profile shows fused steps as one."""
        if self._steps is None or not (self._running or self._contains(step, count, *self._steps)):
            yield
            return
        if not self._running:
            tf.profiler.experimental.start(str(self._folder))
            self._running = True
        with tf.profiler.experimental.Trace(MARKER, step_num=step, _r=1):
            yield
        if step + count > self._steps[1]:
            self._stop()

    @staticmethod
    def _contains(step: int, count: int, first: int, last: int) -> bool:
        """Return whether a call contains one of the steps first..last."""
        return first < step + count and step <= last

    def _stop(self) -> None:
        if self._running:
            tf.profiler.experimental.stop()
            self._running = False
