"""What TensorFlow says when another worker has gone, told as what happened and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from pipeline.cluster.team import Team
from pipeline.errors import WorkerLost

ABSENCES = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
)
"""What collective operations raise on the workers that are left."""


@contextmanager
def told(
    team: Team, *, again: str = "goes on from the last checkpoint", key: str = "train.timeout_s"
) -> Iterator[None]:
    """Inside the block, turn the errors of collective operations into WorkerLost where there are several workers.

    Args:
        team: The workers.
        again: What the same command does next time.
        key: Setting that limits how long one waits for another.
    """
    try:
        yield
    except ABSENCES as error:
        if team.alone:
            raise
        first = str(error.message).strip().splitlines()[0][:200]
        raise WorkerLost(
            f"worker {team.index} of {team.size} ends: another one has gone, or did not answer within "
            f"{key} ({type(error).__name__}: {first}). The same command, on all of them, {again}; its own log says why "
            "the other one ended."
        ) from error
