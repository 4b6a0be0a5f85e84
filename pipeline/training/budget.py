"""`train.budget`: the number of steps that a time allows. It is set once, from the pace of the first epoch."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.console.terminal import duration, wrapped
from pipeline.errors import UserError

FILE = "budget.json"

FEWEST_EPOCHS = 2
"""Epochs below which a budget is too small: its schedule would be a warm-up and little else."""

TOLERANCE = 1.05
"""A budget is refused if even the fewest steps end later than this share of it."""

USED = 0.98
"""Share of what is left after the first epoch that steps are planned for: later ones are a little slower."""

PROBE_STEPS = 20
"""Timed steps after which a budget that is much too small is refused, long before it is spent."""


@dataclass(frozen=True)
class Budget:
    """The time that a training has.

    Attributes:
        seconds: All of it, from `began` on.
        began: time.monotonic() when the step began in this process.
        fewest: Fewest steps of the training: its warm-up, the first epoch at least, and one more.
    """

    seconds: float
    began: float
    fewest: int

    def require_enough(self, spent: float, further: float, what: str) -> None:
        """Raise UserError if the fewest steps do not fit.

        Args:
            spent: Seconds so far.
            further: Least seconds from now on.
            what: What takes these, for the message.
        """
        if spent + further > TOLERANCE * self.seconds:
            raise UserError(
                f"train.budget is {duration(self.seconds)}; {duration(spent)} are spent, and {what} take another "
                f"{duration(further)}. Set it to at least {duration(spent + 1.5 * further)}, or make an epoch faster: "
                "a smaller network, a smaller input.augment.crop, fewer images."
            )

    def describe(self, total: int, steps: int, pace: "Pace") -> str:
        """Return lines on the number of steps that was set: `total`, of `steps` each epoch."""
        line = (
            f"budget    {duration(self.seconds)} are {total} steps, {total / steps:.1f} epochs: {pace.step:.2g} s each"
        )
        if pace.validation:
            line += f", {duration(pace.validation)} a validation"
        if total < FEWEST_EPOCHS * steps or total <= self.fewest:
            line += ". The budget is too small for this recipe; a larger one, or a faster epoch, helps."
        return wrapped(line)


@dataclass(frozen=True)
class Pace:
    """Durations in seconds, without what only happens once, such as compiling.

    Attributes:
        step: Of a step, with its share of the logs and of the checkpoints within an epoch.
        validation: Of a validation; 0: there is none.
        checkpoint: Of the checkpoint at the end of an epoch.
    """

    step: float
    validation: float
    checkpoint: float

    def further(self, total: int, steps: int, validate_every: int) -> float:
        """Return the seconds from the end of the first epoch to the end of a training of `total` steps.

        >>> Pace(step=1, validation=10, checkpoint=2).further(25, steps=10, validate_every=1)
        39
        """
        epochs = math.ceil(total / steps)
        validations = epochs // validate_every - 1 // validate_every + (epochs % validate_every > 0)
        whole = (total - steps) * self.step + (epochs - 1) * self.checkpoint
        return whole + (validations * self.validation if epochs > 1 else 0)


def total_steps(seconds: float, pace: Pace, *, steps: int, validate_every: int, fewest: int) -> int:
    """Return the most steps, at least `fewest`, that end within `seconds` from the end of the first epoch on.

    >>> total_steps(39, Pace(step=1, validation=10, checkpoint=2), steps=10, validate_every=1, fewest=11)
    25

    Args:
        seconds: What the first epoch leaves of the budget.
        pace: Of the first epoch.
        steps: Steps of an epoch.
        validate_every: Epochs between two validations; the last epoch always has one.
        fewest: Fewest steps of the training.
    """
    candidates = range(steps, steps + int(max(seconds, 0) / pace.step) + 1)
    fitting = bisect_right(candidates, seconds, key=lambda total: pace.further(total, steps, validate_every))
    return max(fewest, steps + fitting - 1)  # a first epoch that overran leaves nothing: fitting is 0


def validation_seconds(moments: Sequence[float]) -> float:
    """Return the duration of a validation from the moments before it, after each of its batches, and after it.

    Its first batch compiles, so it counts as the mean of the others.
    """
    if len(moments) < 4:
        return moments[-1] - moments[0]
    batches = len(moments) - 2
    return (moments[-2] - moments[1]) * batches / (batches - 1) + moments[-1] - moments[-2]
