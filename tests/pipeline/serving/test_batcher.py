"""Batches by deadline: company is waited for, but not for ever, and never of another size."""

import threading
import time

import numpy as np
import pytest

from pipeline.serving.batcher import MAX_PIXELS, Batcher


class Model:
    """Answers the first channel, slowly if asked, and remembers the batches."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds, self.batches = seconds, []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.batches.append(images.shape)
        time.sleep(self.seconds)
        if (images == 255).any():
            raise ValueError("an image it cannot bear")
        return images[..., 0]


def ask_all(batcher: Batcher, images: list[np.ndarray]) -> list:
    """Ask for every image in a thread of its own; an error stands in an answer's place."""
    answers: list = [None] * len(images)

    def ask(index: int) -> None:
        try:
            answers[index] = batcher.ask(images[index])
        except ValueError as error:
            answers[index] = error

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return answers


def image(value: int, height: int = 4, width: int = 5) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_each_gets_its_own_answer_and_sizes_are_kept_apart():
    model = Model()
    batcher = Batcher(model, size=4, seconds=0.3)
    images = [image(value, height=4 + value % 2) for value in range(12)]
    answers = ask_all(batcher, images)
    batcher.close()
    assert all((answer == image[..., 0]).all() for answer, image in zip(answers, images, strict=True))
    assert sum(shape[0] for shape in model.batches) == 12 and max(shape[0] for shape in model.batches) <= 4
    assert len(model.batches) < 12


def test_a_full_batch_does_not_wait_and_a_lone_image_waits_no_longer_than_told():
    model = Model()
    batcher = Batcher(model, size=2, seconds=0.4)
    began = time.monotonic()
    ask_all(batcher, [image(1), image(2)])
    assert time.monotonic() - began < 0.35
    began = time.monotonic()
    batcher.ask(image(3))
    assert 0.35 < time.monotonic() - began < 2
    batcher.close()
    assert [shape[0] for shape in model.batches] == [2, 1]


def test_large_images_go_alone():
    model = Model()
    batcher = Batcher(model, size=8, seconds=0.2)
    ask_all(batcher, [image(1, 1, MAX_PIXELS // 2 + 1)] * 2)
    batcher.close()
    assert [shape[0] for shape in model.batches] == [1, 1]


def test_an_error_reaches_who_asked_and_the_next_is_answered():
    batcher = Batcher(Model(), seconds=0.0)
    with pytest.raises(ValueError, match="cannot bear"):
        batcher.ask(image(255))
    assert (batcher.ask(image(7)) == 7).all()
    batcher.close()
    with pytest.raises(RuntimeError, match="closed"):
        batcher.ask(image(1))
