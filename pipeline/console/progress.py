"""Progress of long work: a bar with the time left on a terminal; in a log a plain line every 10 s."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, TextIO

from pipeline.console.quiet import STDERR
from pipeline.console.terminal import duration

if TYPE_CHECKING:
    from tqdm import tqdm

SECONDS = 10.0
"""Time between two lines of a log; shorter work prints none."""


class Progress(AbstractContextManager["Progress"]):
    """Counts what is done, from any thread.

    Args:
        what: The step or command.
        total: Number of things to do; None: not known yet.
        unit: The things, in the plural.
        done: Number of things that need not be done, as their results are reused; no time was spent on them.
        shown: Whether anything is printed: of several workers, only the first one prints.
        screen: Where the bar is drawn if it is a terminal; None: standard error. Lines go to standard output.
    """

    def __init__(
        self,
        what: str,
        total: int | None,
        unit: str = "images",
        *,
        done: int = 0,
        shown: bool = True,
        screen: TextIO | None = None,
    ) -> None:
        self._what, self._total, self._unit, self._first, self._done = what, total, unit, done, done
        self._screen, self._lines = screen or sys.stderr, sys.stdout
        self._shown = shown
        self._began = self._printed = time.monotonic()
        self._lock = Lock()
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> "Progress":
        if self._shown and self._screen.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=self._total,
                initial=self._done,
                desc=self._what,
                unit=f" {self._unit}",
                bar_format="{desc} |{bar}| {n_fmt} of {total_fmt}{unit}, {remaining} left",
                file=self._screen,
                dynamic_ncols=True,
                leave=False,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, number: int = 1) -> None:
        """Count `number` more things as done."""
        with self._lock:
            self._show(self._done + number)

    def show(self, done: int, total: int) -> None:
        """Show that `done` things of `total` are done."""
        with self._lock:
            self._total = total
            if self._bar is not None:
                self._bar.total = total
            self._show(done)
            if self._bar is not None:
                self._bar.refresh()

    def _show(self, done: int) -> None:
        step, self._done = done - self._done, done
        if self._bar is not None:
            self._bar.update(step)
        elif self._shown and time.monotonic() - self._printed >= SECONDS:
            self._printed = time.monotonic()
            print(f"{self._what:<9} {self._line()}", file=self._lines, flush=True)

    def _line(self) -> str:
        if self._total is None:
            return f"{self._done:,} {self._unit}"
        new = self._done - self._first
        seconds = (time.monotonic() - self._began) * (self._total - self._done) / new if new else None
        left = "" if seconds is None else f", {duration(seconds)} left"
        return f"{self._done:,} of {self._total:,} {self._unit}{left}"


@contextmanager
def beside_logs(what: str, total: int | None) -> Iterator[Progress]:
    """Show progress on standard error as it is now; the block may send standard error, with its logs, elsewhere."""
    with os.fdopen(os.dup(STDERR), "w") as screen, Progress(what, total, screen=screen) as progress:
        yield progress
