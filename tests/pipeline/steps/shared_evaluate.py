"""The evaluate step with one worker or several; test_shared_evaluate.py runs this script in separate processes."""

import os
import sys
from pathlib import Path

import tensorflow as tf

from pipeline.cluster import devices
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.steps import evaluate
from tests.pipeline.cluster import loopback


def main(path: str, ingest: str, train: str, out: str, count: str, *settings: str) -> None:
    """Evaluate on `count` devices of this process, together with the other workers of TF_CONFIG."""
    if int(count) > 1:
        loopback.replicas(int(count))
    if int(count) > 1 and "TF_CONFIG" not in os.environ:
        names = [f"/cpu:{index}" for index in range(int(count))]
        devices.evaluation_strategy = lambda config: tf.distribute.MirroredStrategy(names)
    config = load_recipe(path, ["data.manual_dir=unused", *settings]).only(("input", "model", "evaluate"))
    evaluate.run(config, {"ingest": Path(ingest), "train": Path(train)}, Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
