"""Dynamic batching: images of concurrent requests are classified together; each waits a bounded time for others."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Condition, Event, Thread
from typing import Any, Generic, TypeVar

import numpy as np

from pipeline.serving.served_model import BATCH_PIXELS

Answer = TypeVar("Answer")


@dataclass(eq=False)
class _Request:
    image: np.ndarray
    arrived: float
    done: Event = field(default_factory=Event)
    answer: Any = None
    error: BaseException | None = None


class Batcher(Generic[Answer]):
    """Classifies single images for many threads, in batches of images of one size.

    Args:
        classify: The model: images uint8 [B,H,W,3] -> B answers, such as class ids uint8 [B,H,W].
        size: Images of a batch at most.
        max_wait: Seconds that an image waits for others of its size while the model is idle.
    """

    def __init__(
        self, classify: Callable[[np.ndarray], Iterable[Answer]], *, size: int = 8, max_wait: float = 0.005
    ) -> None:
        self._classify, self._size, self._max_wait = classify, size, max_wait
        self._waiting: list[_Request] = []
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    def classify(self, image: np.ndarray) -> Answer:
        """Return the model's answer to one image, uint8 [H,W,3], batched with those of other threads.

        Raises:
            RuntimeError: The batcher is closed.
            Exception: Whatever the model raises, for every image of the batch.
        """
        request = _Request(image, time.monotonic())
        with self._changed:
            if self._closed:
                raise RuntimeError("The batcher is closed.")
            self._waiting.append(request)
            self._changed.notify_all()
        request.done.wait()
        if request.error is not None:
            raise request.error
        answer: Answer = request.answer
        return answer

    def close(self) -> None:
        """Classify the images that wait, then stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            try:
                answers = self._classify(np.stack([request.image for request in batch]))
                for request, answer in zip(batch, answers, strict=True):
                    request.answer = answer
            except BaseException as error:
                for request in batch:
                    request.error = error
            for request in batch:
                request.done.set()

    def _next(self) -> list[_Request]:
        """Wait for a batch: the oldest image and others of its size. Empty once the batcher is closed."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            first = self._waiting[0]
            most = max(1, min(self._size, BATCH_PIXELS // first.image[..., 0].size))
            while (left := first.arrived + self._max_wait - time.monotonic()) > 0 and not self._closed:
                if len(self._same_size(first)) >= most:
                    break
                self._changed.wait(left)
            batch = self._same_size(first)[:most]
            self._waiting = [request for request in self._waiting if request not in batch]
            return batch

    def _same_size(self, first: _Request) -> list[_Request]:
        return [request for request in self._waiting if request.image.shape == first.image.shape]
