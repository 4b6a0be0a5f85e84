"""evaluate: measure a trained model on a whole split, show where it fails, and judge whether it may be served.

metrics.json    every figure                        per_image.npz   what each image contributed to the counts
verdict.json    what the gate found                 speed.json      how fast it was, and on what
pictures/       for the report, overlays/ the same as strips

Several workers share the images; the chief alone sums up, judges and draws.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.spec import DatasetSpec
from pipeline.cluster import devices, heartbeat, worker_lost
from pipeline.cluster.team import Team
from pipeline.config.evaluate import EvaluateConfig
from pipeline.config.recipe import Recipe
from pipeline.drawing import overlays, pictures
from pipeline.errors import UserError
from pipeline.evaluation import gate
from pipeline.evaluation.bootstrap import FEWEST
from pipeline.evaluation.comparison import compare
from pipeline.evaluation.gate import Rival
from pipeline.evaluation.image_counts import FILE as COUNTS
from pipeline.evaluation.image_counts import ImageCounts
from pipeline.evaluation.measurement import Measurement
from pipeline.evaluation.protocols import registry as protocols
from pipeline.evaluation.scoring import Scorer, plan_of
from pipeline.export import facts
from pipeline.input import examples, records
from pipeline.training import trained_model
from pipeline.workspace import json_file

BATCH_SIZE = 1
"""Images scored at once on each device. The last digits of a convolution depend on how many images it is given, and a
pixel on the border between two classes on them: alone, an image is answered alike whoever shares the split with it."""


def run(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    """Measure, draw and judge. The step succeeds whatever the verdict: it is export that a failed gate stops.

    Raises:
        UserError: The split is not there or is empty, or a protocol does not fit the dataset.
        WorkerLost: Another worker has gone, or did not answer in time.
    """
    spec = DatasetSpec.read(inputs["ingest"] / "spec.json")
    data, settings = inputs["ingest"] / "records", config.evaluate
    records.require(data, settings.split)
    names = protocols.chosen(settings.protocols, spec)
    strategy, plan = devices.for_evaluation(settings), plan_of(settings)
    with worker_lost.told(Team(strategy), again="begins the step again", key="evaluate.timeout_s"):
        with strategy.scope():
            model = trained_model.load(inputs["train"], config.model, spec.num_classes)
        scorer = Scorer(model, spec.num_classes, config.input.fitting, strategy=strategy, plan=plan, answers=True)
        measurement = Measurement(spec, {name: protocols.build(name, spec, data, settings.split) for name in names})
        speed = _measure(scorer, measurement, data, settings.split)
        heartbeat.end()
        if scorer.team.is_chief:
            weights = int(sum(np.prod(weight.shape) for weight in model.weights))
            json_file.write(out / "speed.json", {**speed, "parameters": weights})
            _conclude(settings, measurement, scorer, spec, data, inputs.get("served"), out)
        scorer.team.wait()  # to the chief, a worker that ended before would be one that died


def _conclude(
    settings: EvaluateConfig,
    measurement: Measurement,
    scorer: Scorer,
    spec: DatasetSpec,
    data: Path,
    served: Path | None,
    out: Path,
) -> None:
    """Sum up, judge and draw what was measured."""
    metrics = {
        "dataset": spec.name,
        "split": settings.split,
        "images": records.splits(data)[settings.split],
        "classes": list(spec.classes),
        "inference": _told(settings),
        **measurement.metrics(resamples=settings.resamples, confidence=settings.confidence, pairs=settings.confusions),
    }
    counts = measurement.counts()
    verdict = _judge(settings, metrics, counts, served)
    json_file.write(out / "metrics.json", metrics)
    json_file.write(out / "verdict.json", verdict)
    counts.write(out / COUNTS)
    _draw(out, metrics, scorer, settings.overlays, data, spec)
    print("\n".join(f"evaluate  {line}" for line in [_figures(metrics), *_gate_lines(verdict)]))


def _told(settings: EvaluateConfig) -> dict[str, Any]:
    """Say how images were looked at; nothing where it is as the exported model does."""
    if plan_of(settings).plain:
        return {}
    told = settings.model_dump(mode="json", include={"inference", "window", "overlap", "scales", "flip"})
    return told if settings.window else {key: told[key] for key in ("inference", "scales", "flip")}


def _measure(scorer: Scorer, measurement: Measurement, data: Path, split: str) -> dict[str, Any]:
    """Score and count every image; say how long it took. The first batch of each size compiles and is not timed.

    Of several workers each counts a part, and the chief's measurement is that of the whole split.
    """
    team = scorer.team
    timed, seconds, seen = 0, 0.0, set()
    began = mark = time.monotonic()
    for batch in team.in_step(scorer.batches(data, split, batch_size=BATCH_SIZE * team.local_replicas)):
        took, size = time.monotonic() - mark, batch.images.shape[:3]
        if size in seen:
            timed, seconds = timed + len(batch.ids), seconds + took
        seen.add(size)
        measurement.add(batch)
        heartbeat.beat()
        mark = time.monotonic()
    found = team.collect(measurement.to_bytes() if not team.is_chief else b"")
    if team.is_chief:
        measurement.join(found[1:])
    rate = float(team.sum(np.array(timed / seconds if seconds else 0.0)))
    return {
        "device": devices.describe(),
        "workers": team.size,
        "replicas": team.size * team.local_replicas,
        "seconds": time.monotonic() - began,
        "images_per_second": rate or None,
    }


def _judge(
    settings: EvaluateConfig, metrics: Mapping[str, Any], counts: ImageCounts, served: Path | None
) -> dict[str, Any]:
    file = served / facts.FILE.with_name(COUNTS) if served else None
    before = ImageCounts.read(file) if file and file.is_file() else None
    told = facts.read(served)["metrics"] if served else None
    same = told is not None and told.get("classes") == metrics["classes"]
    return gate.judge(
        metrics,
        demands=settings.demands,
        max_miou_drop=settings.max_miou_drop,
        served=told,
        refuse_significant_drop=settings.refuse_significant_drop,
        rival=_rival(settings, counts, before, metrics["classes"]) if before and same else None,
        common=len(set(counts.ids) & set(before.ids)) if before else None,
    )


def _rival(settings: EvaluateConfig, counts: ImageCounts, before: ImageCounts, classes: Sequence[str]) -> Rival | str:
    """Compare with the served model on the images of both, or say why that cannot be."""
    try:
        found = compare(counts, before, classes, replicates=settings.resamples, confidence=settings.confidence)
    except UserError as error:
        return str(error)
    if found.images < FEWEST:
        return f"images in common: {found.images}; to tell a difference from noise, at least {FEWEST} are needed"
    miou = found.differences.get("miou")
    if miou is None:
        return "no pixel of the images of both counts"
    return Rival(found.images, miou.ours - miou.theirs, miou.low, miou.high, settings.confidence)


def _draw(out: Path, metrics: Mapping[str, Any], scorer: Scorer, count: int, data: Path, spec: DatasetSpec) -> None:
    """Read the chosen images again and draw them: only what is shown is ever held, whatever the split's size."""
    choices = overlays.choose(metrics["image_miou"], count)
    wanted = {choice.id for choice in choices} | {pair["image"] for pair in metrics["confused"]}
    chosen = examples.read(data, metrics["split"], ids=wanted)
    pictures.write(out, chosen, scorer.predict, choices, metrics["confused"], spec)


def _figures(metrics: Mapping[str, Any]) -> str:
    miou, accuracy = gate.number(metrics["miou"]), gate.number(metrics["pixel_accuracy"])
    return f"mIoU {miou}, pixel accuracy {accuracy} on {metrics['images']} images of {metrics['split']}"


def _gate_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Say what the gate found: each check that failed, and why one does not apply."""
    if not verdict["checks"]:
        return ["gate: passed (the recipe demands nothing)"]
    if verdict["passed"]:
        applied = sum(check["passed"] is True for check in verdict["checks"])
        return [f"gate: passed ({applied} of {len(verdict['checks'])} checks apply)", *gate.unapplied(verdict)]
    return ["gate: failed", *gate.lines(verdict), *gate.unapplied(verdict)]
