"""Measures the first epoch of a training with a budget, and from it the number of steps. The chief decides for all."""

import time

from pipeline.training import budget
from pipeline.training.job import Job
from pipeline.training.state import State


class BudgetMeter:
    """The clock of a budget, until the number of steps is set.

    Args:
        job: The job; all methods but `mark` need its budget.
        state: The state of the training, with what earlier processes spent.
    """

    def __init__(self, job: Job, state: State) -> None:
        self._job, self._state = job, state
        self._earlier = state.spent
        self._moments: list[float] = []

    @property
    def spent(self) -> float:
        """Seconds of the budget that are spent, by earlier processes too."""
        assert self._job.budget
        return self._earlier + time.monotonic() - self._job.budget.began

    def mark(self, *, first: bool = False) -> None:
        """Note the time, before a validation (`first`), after each of its batches, and after it."""
        self._moments = [*([] if first else self._moments), time.monotonic()]

    def check(self, count: int) -> None:
        """Raise UserError if the budget is much too small; `count` timed steps were the last ones to be added."""
        job, state = self._job, self._state
        if job.budget and state.counted - count < budget.PROBE_STEPS <= state.counted:
            step = self._shared(state.elapsed / state.counted)
            further = max(budget.FEWEST_EPOCHS * job.steps, job.budget.fewest) - state.step
            what = f"{further} more steps, the fewest, at {step:.3g} s each,"
            job.budget.require_enough(self._shared(self.spent), further * step, what)

    def total(self, checkpoint: float) -> tuple[int, str]:
        """Return the steps of the training, and a line about them. The first epoch ends now.

        Args:
            checkpoint: Duration of the last one, in seconds; another follows.

        Raises:
            UserError: Even the fewest steps do not fit.
        """
        job, state = self._job, self._state
        assert job.budget
        step = state.elapsed / state.counted * (1 + checkpoint / job.checkpoint_seconds)
        pace = budget.Pace(step, budget.validation_seconds(self._moments) if job.validate else 0.0, checkpoint)
        spent = self.spent
        # The step evaluate, at one scale, takes a validation. This step does not depend on its section of the recipe.
        last = checkpoint + pace.validation
        least = last + pace.further(job.budget.fewest, job.steps, job.validate_every)
        what = f"{job.budget.fewest - job.steps} more steps, the fewest, their validation and the evaluation"
        job.budget.require_enough(self._shared(spent), self._shared(least), what)
        total = budget.total_steps(
            budget.USED * (job.budget.seconds - spent - last),
            pace,
            steps=job.steps,
            validate_every=job.validate_every,
            fewest=job.budget.fewest,
        )
        total = job.team.broadcast(total) if job.team else total
        return total, job.budget.describe(total, job.steps, pace)

    def _shared(self, seconds: float) -> float:
        """Return the chief's duration at every worker, to the microsecond: one that stopped would leave the others."""
        team = self._job.team
        return team.broadcast(round(1e6 * seconds)) / 1e6 if team else seconds
