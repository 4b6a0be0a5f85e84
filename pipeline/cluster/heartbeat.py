"""Heartbeats of a step to the process that started it: one byte each, over a pipe."""

import os
from contextlib import suppress

BEAT, END = b".", b"!"

VARIABLE = "SEGLINE_PULSE"
"""Environment variable with the pipe's file descriptor; unset where no process listens."""


def send() -> None:
    """Report that the step makes progress."""
    _write(BEAT)


def finish() -> None:
    """Report that no further heartbeats come: the rest needs no other worker and may take any time."""
    _write(END)


def _write(mark: bytes) -> None:
    if pipe := os.environ.get(VARIABLE):
        with suppress(BlockingIOError, BrokenPipeError):  # the pipe is full of unread beats, or its reader has ended
            os.write(int(pipe), mark)
