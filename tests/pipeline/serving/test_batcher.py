"""Dynamic batching: images wait a bounded time for others of their size."""

import threading
import time

import numpy as np
import pytest

from pipeline.serving.batcher import Batcher
from pipeline.serving.served_model import BATCH_PIXELS


class Model:
    """Returns the first channel after `seconds`, and records the shapes of its batches."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds, self.batches = seconds, []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.batches.append(images.shape)
        time.sleep(self.seconds)
        if (images == 255).any():
            raise ValueError("the model failed")
        return images[..., 0]


def classify_all(batcher: Batcher, images: list[np.ndarray]) -> list:
    """Classify each image in its own thread; the result of a failure is its exception."""
    results: list = [None] * len(images)

    def classify(index: int) -> None:
        try:
            results[index] = batcher.classify(images[index])
        except ValueError as error:
            results[index] = error

    threads = [threading.Thread(target=classify, args=(index,)) for index in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return results


def image(value: int, height: int = 4, width: int = 5) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_each_image_gets_its_own_result_and_sizes_are_not_mixed():
    model = Model()
    batcher = Batcher(model, size=4, max_wait=0.3)
    images = [image(value, height=4 + value % 2) for value in range(12)]
    results = classify_all(batcher, images)
    batcher.close()
    assert all((result == image[..., 0]).all() for result, image in zip(results, images, strict=True))
    assert sum(shape[0] for shape in model.batches) == 12 and max(shape[0] for shape in model.batches) <= 4
    assert len(model.batches) < 12


def test_a_full_batch_does_not_wait_and_a_single_image_waits_for_max_wait():
    model = Model()
    batcher = Batcher(model, size=2, max_wait=0.4)
    began = time.monotonic()
    classify_all(batcher, [image(1), image(2)])
    assert time.monotonic() - began < 0.35
    began = time.monotonic()
    batcher.classify(image(3))
    assert 0.35 < time.monotonic() - began < 2
    batcher.close()
    assert [shape[0] for shape in model.batches] == [2, 1]


def test_large_images_are_batches_by_themselves():
    model = Model()
    batcher = Batcher(model, size=8, max_wait=0.2)
    classify_all(batcher, [image(1, 1, BATCH_PIXELS // 2 + 1)] * 2)
    batcher.close()
    assert [shape[0] for shape in model.batches] == [1, 1]


def test_an_error_reaches_the_caller_and_the_next_image_is_classified():
    batcher = Batcher(Model(), max_wait=0.0)
    with pytest.raises(ValueError, match="the model failed"):
        batcher.classify(image(255))
    assert (batcher.classify(image(7)) == 7).all()
    batcher.close()
    with pytest.raises(RuntimeError, match="closed"):
        batcher.classify(image(1))
