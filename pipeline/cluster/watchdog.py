"""Decides when a step that several workers share must be killed: it hangs, or another worker is lost."""

import os
import time
from collections.abc import Callable
from contextlib import suppress

from pipeline.cluster.heartbeat import END, VARIABLE


class Watch:
    """Receives the heartbeats of a child process (see pipeline.cluster.heartbeat).

    After its first heartbeat a child must send the next ones in time. Before it, the child may take as long as it needs
    to load, connect and compile: meanwhile the other workers' collective operations have their own timeout. After its
    end mark it has no deadline either and the state of the other workers no longer matters: it needs none of them.

    Args:
        timeout_s: Seconds without a heartbeat after which the child counts as hung.
        trouble: Returns what is wrong with another worker, or None.
    """

    def __init__(self, timeout_s: float, trouble: Callable[[], str | None]) -> None:
        self._timeout, self._trouble = timeout_s, trouble
        self._last_beat: float | None = None
        self._finished = False
        self._read_end, self._write_end = os.pipe()
        for end in (self._read_end, self._write_end):
            os.set_blocking(end, False)

    @property
    def pipe(self) -> int:
        """File descriptor that the child inherits."""
        return self._write_end

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that pass the pipe to the child."""
        return {VARIABLE: str(self._write_end)}

    def reason(self) -> str | None:
        """Return why the child must be killed now, or None."""
        with suppress(BlockingIOError):
            while marks := os.read(self._read_end, 4096):
                self._last_beat, self._finished = time.monotonic(), marks.endswith(END)
        if self._finished:
            return None
        if self._last_beat is not None and time.monotonic() - self._last_beat > self._timeout:
            return (
                f"no step completed for {self._timeout:g} s (train.timeout_s): this worker hangs, or waits for one "
                "that hangs"
            )
        return self._trouble()

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._read_end)
        os.close(self._write_end)
