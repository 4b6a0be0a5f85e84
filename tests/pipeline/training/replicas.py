"""Run by tests in a separate process, as logical devices can be created only before TensorFlow's first use.

Trains and scores on one device and on two, with the same batches, and prints the results as JSON.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models import blocks, optimizers
from models import catalog as models_catalog
from models.losses import catalog
from pipeline.config.train import Communication
from pipeline.evaluation.scoring import Scorer
from pipeline.training import step_loops
from pipeline.training.moving_average import MovingAverage
from pipeline.training.train_step import make_update

STEPS, BATCH, CLASSES = 20, 4, 11
EVERY = dict.fromkeys(catalog.names(), 0.3)
TWO = {"cross_entropy": 1.0, "dice": 0.5}
WEIGHTS = [0.0, *np.linspace(0.5, 3, CLASSES - 1)]


def build(strategy: tf.distribute.Strategy, *, normalised: bool, local: bool) -> keras.Model:
    """Two convolutions with L2 around a normalisation, to logits [B,H,W,11], and an auxiliary head."""
    synchronized = strategy.num_replicas_in_sync > 1 and not local
    keras.utils.set_random_seed(0)
    with strategy.scope():
        images = keras.Input((None, None, 3))
        x = keras.layers.Rescaling(1 / 128, -1)(images)
        x = keras.layers.Conv2D(8, 3, padding="same", kernel_regularizer=keras.regularizers.L2(1e-2))(x)
        if normalised:
            x = blocks.BatchNorm(synchronized=synchronized, name="norm")(x)
        x = keras.layers.ReLU()(x)
        logits = {name: keras.layers.Conv2D(CLASSES, 1, dtype="float32")(x) for name in ("logits", "head")}
        return keras.Model(images, logits)


def batches() -> tf.data.Dataset:
    """Batches whose halves have different numbers of ignored pixels; the first half of the last has no other."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (STEPS * BATCH, 16, 24, 3), np.uint8)
    labels = rng.integers(0, CLASSES, (STEPS * BATCH, 16, 24), np.uint8)
    labels[rng.random(labels.shape) < np.linspace(0, 0.9, STEPS * BATCH)[:, None, None]] = 255
    labels[-BATCH : -BATCH // 2] = 255
    keys = np.arange(STEPS * BATCH)
    examples = tf.data.Dataset.from_tensor_slices({"image": images, "label": labels, "key": keys})
    return examples.batch(BATCH, drop_remainder=True)


def train(
    strategy: tf.distribute.Strategy,
    *,
    fused: bool = False,
    normalised: bool = True,
    local: bool = False,
    precision: str = "float32",
    **settings: Any,
) -> tuple[keras.Model, dict[str, Any]]:
    """Train for 20 steps; return the model and its losses and weights, and the moving statistics of each device."""
    keras.config.set_dtype_policy(precision)
    model = build(strategy, normalised=normalised, local=local)
    with strategy.scope():
        optimizer = optimizers.build("sgd", 0.1)
        if precision == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(model.trainable_variables)
    average = MovingAverage(model, 0.9, strategy)
    update = make_update(
        model, optimizer, strategy, class_weights=WEIGHTS, label_smoothing=0.1, average=average, **settings
    )
    run_steps = step_loops.fused(update) if fused else step_loops.one_by_one(update)
    data: Iterator[Any] = iter(strategy.experimental_distribute_dataset(batches()))
    calls = [run_steps(data, count) for count in (7, 12, 1)]
    return model, {
        "losses": [figures for call in calls for figures in call.figures],
        "keys": calls[-1].keys.tolist(),
        "weights": [variable.numpy().tolist() for variable in model.weights],
        "average": [variable.numpy().tolist() for variable in average.variables],
        "statistics": [
            [each.numpy().tolist() for each in strategy.experimental_local_results(variable.value)]
            for variable in model.non_trainable_variables
        ],
    }


def messages(strategy: tf.distribute.Strategy, name: str, **settings: Any) -> int:
    """Return the number of collective operations of a step for each device: of a network of the catalogue."""
    with strategy.scope():
        model = models_catalog.build(name, CLASSES, {"width": 8}, **settings)
        optimizer = optimizers.build("sgd", 0.1)
        optimizer.build(model.trainable_variables)
    data = iter(strategy.experimental_distribute_dataset(batches()))
    graph = make_update(model, optimizer, strategy).get_concrete_function(next(data)).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return sum(node.op.startswith("Collective") for node in nodes) // strategy.num_replicas_in_sync


def dropped(strategy: tf.distribute.Strategy) -> list[list[float]]:
    """Apply dropout to the same ones on each device, in two steps."""
    with strategy.scope():
        layer = blocks.Dropout(0.5, seed=3)
        layer.build((1, 64))
    step = tf.function(lambda: tf.concat([layer(tf.ones([1, 64]), training=True) for _ in range(2)], 1))
    return [rows.numpy()[0].tolist() for rows in strategy.experimental_local_results(strategy.run(step))]


def main(folder: Path) -> None:
    """Print {"one": {...}, "two": {...}, ...} with losses, weights, their average and confusion matrices."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategies = {
        "one": tf.distribute.OneDeviceStrategy("/cpu:0"),
        "two": tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]),
    }
    results = {}
    for name, strategy in strategies.items():
        model, results[name] = train(strategy, loss=EVERY)
        scorer = Scorer(model, CLASSES, None, strategy=strategy)
        for title, size in (("confusion", 2), ("odd", 3)):
            batches = scorer.batches(folder, "val", batch_size=size)
            results[name][title] = sum(batch.confusion.sum(axis=0) for batch in batches).tolist()
        results[f"{name}, dropped"] = dropped(strategy)
        results[f"{name}, fused"] = train(strategy, loss=TWO, clip_norm=0.05, fused=True)[1]
        results[f"{name}, clipped"] = train(strategy, loss=TWO, clip_norm=0.05)[1]
        results[f"{name}, float16"] = train(strategy, loss=TWO, clip_norm=0.05, precision="mixed_float16")[1]
        results[f"{name}, in parts"] = train(strategy, loss=TWO, accumulate=2, normalised=False)[1]
    halved = Communication(gradients="bfloat16", bytes_per_pack=1)
    results["two, local"] = train(strategies["two"], loss=TWO, clip_norm=0.05, local=True, communication=halved)[1]
    results["messages"] = messages(strategies["two"], "fast", synchronized=True)
    results["one, whole"] = train(strategies["one"], loss=TWO, normalised=False)[1]
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
