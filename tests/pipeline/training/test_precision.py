"""mixed_bfloat16 and mixed_float16: computed in 16 bits, stored in 32, and resumed to the same bits."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.losses.total import Total
from pipeline.errors import UserError
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.gradients import Gradients
from pipeline.training.job import Job
from pipeline.training.recipe_job import make_job
from pipeline.training.step_loops import Call
from pipeline.training.trainer import Trainer

TINY = str(Path(__file__).parents[2] / "tiny.yaml")
STEPS = 2
PRECISIONS = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}


@pytest.fixture(scope="module")
def inputs(ingested: Path, validated: Path) -> dict[str, Path]:
    return {"ingest": ingested, "validate": validated}


def make(inputs: dict[str, Path], precision: str) -> Job:
    keras.utils.set_random_seed(0)
    settings = ["data.manual_dir=unused", f"train.precision={precision}", "train.samples=0"]
    config = load_recipe(TINY, settings).only(("input", "model", "train"))
    job = make_job(config, inputs, STEPS, tf.distribute.OneDeviceStrategy("/cpu:0"))
    return replace(job, validate=None, checkpoint_seconds=1e-9)


def variables(job: Job) -> dict[str, np.ndarray]:
    """Weights, the optimiser's state, and the loss scale with its counter."""
    both = (*job.model.variables, *job.optimizer.variables)
    # Keras numbers unnamed variables differently in each model: "seed_generator_3".
    return {f"{place} {variable.path.split('/')[-1]}": variable.numpy() for place, variable in enumerate(both)}


class Killed(Exception):
    pass


def dies_after(job: Job, calls: int) -> Job:
    """Return the same training, whose process dies after `calls` steps."""
    inner, left = job.step_runner(0), [calls]

    def run_steps(batches: Iterator[Any], count: int) -> Call:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return inner(batches, count)

    return replace(job, step_runner=lambda epoch: run_steps)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.long)])
def test_it_trains_finite_float32_weights_and_resumes_to_the_same_bits(
    inputs: dict[str, Path], tmp_path: Path, precision: str
) -> None:
    def train(folder: Path, job: Job) -> Job:
        folder.mkdir(exist_ok=True)
        state = Trainer(job, Checkpoints(folder / "checkpoints"), folder).run()
        assert len(state.history) == 2 and all(np.isfinite(entry["loss"]) for entry in state.history)
        return job

    job = make(inputs, precision)
    before = variables(job)
    assert (
        job.model.output.dtype == "float32"
        and job.model.get_layer("stem_a_conv").compute_dtype == (PRECISIONS[precision])
    )
    assert isinstance(job.optimizer, keras.optimizers.LossScaleOptimizer) == (precision == "mixed_float16")
    whole = variables(train(tmp_path / "whole", job))
    kernel = next(iter(whole))
    assert kernel == "0 kernel" and np.abs(whole[kernel] - before[kernel]).max() > 1e-3
    for path, array in whole.items():
        assert array.dtype != np.float16 and np.isfinite(array.astype(np.float64)).all(), path
    (tmp_path / "cut").mkdir()
    with pytest.raises(Killed):
        train(tmp_path / "cut", dies_after(make(inputs, precision), 3))
    resumed = variables(train(tmp_path / "cut", make(inputs, precision)))
    assert [path for path, array in whole.items() if not np.array_equal(resumed[path], array)] == []


def test_a_gradient_that_overflows_lowers_the_scale_and_changes_no_weight(inputs: dict[str, Path]) -> None:
    job = make(inputs, "mixed_float16")
    run_steps, batches = job.step_runner(0), job.batches(0, 0)
    assert float(job.optimizer.dynamic_scale.numpy()) == 2**15
    job.optimizer.dynamic_scale.assign(2.0**40)
    weights = [variable.numpy() for variable in job.model.trainable_variables]
    (overflown,) = run_steps(batches, 1).figures
    assert overflown["finite"] == 1 and not np.isfinite(overflown["gradient_norm"])
    assert float(job.optimizer.dynamic_scale.numpy()) == 2.0**39
    for variable, array in zip(job.model.trainable_variables, weights, strict=True):
        np.testing.assert_array_equal(variable.numpy(), array)
    job.optimizer.dynamic_scale.assign(2.0**10)
    (fine,) = run_steps(batches, 1).figures
    assert np.isfinite(fine["gradient_norm"]) and fine["gradient_norm"] < 100  # unscaled again
    assert np.abs(job.model.trainable_variables[0].numpy() - weights[0]).max() > 0


def test_a_gradient_that_is_not_finite_at_any_scale_ends_the_training(inputs: dict[str, Path], tmp_path: Path) -> None:
    """Otherwise no step would change a weight, and the training would seem to succeed."""

    @tf.custom_gradient
    def broken(logits: tf.Tensor) -> Any:
        return logits, lambda gradient: gradient * np.nan

    job = make(inputs, "mixed_float16")
    last = job.model.layers[-1]
    call = last.call
    last.call = lambda *arguments, **options: broken(call(*arguments, **options))
    job.optimizer.dynamic_scale.assign(2.0**-9)
    run_steps, batches = job.step_runner(0), job.batches(0, 0)
    assert [run_steps(batches, 1).figures[0]["finite"] for _ in range(3)] == [1, 1, 0]
    with pytest.raises(UserError, match="The norm of the gradient became nan"):
        Trainer(job, Checkpoints(tmp_path / "checkpoints"), tmp_path).run()


def test_in_parts_a_loss_over_regions_keeps_its_gradient_in_16_bits() -> None:
    """Of many pixels and two classes: divided by the pixels, it would underflow in float16."""
    labels = np.zeros((2, 512, 512), np.uint8)
    labels[:, :, 256:] = 1
    images = np.where(labels[..., None] == 1, 200, 60).astype(np.uint8).repeat(3, -1)
    batch = {"image": tf.constant(images), "label": tf.constant(labels)}
    results = {}
    for precision in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(precision)
        keras.utils.set_random_seed(0)
        inputs = keras.Input((None, None, 3))
        x = keras.layers.Conv2D(4, 1)(keras.layers.Rescaling(1 / 128, -1)(inputs))
        model = keras.Model(inputs, keras.layers.Conv2D(2, 1, dtype="float32")(x))
        gradients = Gradients(model, Total({"dice": 1.0}), lambda loss: loss * 1024, replicas=1, parts=2)
        results[precision] = gradients(batch)[1]
    keras.config.set_dtype_policy("float32")
    for exact, half in zip(results["float32"], results["mixed_float16"], strict=True):
        assert float(tf.norm(half - exact)) < 0.1 * float(tf.norm(exact))
