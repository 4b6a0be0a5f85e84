"""Turns TensorFlow's errors after the loss of a worker into one that says what happened and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from pipeline.cluster.team import Team
from pipeline.errors import WorkerLost

COLLECTIVE_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
)
"""What collective operations raise on the remaining workers."""


@contextmanager
def explain_worker_loss(
    team: Team, *, rerun: str = "continues from the last checkpoint", key: str = "train.timeout_s"
) -> Iterator[None]:
    """Raise WorkerLost in place of the errors of collective operations, where there are several workers.

    Args:
        team: The workers.
        rerun: What the same command does the next time, for the message.
        key: Setting that limits the time to wait for another worker, for the message.

    Raises:
        WorkerLost: A collective operation inside the block failed.
    """
    try:
        yield
    except COLLECTIVE_ERRORS as error:
        if team.is_single:
            raise
        first = str(error.message).strip().splitlines()[0][:200]
        raise WorkerLost(
            f"worker {team.index} of {team.size} stops: another worker was lost, or did not answer within "
            f"{key} ({type(error).__name__}: {first}). The same command, on all workers, {rerun}; the log of the lost "
            "worker says why it ended."
        ) from error
