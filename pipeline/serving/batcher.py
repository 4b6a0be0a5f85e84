"""Images of many requests, gathered into batches: one waits for company, but never longer than it was told."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition, Event, Thread

import numpy as np

MAX_PIXELS = 4_000_000
"""Pixels of a batch at most; a larger image goes alone."""


@dataclass(eq=False)
class _Request:
    image: np.ndarray
    arrived: float
    answered: Event = field(default_factory=Event)
    answer: np.ndarray | None = None
    error: BaseException | None = None


class Batcher:
    """Computes class maps for threads that ask for one each.

    Args:
        classify: uint8 [B,H,W,3] -> uint8 [B,H,W].
        size: Images of a batch at most. They must be of one size.
        seconds: The longest that an image waits for others of its size while the model is idle.
    """

    def __init__(self, classify: Callable[[np.ndarray], np.ndarray], *, size: int = 8, seconds: float = 0.005) -> None:
        self._classify, self._size, self._seconds = classify, size, seconds
        self._waiting: list[_Request] = []
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    def ask(self, image: np.ndarray) -> np.ndarray:
        """Classify one image, uint8 [H,W,3] -> uint8 [H,W], together with those of other threads.

        An error of the model reaches all who were in its batch.
        """
        request = _Request(image, time.monotonic())
        with self._changed:
            if self._closed:
                raise RuntimeError("The batcher is closed.")
            self._waiting.append(request)
            self._changed.notify_all()
        request.answered.wait()
        if request.error is not None:
            raise request.error
        assert request.answer is not None
        return request.answer

    def close(self) -> None:
        """Answer who is waiting, and end."""
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
                request.answered.set()

    def _next(self) -> list[_Request]:
        """Wait for a batch: the longest waiting image and those of its size. Empty: there will be none."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            first = self._waiting[0]
            most = max(1, min(self._size, MAX_PIXELS // first.image[..., 0].size))
            while (left := first.arrived + self._seconds - time.monotonic()) > 0 and not self._closed:
                if len(self._like(first)) >= most:
                    break
                self._changed.wait(left)
            batch = self._like(first)[:most]
            self._waiting = [request for request in self._waiting if request not in batch]
            return batch

    def _like(self, first: _Request) -> list[_Request]:
        return [request for request in self._waiting if request.image.shape == first.image.shape]
