"""The job of a recipe: the ids of its images, its settings, its graph, its validation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models import segmenter
from pipeline.input import record_dataset
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.training import tensorboard_pictures
from pipeline.training.job import Job
from pipeline.training.recipe_job import make_job

TINY = str(Path(__file__).parents[2] / "tiny.yaml")


@pytest.fixture(scope="module")
def job(ingested: Path, validated: Path) -> Job:
    settings = ["data.manual_dir=unused", "input.copies=[gamma, flip_up_down]", "train.tensorboard.graph=true"]
    config = load_recipe(TINY, settings).only(("input", "model", "train"))
    inputs = {"ingest": ingested, "validate": validated}
    return make_job(config, inputs, 2, tf.distribute.OneDeviceStrategy("/cpu:0"))


def test_keys_of_a_batch_map_to_the_ids_of_images_and_copies(job: Job, ingested: Path) -> None:
    batches = job.batches(0, 0)
    keys = np.concatenate([next(batches)["key"].numpy() for _ in range(6)])  # an epoch: 8 images and 16 copies
    ids = job.image_ids(keys)
    records = record_dataset.encoded(ingested / "records", "train").as_numpy_iterator()
    every = [record["id"].decode() for record in records]
    assert sorted(ids) == sorted(3 * every) and len(set(keys.tolist())) == 24


def test_the_graph_holds_the_network_and_none_of_its_weights(job: Job) -> None:
    assert job.display.graph_size
    traced = tensorboard_pictures.trace_graph(job.model, job.display.graph_size)
    graph = tf.compat.v1.GraphDef.FromString(traced)
    assert any("Conv2D" in node.op for node in graph.node) and graph.ByteSize() < 1_000_000


def test_settings_are_those_that_change_the_result(job: Job) -> None:
    settings = job.display.settings
    assert settings["train.learning_rate"] == 1e-2 and settings["input.augment.crop"] == [64, 64]
    assert "train.checkpoint_seconds" not in settings and not any(key.startswith("data") for key in settings)


def test_validation_uses_sliding_windows_where_the_recipe_says_so(
    ingested: Path, validated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training on crops must not fail in its validation because a whole image does not fit the memory."""
    largest: list[int] = []
    logits = segmenter.logits

    def logged(model: Any, images: tf.Tensor, fit: Any) -> tf.Tensor:
        pixels = tf.size(images[0, ..., 0])
        tf.py_function(lambda seen: largest.append(int(seen)), [pixels], [])
        return logits(model, images, fit)

    monkeypatch.setattr(segmenter, "logits", logged)
    settings = ["data.manual_dir=unused", "train.validate_window=[48, 64]", "train.samples=0"]
    config = load_recipe(TINY, settings).only(("input", "model", "train"))
    job = make_job(config, {"ingest": ingested, "validate": validated}, 2, tf.distribute.OneDeviceStrategy("/cpu:0"))
    assert job.validate
    validation = job.validate(lambda: None)
    assert largest and max(largest) == 48 * 64 and validation.miou is not None
