"""Collective operations of the workers that share a step, between its computations. A single worker sends nothing."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import tensorflow as tf

Item = TypeVar("Item")

INT64_BYTES = 8


class Team:
    """The processes that share a strategy. All of them must make the same calls in the same order.

    Args:
        strategy: The devices of all workers.

    Attributes:
        size: Number of workers.
        index: Index of this worker, from 0.

    >>> team = Team(tf.distribute.get_strategy())
    >>> team.is_single, team.is_chief, team.sum(np.array([1, 2])).tolist(), team.gather_bytes(b"ids")
    (True, True, [1, 2], [b'ids'])
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self._strategy = strategy
        resolver = strategy.cluster_resolver
        self.size = resolver.cluster_spec().num_tasks("worker") if resolver else 1
        self.index: int = resolver.task_id if resolver else 0
        self._total = tf.function(self._all_reduce)

    @property
    def is_single(self) -> bool:
        """Whether there is one worker only."""
        return self.size == 1

    @property
    def is_chief(self) -> bool:
        """Whether this worker is the first, the only one that writes and prints."""
        return self.index == 0

    @property
    def local_replicas(self) -> int:
        """Number of devices of this worker."""
        return int(self._strategy.num_replicas_in_sync) // self.size

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Sum an int64 or float64 array of any shape over the workers; all receive the same bits."""
        if self.is_single:
            return array
        total: np.ndarray = self._total(tf.constant(array)).numpy()
        return total

    def any(self, flag: object) -> bool:
        """Return whether `flag` is true at one worker at least."""
        return bool(self.sum(np.array(int(bool(flag)), np.int64)))

    def broadcast(self, number: int) -> int:
        """Return the chief's number at every worker."""
        return int(self.sum(np.array(number if self.is_chief else 0, np.int64)))

    def gather(self, keys: np.ndarray) -> np.ndarray:
        """Concatenate the workers' arrays, int64 [N] with the same N at each, in the workers' order."""
        rows = np.zeros([self.size, len(keys)], np.int64)
        rows[self.index] = keys
        return self.sum(rows).ravel()

    def gather_bytes(self, packed: bytes) -> list[bytes]:
        """Return the bytes of each worker, of any length, in the workers' order."""
        if self.is_single:
            return [packed]
        lengths = self.gather(np.array([len(packed)], np.int64)).tolist()
        row = np.zeros(-(-max(lengths) // INT64_BYTES) * INT64_BYTES, np.uint8)
        row[: len(packed)] = np.frombuffer(packed, np.uint8)
        rows = np.split(self.gather(row.view(np.int64)).view(np.uint8), self.size)
        return [each[:length].tobytes() for each, length in zip(rows, lengths, strict=True)]

    def in_lockstep(self, items: Iterable[Item]) -> Iterator[Item]:
        """Iterate over this worker's items; workers start each one together and end when all have none left.

        So no worker waits for another longer than one item takes, however different their numbers of items are.
        """
        remaining = iter(items)
        item = next(remaining, None)
        while self.any(item is not None):
            if item is not None:
                yield item
            item = next(remaining, None)

    def barrier(self) -> None:
        """Return once all workers have made this call."""
        self.sum(np.zeros([], np.int64))

    def _all_reduce(self, array: tf.Tensor) -> tf.Tensor:
        def on_replica() -> tf.Tensor:
            replica = tf.distribute.get_replica_context()
            # Every replica of a worker sees the worker's array: only the first one contributes it.
            own = tf.cast(replica.replica_id_in_sync_group % self.local_replicas == 0, array.dtype)
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, array * own)

        return self._strategy.experimental_local_results(self._strategy.run(on_replica))[0]
