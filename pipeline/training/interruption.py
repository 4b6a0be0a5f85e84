"""Ctrl-C and SIGTERM as a request to stop at the next safe point, instead of an exception anywhere."""

import os
import signal
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any

STDERR = 2


class Interruption(AbstractContextManager["Interruption"]):
    """Inside the block, Ctrl-C or SIGTERM only sets `requested`. A second Ctrl-C raises KeyboardInterrupt at once.

    A second SIGTERM does not: service managers send it to every process of a group, and the parent forwards it too.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.requested:
            # Not by print: the signal may have interrupted one, and streams are not reentrant.
            os.write(STDERR, b"\nStopping after this step; Ctrl-C again stops at once.\n")
        self.requested = True
