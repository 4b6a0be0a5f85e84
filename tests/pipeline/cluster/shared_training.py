"""Run by test_shared_training.py in processes of its own: one training, on one device or shared by several.

What is trained has all that depends on the whole batch: ignored pixels, class weights, L2, batch normalisation that is
synchronised, a clipped gradient, and a validation split that cannot be shared evenly.
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
from pipeline.config import recipe_file
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.recipe_job import make_job
from pipeline.training.trainer import Trainer
from tests.pipeline.cluster import loopback

L2 = 1e-2
build = catalog.build


def penalised(*arguments: Any, **settings: Any) -> keras.Model:
    """Build a model of the catalogue and punish its kernels."""
    model = build(*arguments, **settings)
    for variable in model.trainable_variables:
        if variable.path.endswith("kernel"):
            variable.regularizer = keras.regularizers.L2(L2)
    return model


def train(strategy: tf.distribute.Strategy, path: str, inputs: dict[str, Path], steps: int, out: Path) -> None:
    """Train a recipe and write what every worker ended with, and the history."""
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    team = Team(strategy)
    config = recipe_file.load(path, ["data.manual_dir=unused"]).only(("input", "model", "train"))
    job = make_job(config, inputs, steps, strategy)
    state = Trainer(job, Checkpoints(out / "checkpoints"), out).run()
    weights = {variable.path: variable.numpy() for variable in job.model.variables}
    np.savez(out / f"worker-{team.index}.npz", allow_pickle=False, **weights)
    if team.is_chief:
        (out / "history.json").write_text(json.dumps(state.history))
    team.wait()


def main(path: str, ingest: str, validate: str, steps: str, out: str, count: str) -> None:
    """Train on `count` devices of this process with the workers of TF_CONFIG; without, on one and on all devices."""
    catalog.build = penalised
    if int(count) > 1:
        loopback.replicas(int(count))
    tf.config.experimental.enable_op_determinism()
    config = recipe_file.load(path, ["data.manual_dir=unused"])
    inputs = {"ingest": Path(ingest), "validate": Path(validate)}
    if "TF_CONFIG" in os.environ:
        chosen = {f"workers-{count}": devices.strategy(config.train)}
    else:
        several = tf.distribute.MirroredStrategy([f"/cpu:{index}" for index in range(int(count))])
        chosen = {"one": tf.distribute.OneDeviceStrategy("/cpu:0"), "replicas": several}
    for name, strategy in chosen.items():
        train(strategy, path, inputs, int(steps), Path(out, name))


if __name__ == "__main__":
    main(*sys.argv[1:])
