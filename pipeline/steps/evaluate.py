"""Evaluate: measure a trained model on a whole split and show where it fails.

metrics.json    every metric                        per_image.npz   each image's share of the counts
speed.json      how fast it was, and on what        pictures/       for the report; overlays/: the same as strips

Several workers share the images; only the chief sums up and draws.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from datasets.spec import DatasetSpec
from pipeline.cluster import devices, heartbeat
from pipeline.cluster.team import Team
from pipeline.cluster.worker_lost import explain_worker_loss
from pipeline.config.evaluate import EvaluateConfig
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import INGEST, TRAIN
from pipeline.console.progress import Progress
from pipeline.drawing import overlays, pictures
from pipeline.evaluation import image_counts
from pipeline.evaluation.measurement import Measurement
from pipeline.evaluation.metric_text import number
from pipeline.evaluation.protocols import registry
from pipeline.evaluation.scoring import Scorer, plan_of
from pipeline.input import examples, records
from pipeline.training import trained_model
from pipeline.workspace import json_file

BATCH_SIZE = 1
"""Images scored at once on each device. The last digits of a convolution depend on how many images it is given, and a
pixel on the border between two classes on them: one at a time, an image gets the same answer on any worker."""


def run(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    """Measure and draw.

    Raises:
        UserError: The split is not there or is empty, or a protocol does not fit the dataset.
        WorkerLost: Another worker is lost, or did not answer in time.
    """
    spec = DatasetSpec.read(inputs[INGEST] / "spec.json")
    data, settings = inputs[INGEST] / "records", config.evaluate
    records.require(data, settings.split)
    names = registry.chosen(settings.protocols, spec)
    strategy, plan = devices.evaluation_strategy(settings), plan_of(settings)
    with explain_worker_loss(Team(strategy), rerun="starts the step again", key="evaluate.timeout_s"):
        with strategy.scope():
            model = trained_model.load(inputs[TRAIN], config.model, spec.num_classes)
        scorer = Scorer(model, spec.num_classes, config.input.fitting, strategy=strategy, plan=plan)
        measurement = Measurement(spec, {name: registry.build(name, spec, data, settings.split) for name in names})
        speed = _measure(scorer, measurement, data, settings.split)
        heartbeat.finish()
        if scorer.team.is_chief:
            weights = int(sum(np.prod(weight.shape) for weight in model.weights))
            json_file.write(out / "speed.json", {**speed, "parameters": weights})
            _conclude(settings, measurement, scorer, spec, data, out)
        scorer.team.barrier()  # the chief would take a worker that ends earlier for a lost one


def _conclude(
    settings: EvaluateConfig,
    measurement: Measurement,
    scorer: Scorer,
    spec: DatasetSpec,
    data: Path,
    out: Path,
) -> None:
    """Sum up and draw what was measured."""
    metrics = {
        "dataset": spec.name,
        "title": spec.shown_name,
        "split": settings.split,
        "images": records.splits(data)[settings.split],
        "classes": list(spec.classes),
        "inference": _describe(settings),
        **measurement.metrics(confidence=settings.confidence, pairs=settings.confusions),
    }
    json_file.write(out / "metrics.json", metrics)
    measurement.counts().write(out / image_counts.FILE)
    _draw(out, metrics, scorer, settings.overlays, data, spec)
    miou, accuracy = number(metrics["miou"]), number(metrics["pixel_accuracy"])
    images = f"{metrics['images']} images of {metrics['split']}"
    print(f"evaluate  mIoU {miou}, pixel accuracy {accuracy} on {images}")


def _describe(settings: EvaluateConfig) -> dict[str, Any]:
    """Describe sliding windows, scales and flips; {} where inference is that of the exported model."""
    if plan_of(settings).plain:
        return {}
    description = settings.model_dump(mode="json", include={"inference", "window", "overlap", "scales", "flip"})
    return description if settings.window else {key: description[key] for key in ("inference", "scales", "flip")}


def _measure(scorer: Scorer, measurement: Measurement, data: Path, split: str) -> dict[str, Any]:
    """Score and count every image, and time it. The first batch of each size compiles and is not timed.

    Of several workers each counts a part, and the chief's measurement is that of the whole split.
    """
    team = scorer.team
    timed, seconds, seen = 0, 0.0, set()
    start = mark = time.monotonic()
    part = -(-records.splits(data)[split] // team.size)  # the chief's, which no other exceeds
    with Progress("evaluate", part, shown=team.is_chief) as progress:
        for batch in team.in_lockstep(scorer.batches(data, split, batch_size=BATCH_SIZE * team.local_replicas)):
            took, size = time.monotonic() - mark, batch.images.shape[:3]
            if size in seen:
                timed, seconds = timed + len(batch.ids), seconds + took
            seen.add(size)
            measurement.add(batch)
            heartbeat.send()
            progress.add(len(batch.ids))
            mark = time.monotonic()
    parts = team.gather_bytes(measurement.to_bytes() if not team.is_chief else b"")
    if team.is_chief:
        measurement.join(parts[1:])
    rate = float(team.sum(np.array(timed / seconds if seconds else 0.0)))
    return {
        "device": devices.describe(),
        "workers": team.size,
        "replicas": team.size * team.local_replicas,
        "seconds": time.monotonic() - start,
        "images_per_second": rate or None,
    }


def _draw(out: Path, metrics: Mapping[str, Any], scorer: Scorer, count: int, data: Path, spec: DatasetSpec) -> None:
    """Read the chosen images again and draw them, so that memory does not grow with the split."""
    choices = overlays.choose(metrics["image_miou"], count)
    wanted = {choice.id for choice in choices} | {pair["image"] for pair in metrics["confused"]}
    chosen = examples.read(data, metrics["split"], ids=wanted)
    pictures.write(out, chosen, scorer.predict, choices, metrics["confused"], spec)
