"""The job that a recipe makes: what it calls its images, its settings, and its graph."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models import segmenter
from pipeline.config import recipe_file
from pipeline.input import record_dataset
from pipeline.training.job import Job
from pipeline.training.recipe_job import make_job

TINY = str(Path(__file__).parents[2] / "tiny.yaml")


@pytest.fixture(scope="module")
def job(ingested: Path, validated: Path) -> Job:
    settings = ["data.manual_dir=unused", "input.copies=[gamma, flip_up_down]", "train.tensorboard.graph=true"]
    config = recipe_file.load(TINY, settings).only(("input", "model", "train"))
    inputs = {"ingest": ingested, "validate": validated}
    return make_job(config, inputs, 2, tf.distribute.OneDeviceStrategy("/cpu:0"))


def test_keys_of_a_batch_lead_back_to_the_images_copies_too(job: Job, ingested: Path) -> None:
    batches = job.batches(0, 0)
    keys = np.concatenate([next(batches)["key"].numpy() for _ in range(6)])  # an epoch: 8 images and 16 copies
    found = job.names(keys)
    records = record_dataset.encoded(ingested / "records", "train").as_numpy_iterator()
    every = [record["id"].decode() for record in records]
    assert sorted(found) == sorted(3 * every) and len(set(keys.tolist())) == 24


def test_the_graph_holds_the_network_and_none_of_its_weights(job: Job) -> None:
    assert job.graph
    graph = tf.compat.v1.GraphDef.FromString(job.graph())
    assert any("Conv2D" in node.op for node in graph.node) and graph.ByteSize() < 1_000_000


def test_settings_are_those_that_change_the_result(job: Job) -> None:
    assert job.settings["train.learning_rate"] == 1e-2 and job.settings["input.augment.crop"] == [64, 64]
    assert "train.checkpoint_seconds" not in job.settings and not any(key.startswith("data") for key in job.settings)


def test_validation_looks_window_by_window_where_the_recipe_says_so(
    ingested: Path, validated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image of which only windows fit the memory must not end the training that its crops went through."""
    largest: list[int] = []
    logits = segmenter.logits

    def look(model: Any, images: tf.Tensor, fit: Any) -> tf.Tensor:
        pixels = tf.size(images[0, ..., 0])
        tf.py_function(lambda seen: largest.append(int(seen)), [pixels], [])
        return logits(model, images, fit)

    monkeypatch.setattr(segmenter, "logits", look)
    settings = ["data.manual_dir=unused", "train.validate_window=[48, 64]", "train.samples=0"]
    config = recipe_file.load(TINY, settings).only(("input", "model", "train"))
    job = make_job(config, {"ingest": ingested, "validate": validated}, 2, tf.distribute.OneDeviceStrategy("/cpu:0"))
    assert job.validate
    found = job.validate(lambda: None)
    assert largest and max(largest) == 48 * 64 and found.miou is not None
