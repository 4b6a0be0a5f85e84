"""Run by tests in a process of its own, as TensorFlow can be given logical devices only before its first use.

Trains and scores with one device and with two, on the same batches, and prints both results as JSON.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from models import optimizers
from pipeline.scoring import Scorer
from pipeline.update import make_update

STEPS, BATCH, CLASSES = 6, 4, 11


def build(strategy: tf.distribute.Strategy) -> keras.Model:
    """Two convolutions around a normalisation, to logits [B,H,W,11]."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        images = keras.Input((None, None, 3))
        x = keras.layers.Conv2D(8, 3, padding="same")(keras.layers.Rescaling(1 / 128, -1)(images))
        x = keras.layers.BatchNormalization(synchronized=strategy.num_replicas_in_sync > 1)(x)
        return keras.Model(images, keras.layers.Conv2D(CLASSES, 1)(keras.layers.ReLU()(x)))


def batches() -> tf.data.Dataset:
    """Batches whose halves differ in how many pixels count; in the last one, none of the first half does."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (STEPS * BATCH, 16, 24, 3), np.uint8)
    labels = rng.integers(0, CLASSES, (STEPS * BATCH, 16, 24), np.uint8)
    labels[rng.random(labels.shape) < np.linspace(0, 0.9, STEPS * BATCH)[:, None, None]] = 255
    labels[-BATCH : -BATCH // 2] = 255
    return tf.data.Dataset.from_tensor_slices({"image": images, "label": labels}).batch(BATCH, drop_remainder=True)


def main(folder: Path) -> None:
    """Print {"one": {...}, "two": {...}} with losses, weights and confusion matrix."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategies = {
        "one": tf.distribute.OneDeviceStrategy("/cpu:0"),
        "two": tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]),
    }
    results = {}
    for name, strategy in strategies.items():
        model = build(strategy)
        with strategy.scope():
            optimizer = optimizers.build("sgd", 0.1)
            optimizer.build(model.trainable_variables)
        weights = [0.0, *np.linspace(0.5, 3, CLASSES - 1)]
        update = make_update(model, optimizer, strategy, class_weights=weights, label_smoothing=0.1)
        losses = [float(update(batch)) for batch in strategy.experimental_distribute_dataset(batches())]
        scorer = Scorer(model, CLASSES, None, strategy=strategy)
        results[name] = {
            "losses": losses,
            "weights": [variable.numpy().tolist() for variable in model.weights],
            "confusion": scorer(folder, "val", batch_size=2).tolist(),
            "odd": scorer(folder, "val", batch_size=3).tolist(),
        }
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
