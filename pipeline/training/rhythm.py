"""How many steps a call runs, and after which calls the workers ask each other whether one was interrupted."""

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from pipeline.cluster.team import Team

CALL_SECONDS = 0.25
"""Duration of a call under `steps_per_call: auto`: the return to Python, some milliseconds, is then below 2 % of it,
and Ctrl-C, the progress bar and a checkpoint never wait long."""

MOST_STEPS = 64
"""Steps of a call under `auto`, however fast they are."""

VOTE_SECONDS = 2.0
"""Time between two votes of the workers. Each is a message, and what is left of the notice before a machine is taken
away (SLURM: 30 s, Kubernetes: 30 s) must suffice for a checkpoint."""


class Rhythm:
    """The rhythm of the calls. With several workers the chief's pace decides, so that all of them do the same.

    Args:
        steps_per_call: Steps of a call, or auto.
        team: The workers that train together; None: a single process.

    Attributes:
        steps: Steps of the next call.
    """

    def __init__(self, steps_per_call: int | Literal["auto"], team: "Team | None") -> None:
        self._is_auto = steps_per_call == "auto"
        self._team = None if team is None or team.is_single else team
        self._pace: float | None = None
        self._calls_left = 1
        self.steps = 1 if steps_per_call == "auto" else steps_per_call

    def measure(self, seconds: float, steps: int) -> None:
        """Note the duration of a call of `steps` steps that compiled nothing."""
        self._pace = seconds / steps

    def stop(self, *, requested: bool, now: bool) -> bool:
        """Return whether to stop after this call: a worker was interrupted. Every worker must ask after the same call.

        Args:
            requested: Whether this process was interrupted.
            now: Whether the workers vote even if none is due.
        """
        if self._team is None:
            self.steps, _ = self._plan()
            return requested
        self._calls_left -= 1
        if self._calls_left > 0 and not now:
            return False
        plan = self._plan() if self._team.is_chief else (0, 0)
        stopping, self.steps, self._calls_left = self._team.sum(np.array([requested, *plan], np.int64)).tolist()
        return bool(stopping)

    def _plan(self) -> tuple[int, int]:
        """Return the steps of the next call, and the calls until the next vote."""
        if not self._pace:
            return self.steps, 1
        steps = min(max(1, int(CALL_SECONDS / self._pace)), MOST_STEPS) if self._is_auto else self.steps
        return steps, max(1, int(VOTE_SECONDS / (steps * self._pace)))
