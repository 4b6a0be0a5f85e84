"""Signs of life of a step to the process that started it, over a pipe: a byte each."""

import os
from contextlib import suppress

BEAT, END = b".", b"!"

VARIABLE = "SEGLINE_PULSE"
"""Number of the pipe's file descriptor; absent where nobody listens."""


def beat() -> None:
    """Say that the step is getting on."""
    _say(BEAT)


def end() -> None:
    """Say that what is left is done alone, and may take its time: no more beats will come."""
    _say(END)


def _say(what: bytes) -> None:
    if pipe := os.environ.get(VARIABLE):
        with suppress(BlockingIOError, BrokenPipeError):  # full of beats that nobody has read yet, or nobody is left
            os.write(int(pipe), what)
