"""Measures the pace of a recipe's network by a few training steps on noise, before there is any data."""

import time

from pipeline.config.recipe import Recipe
from pipeline.console.quiet import quiet

STEPS, SECONDS = 8, 10.0
"""Timed steps at most, and time after which no further one starts."""


def megapixels_per_second(config: Recipe, num_classes: int) -> float:
    """Return the millions of pixels of crops that all devices train in a second.

    One GPU computes its share of a step, and the others count as equally fast.

    Args:
        config: Its sections model and train are used, and input.augment.crop.
        num_classes: Number of classes.

    Raises:
        ModelError: The network cannot be built.
    """
    with quiet():
        import numpy as np
        import tensorflow as tf

        from pipeline.training import initial_weights, optimisation
        from pipeline.training.train_step import make_update
    crop, train = config.input.augment.crop, config.train
    assert crop
    devices = max(1, len(tf.config.list_physical_devices("GPU")))
    images = max(1, train.images // devices)
    model, _ = initial_weights.build(config, num_classes)
    optimizer = optimisation.optimizer(train, model, optimisation.learning_rate(train, 1), 1)
    update = make_update(model, optimizer, tf.distribute.get_strategy(), loss=train.loss)
    rng = np.random.default_rng(0)
    batch = {
        "image": tf.constant(rng.integers(0, 256, (images, *crop, 3), np.uint8)),
        "label": tf.constant(rng.integers(0, num_classes, (images, *crop), np.uint8)),
    }
    durations: list[float] = []
    for _ in range(1 + STEPS):  # the first one compiles
        began = time.monotonic()
        float(update(batch)["loss"])
        durations.append(time.monotonic() - began)
        if sum(durations[1:]) > SECONDS:
            break
    return float(devices * images * crop[0] * crop[1] / np.median(durations[1:]) / 1e6)
