"""evaluate: measure a trained model on a whole split, show where it fails, and judge whether it may be served."""

import importlib.metadata
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from datasets.spec import DatasetSpec
from pipeline import examples, facts, figures, gate, json_file, overlays, records, report, scoring, trained
from pipeline.config import Recipe, settings

if TYPE_CHECKING:
    import keras

BATCH_SIZE = 4
"""Images scored at once, at original size: bounds memory; more gains nothing at such sizes."""

Picture = tuple[overlays.Choice, Mapping[str, np.ndarray]]


def run(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    """Write metrics.json, verdict.json, overlays/ and report.html.

    The step succeeds whatever the verdict: it is export that a failed gate stops.

    Raises:
        UserError: The split is not there or is empty.
    """
    spec = DatasetSpec.read(inputs["ingest"] / "spec.json")
    data = inputs["ingest"] / "records"
    split = config.evaluate.split
    records.require(data, split)
    images = records.splits(data)[split]
    model = trained.load(inputs["train"], config.model, spec.num_classes)
    scores = figures.ImageScores(spec.num_classes)
    confusion = scoring.score(
        model, data, split, spec.num_classes, config.input.size, batch_size=BATCH_SIZE, on_batch=scores.add
    )
    metrics = {
        "dataset": spec.name,
        "split": split,
        "images": images,
        "classes": list(spec.classes),
        **figures.summarise(confusion, spec.classes),
        "image_miou": scores.image_miou,
    }
    served = facts.read(inputs["served"])["metrics"] if "served" in inputs else None
    verdict = gate.judge(
        metrics,
        min_miou=config.evaluate.min_miou,
        max_miou_drop=config.evaluate.max_miou_drop,
        served=served,
    )
    json_file.write(out / "metrics.json", metrics)
    json_file.write(out / "verdict.json", verdict)
    choices = overlays.choose(scores.image_miou, config.evaluate.overlays)
    pictures = _draw(choices, model, data, split, config.input.size, spec)
    _write_overlays(out / "overlays", pictures, spec)
    evaluation = report.Evaluation(
        spec=spec,
        metrics=metrics,
        verdict=verdict,
        history=json_file.read(inputs["train"] / "history.json"),
        settings=settings(config, ("input", "model", "evaluate")),
        versions=_versions(),
        pictures=pictures,
    )
    report.write(out / "report.html", evaluation)
    print("\n".join(f"evaluate  {line}" for line in [_figures(metrics), *_gate_lines(verdict)]))


def _draw(
    choices: list[overlays.Choice],
    model: "keras.Model",
    data: Path,
    split: str,
    size: tuple[int, int] | None,
    spec: DatasetSpec,
) -> list[Picture]:
    """Read the chosen images again and draw them: only what is shown is ever held, whatever the split's size."""
    wanted = {choice.id: choice for choice in choices}
    found: dict[str, Picture] = {}
    for example in examples.read(data, split, ids=wanted):
        prediction = trained.class_map(model, example.image, size)
        found[example.id] = (wanted[example.id], overlays.parts(example.image, example.truth, prediction, spec))
    return [found[choice.id] for choice in choices]


def _write_overlays(folder: Path, pictures: list[Picture], spec: DatasetSpec) -> None:
    folder.mkdir()
    for choice, parts in pictures:
        title = f"{choice.kind} {choice.rank}: {choice.id}, mIoU of this image {choice.miou:.3f}"
        Image.fromarray(overlays.strip(parts, spec, title)).save(folder / choice.file)


def _figures(metrics: Mapping[str, Any]) -> str:
    miou, accuracy = gate.number(metrics["miou"]), gate.number(metrics["pixel_accuracy"])
    return f"mIoU {miou}, pixel accuracy {accuracy} on {metrics['images']} images of {metrics['split']}"


def _gate_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Say what the gate found, a line for each check that failed."""
    if not verdict["checks"]:
        return ["gate: passed (the recipe demands nothing)"]
    if verdict["passed"]:
        applied = sum(check["passed"] is True for check in verdict["checks"])
        return [f"gate: passed ({applied} of {len(verdict['checks'])} checks apply)"]
    return ["gate: failed", *(f"  {line}" for line in gate.failures(verdict))]


def _versions() -> dict[str, str]:
    libraries = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
    return {"python": platform.python_version(), **libraries}
