"""Gate: metrics -> the verdict whether the model may be served.

verdict.json    each check: what it requires, what was received, whether it passed; null: nothing was checked

Nothing is measured here, so that another bound, or another served model, gives a new verdict in a second. The step
succeeds whatever the verdict; a failed one stops export (orchestration/follow_up.py).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.config.evaluate import EvaluateConfig
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import EVALUATE
from pipeline.errors import UserError
from pipeline.evaluation import gate, image_counts
from pipeline.evaluation.comparison import compare
from pipeline.evaluation.confusion_metrics import plain
from pipeline.evaluation.gate import PairedDifference
from pipeline.evaluation.image_counts import ImageCounts
from pipeline.evaluation.paired import fewest
from pipeline.export import facts
from pipeline.workspace import json_file


def run(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    """Check the metrics against the recipe's bounds and against the model that is served."""
    metrics = json_file.read(inputs[EVALUATE] / "metrics.json")
    counts = ImageCounts.read(inputs[EVALUATE] / image_counts.FILE)
    verdict = _judge(config.evaluate, metrics, counts, inputs.get("served"))
    json_file.write(out / "verdict.json", verdict)
    print("\n".join(f"gate      {line}" for line in gate.summary(verdict)))


def _judge(
    settings: EvaluateConfig, metrics: Mapping[str, Any], counts: ImageCounts, served: Path | None
) -> dict[str, Any]:
    file = served / facts.FILE.with_name(image_counts.FILE) if served else None
    before = ImageCounts.read(file) if file and file.is_file() else None
    served_metrics = facts.read(served)["metrics"] if served else None
    same = served_metrics is not None and served_metrics.get("classes") == metrics["classes"]
    if before and served_metrics and same:  # from its counts, as the mIoU that an older Segline wrote may differ
        served_metrics = {**served_metrics, "miou": plain(float(before.total().mean_iou()))}
    return gate.judge(
        metrics,
        demands=settings.demands,
        max_miou_drop=settings.max_miou_drop,
        served=served_metrics,
        refuse_significant_drop=settings.refuse_significant_drop,
        paired=_paired(settings, counts, before, metrics["classes"]) if before and same else None,
        common=len(set(counts.ids) & set(before.ids)) if before else None,
    )


def _paired(
    settings: EvaluateConfig, counts: ImageCounts, before: ImageCounts, classes: Sequence[str]
) -> PairedDifference | str:
    """Compare with the served model on the images of both, or say why that cannot be."""
    try:
        comparison = compare(counts, before, classes, replicates=settings.resamples, confidence=settings.confidence)
    except UserError as error:
        return str(error)
    miou = comparison.differences.get("miou")
    if miou is None:
        return "no pixel of the images of both counts"
    if miou.beyond_noise is None:
        return (
            f"images in common on which the models differ: {miou.differing} of {comparison.images}; to tell a "
            f"difference from noise, at least {fewest(settings.confidence)} are needed"
        )
    return PairedDifference(comparison.images, miou.ours - miou.theirs, miou.low, miou.high, settings.confidence)
