"""A fast training of a model with one weight, for the tests of the loop and of the log."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from datasets.camvid.classes import SPECS
from pipeline.training import step_loops
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.job import Display, Job
from pipeline.training.state import State
from pipeline.training.trainer import Trainer
from pipeline.training.validation import Sample, Validation

EPOCHS, STEPS = 4, 5
SPEC = replace(next(iter(SPECS.values())), classes=("Sky", "Car"), colours=((0, 0, 255), (255, 0, 0)))


class Fake:
    """A training whose batches are numbers, added to the weight, and whose losses and mIoUs the test chooses."""

    def __init__(self, folder: Path, mious: list[float] | None = None, losses: dict[int, float] | None = None) -> None:
        self.folder, self.mious, self.losses = folder, mious or [0.1, 0.4, 0.3, 0.2], losses or {}
        self.on_step: dict[int, Callable[[], None]] = {}
        self.on_validation: dict[int, Callable[[], None]] = {}
        images = keras.Input((1,))
        self.model = keras.Model(images, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(images))
        self.optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        self.optimizer.build(self.model.trainable_variables)

    @property
    def weight(self) -> float:
        return float(self.model.weights[0].numpy()[0, 0])

    def batches(self, epoch: int, step: int) -> Iterator[Any]:
        number = epoch * STEPS + step
        while True:
            number += 1
            yield number

    def update(self, number: int) -> dict[str, tf.Tensor]:
        self.optimizer.apply([tf.constant([[float(number)]])])
        self.on_step.get(number, lambda: None)()
        loss = self.losses.get(number, 1 / number)
        return {"loss": tf.constant(loss), "finite": tf.constant(float(np.isfinite(loss)))}

    def validate(self, between: Callable[[], None]) -> Validation:
        epoch = int(self.optimizer.iterations.numpy()) // STEPS
        self.on_validation.get(epoch, lambda: None)()
        between()
        miou = self.mious[epoch - 1]
        image = np.full((4, 8, 3), epoch, np.uint8)
        sample = Sample("first", image, image[..., 0] % 2, np.zeros((4, 8), np.uint8))
        iou = {"Sky": miou, "Car": None}
        return Validation(miou, 1 - miou, 1 / epoch, iou, np.array([[epoch, 1], [0, 0]]), [sample])

    def train(self, **settings: Any) -> State:
        run_steps = step_loops.one_by_one(self.update)
        job = Job(
            model=self.model,
            optimizer=self.optimizer,
            batches=self.batches,
            learning_rate=lambda step: 0.1 / (step + 1),
            **{
                "step_runner": lambda epoch: run_steps,
                "validate": self.validate,
                "total": EPOCHS * STEPS,
                "steps": STEPS,
                "batch_size": 2,
                "display": Display(SPEC, samples=1),
                "validate_every": 1,
                "checkpoint_seconds": 1e9,
                **settings,
            },
        )
        return Trainer(job, Checkpoints(self.folder / "checkpoints"), self.folder).run()
