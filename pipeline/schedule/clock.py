"""The clock of a schedule. Tests replace it with a fake one."""

import time
from collections.abc import Callable
from dataclasses import dataclass

LONGEST_SLEEP = 20.0
"""Seconds. Suspending the machine stops the timer of a long sleep; after a short one the clock is read again."""


@dataclass(frozen=True)
class Clock:
    """Wall clock and sleep.

    Attributes:
        now: Returns seconds since 1970, UTC.
        sleep: Waits for a number of seconds.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def wait_until(self, moment: float) -> None:
        """Return when the wall clock reaches `moment`, or when the seconds left at the call have passed.

        The second condition keeps a clock that is set back meanwhile from making the wait longer.
        """
        left = moment - self.now()
        while left > 0 and (shown := moment - self.now()) > 0:
            nap = min(shown, left, LONGEST_SLEEP)
            self.sleep(nap)
            left -= nap
