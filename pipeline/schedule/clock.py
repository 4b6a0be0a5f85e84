"""The clock that a schedule goes by. Tests put their own in its place."""

import time
from collections.abc import Callable
from dataclasses import dataclass

LONGEST_NAP = 20.0
"""Seconds. A machine that is suspended stops the timer of a long sleep; after a short one the clock is read again."""


@dataclass(frozen=True)
class Clock:
    """Wall clock and sleep.

    Attributes:
        now: Seconds since 1970, UTC.
        sleep: Waits so many seconds.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def wait_until(self, moment: float) -> None:
        """Return when the wall clock shows `moment` or later, whatever it was set to meanwhile."""
        while (left := moment - self.now()) > 0:
            self.sleep(min(left, LONGEST_NAP))
