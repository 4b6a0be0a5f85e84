"""When a step that several workers do together must be ended from outside: it hangs, or another worker has gone."""

import os
import time
from collections.abc import Callable
from contextlib import suppress

from pipeline.cluster.heartbeat import END, VARIABLE


class Watch:
    """Listens to the pulse of a child process (see pipeline.cluster.heartbeat).

    A child that has beaten once must beat again within the time. Before, it may take as long as it needs to load,
    connect and compile: there the collective operations of the others run into their own timeout.
    After its end mark it may take as long as it needs, too, whatever becomes of the others: it ends alone.

    Args:
        timeout_s: Seconds without a beat after which the child hangs.
        trouble: Says what is wrong elsewhere, or None.
    """

    def __init__(self, timeout_s: float, trouble: Callable[[], str | None]) -> None:
        self._timeout, self._trouble = timeout_s, trouble
        self._beaten: float | None = None
        self._ends = False
        self._listening, self._speaking = os.pipe()
        for end in (self._listening, self._speaking):
            os.set_blocking(end, False)

    @property
    def pipe(self) -> int:
        """File descriptor that the child inherits."""
        return self._speaking

    @property
    def environment(self) -> dict[str, str]:
        """What tells the child about it."""
        return {VARIABLE: str(self._speaking)}

    def reason(self) -> str | None:
        """Say why the child must be ended now; None: all is well."""
        with suppress(BlockingIOError):
            while heard := os.read(self._listening, 4096):
                self._beaten, self._ends = time.monotonic(), heard.endswith(END)
        if self._ends:
            return None
        if self._beaten is not None and time.monotonic() - self._beaten > self._timeout:
            return (
                f"no step was done for {self._timeout:g} s (train.timeout_s): this worker hangs, or waits for one that "
                "does"
            )
        return self._trouble()

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._listening)
        os.close(self._speaking)
