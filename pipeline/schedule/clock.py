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
        """Return when the wall clock shows `moment` or later, or as much time has passed as was left to it at first.

        A clock that is set back meanwhile makes the wait no longer.
        """
        left = moment - self.now()
        while left > 0 and (shown := moment - self.now()) > 0:
            nap = min(shown, left, LONGEST_NAP)
            self.sleep(nap)
            left -= nap
