"""What workers that share a work agree upon between its steps. Where there is one worker, nothing is sent."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import tensorflow as tf

Item = TypeVar("Item")

WORD = 8
"""Bytes of an int64."""


class Team:
    """The processes that share a strategy. All of them must make the same calls in the same order.

    Args:
        strategy: The devices of all workers.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self._strategy = strategy
        resolver = strategy.cluster_resolver
        self.size = resolver.cluster_spec().num_tasks("worker") if resolver else 1
        self.index: int = resolver.task_id if resolver else 0
        self._total = tf.function(self._all_reduce)

    @property
    def alone(self) -> bool:
        """Whether there is one worker."""
        return self.size == 1

    @property
    def is_chief(self) -> bool:
        """Whether this worker is the first: it alone writes and prints."""
        return self.index == 0

    @property
    def local_replicas(self) -> int:
        """Devices of this worker."""
        return int(self._strategy.num_replicas_in_sync) // self.size

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Add up an array int64 or float64 of any shape over the workers; all get the very same sum."""
        if self.alone:
            return array
        total: np.ndarray = self._total(tf.constant(array)).numpy()
        return total

    def any(self, flag: object) -> bool:
        """Whether `flag` is true at one worker."""
        return bool(self.sum(np.array(int(bool(flag)), np.int64)))

    def first(self, number: int) -> int:
        """Give every worker the chief's number."""
        return int(self.sum(np.array(number if self.is_chief else 0, np.int64)))

    def gather(self, keys: np.ndarray) -> np.ndarray:
        """Join arrays int64 [N], of one length, in the workers' order."""
        rows = np.zeros([self.size, len(keys)], np.int64)
        rows[self.index] = keys
        return self.sum(rows).ravel()

    def collect(self, packed: bytes) -> list[bytes]:
        """Give every worker what each of them has packed, in their order."""
        if self.alone:
            return [packed]
        lengths = self.gather(np.array([len(packed)], np.int64)).tolist()
        row = np.zeros(-(-max(lengths) // WORD) * WORD, np.uint8)
        row[: len(packed)] = np.frombuffer(packed, np.uint8)
        found = np.split(self.gather(row.view(np.int64)).view(np.uint8), self.size)
        return [each[:length].tobytes() for each, length in zip(found, lengths, strict=True)]

    def in_step(self, items: Iterable[Item]) -> Iterator[Item]:
        """Go through items of one's own; workers begin each one together, and end when all have none left.

        So none waits for another longer than one item takes, however different their numbers of items are.
        """
        left = iter(items)
        item = next(left, None)
        while self.any(item is not None):
            if item is not None:
                yield item
            item = next(left, None)

    def wait(self) -> None:
        """Go on when all workers have come here."""
        self.sum(np.zeros([], np.int64))

    def _all_reduce(self, array: tf.Tensor) -> tf.Tensor:
        def on_replica() -> tf.Tensor:
            replica = tf.distribute.get_replica_context()
            own = tf.cast(replica.replica_id_in_sync_group % self.local_replicas == 0, array.dtype)
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, array * own)

        return self._strategy.experimental_local_results(self._strategy.run(on_replica))[0]
