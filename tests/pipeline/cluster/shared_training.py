"""Run by test_shared_training.py in separate processes: one training, on one device or shared by several.

It has everything that depends on the whole batch: ignored pixels, class weights, L2, synchronised batch normalisation,
a clipped gradient, and a validation split that the devices cannot share evenly.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models import catalog
from pipeline.cluster import devices
from pipeline.cluster.team import Team
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.recipe_job import make_job
from pipeline.training.trainer import Trainer
from tests.pipeline.cluster import loopback

L2 = 1e-2
build = catalog.build


def penalised(*arguments: Any, **settings: Any) -> keras.Model:
    """Build a model of the catalogue with L2 regularisation of its kernels."""
    model = build(*arguments, **settings)
    for variable in model.trainable_variables:
        if variable.path.endswith("kernel"):
            variable.regularizer = keras.regularizers.L2(L2)
    return model


def train(strategy: tf.distribute.Strategy, path: str, inputs: dict[str, Path], steps: int, out: Path) -> None:
    """Train a recipe; write the final weights of every worker, and the history."""
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    team = Team(strategy)
    config = load_recipe(path, ["data.manual_dir=unused"]).only(("input", "model", "train"))
    job = make_job(config, inputs, steps, strategy)
    state = Trainer(job, Checkpoints(out / "checkpoints"), out).run()
    weights = {variable.path: variable.numpy() for variable in job.model.variables}
    np.savez(out / f"worker-{team.index}.npz", allow_pickle=False, **weights)
    if team.is_chief:
        (out / "history.json").write_text(json.dumps(state.history))
    team.barrier()


def main(path: str, ingest: str, validate: str, steps: str, out: str, count: str) -> None:
    """Train on `count` devices of each worker of TF_CONFIG; without TF_CONFIG, on one device and on `count`."""
    catalog.build = penalised
    if int(count) > 1:
        loopback.replicas(int(count))
    tf.config.experimental.enable_op_determinism()
    config = load_recipe(path, ["data.manual_dir=unused"])
    inputs = {"ingest": Path(ingest), "validate": Path(validate)}
    if "TF_CONFIG" in os.environ:
        strategies = {f"workers-{count}": devices.training_strategy(config.train)}
    else:
        several = tf.distribute.MirroredStrategy([f"/cpu:{index}" for index in range(int(count))])
        strategies = {"one": tf.distribute.OneDeviceStrategy("/cpu:0"), "replicas": several}
    for name, strategy in strategies.items():
        train(strategy, path, inputs, int(steps), Path(out, name))


if __name__ == "__main__":
    main(*sys.argv[1:])
