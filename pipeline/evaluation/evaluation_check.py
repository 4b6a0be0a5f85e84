"""Checks of the evaluate section before training, so that a wrong protocol or gate fails early."""

from collections.abc import Sequence
from pathlib import Path

from datasets.spec import DatasetSpec
from pipeline.config.evaluate import EvaluateConfig
from pipeline.errors import UserError
from pipeline.evaluation import metric_names
from pipeline.evaluation.protocols import registry
from pipeline.input import records


def require(ingest: Path, settings: EvaluateConfig) -> None:
    """Check the evaluate section against the ingested data.

    Args:
        ingest: Folder of the ingest step.
        settings: The recipe's evaluate section.

    Raises:
        UserError: The split holds no images, a protocol does not fit the classes, or the gate names an unknown metric.
    """
    records.require(ingest / "records", settings.split)
    if lines := problems(settings, DatasetSpec.read(ingest / "spec.json")):
        raise UserError("\n".join(lines))


def problems(settings: EvaluateConfig, spec: DatasetSpec) -> list[str]:
    """Return what in the evaluate section does not fit a dataset: protocols, and metrics that the gate names."""
    misfits = registry.problems(settings.protocols or (), spec)
    return misfits + metric_problems(list(settings.gate), settings, spec)


def metric_problems(
    names: Sequence[str], settings: EvaluateConfig, spec: DatasetSpec, *, key: str = "evaluate.gate"
) -> list[str]:
    """Return one line for each name that is no metric of such an evaluation; see metric_names.problems.

    Args:
        names: Names of metrics.
        settings: The recipe's evaluate section.
        spec: The dataset.
        key: The setting or option that names the metrics.
    """
    if not names:
        return []  # without importing a protocol, and NumPy
    # Protocols that the recipe names may not fit: `problems` reports them, and their metrics are known all the same.
    used = registry.chosen(None, spec) if settings.protocols is None else settings.protocols
    metrics = {name: registry.definition(name).metrics for name in used}
    return metric_names.problems(names, spec.classes, metrics, key=key)
