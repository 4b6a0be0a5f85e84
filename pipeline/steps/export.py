"""export: turn a model that passed the gate into a SavedModel, and prove that it is the model that was evaluated."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from datasets.spec import DatasetSpec
from models.servable import SIGNATURES, Servable
from pipeline import examples, facts, figures, gate, json_file, parity, trained
from pipeline.config import Recipe
from pipeline.errors import GateError

if TYPE_CHECKING:
    import keras


def run(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    """Write saved_model/ and parity.json.

    Raises:
        GateError: The gate did not pass.
        UserError: The SavedModel, loaded in a fresh process, gives other class maps than the evaluated model.
    """
    metrics = json_file.read(inputs["evaluate"] / "metrics.json")
    _require_passed(json_file.read(inputs["evaluate"] / "verdict.json"))
    spec = DatasetSpec.read(inputs["ingest"] / "spec.json")
    model = trained.load(inputs["train"], config.model, spec.num_classes)
    size = config.input.size
    servable = Servable(model, size)
    tf.saved_model.save(servable, out / "saved_model", signatures=servable.signatures())
    facts.write(
        out / "saved_model",
        spec=spec,
        model=config.model,
        size=size,
        metrics=figures.brief(metrics),
        signatures=SIGNATURES,
    )
    result = _compare(model, out / "saved_model", inputs["ingest"] / "records", metrics["split"], config)
    parity.require(result)
    json_file.write(out / "parity.json", result)
    weights = sum(int(tf.size(variable)) for variable in model.trainable_variables)
    print(
        f"export    parity: {result['different_pixels']:,} of {result['pixels']:,} pixels differ, {weights:,} weights"
    )


def _compare(model: "keras.Model", saved_model: Path, data: Path, split: str, config: Recipe) -> dict[str, Any]:
    """Ask the SavedModel about the first images of the evaluated split, and compare with the model in hand."""
    chosen = list(islice(examples.read(data, split), config.export.parity_images))
    with tf.device("CPU:0"):  # where the fresh process computes too; see parity.ENVIRONMENT
        expected = [trained.class_map(model, example.image, config.input.size) for example in chosen]
    return parity.check(
        saved_model,
        files=[example.encoded for example in chosen],
        images=[example.image for example in chosen],
        expected=expected,
    )


def _require_passed(verdict: Mapping[str, Any]) -> None:
    if not verdict["passed"]:
        failed = "\n".join(f"  {line}" for line in gate.failures(verdict))
        raise GateError(
            f"The gate did not pass, so the model is not exported:\n{failed}\n"
            "The report of the evaluate step shows where it fails. Train a better model, or change the demand under "
            "`evaluate` in the recipe."
        )
