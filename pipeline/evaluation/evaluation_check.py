"""What can be known of an evaluation before anything is trained: an hour later would be late to learn it."""

from collections.abc import Sequence
from pathlib import Path

from datasets.spec import DatasetSpec
from pipeline.config.evaluate import EvaluateConfig
from pipeline.errors import UserError
from pipeline.evaluation import metric_names
from pipeline.evaluation.protocols import registry as protocols
from pipeline.input import records


def require(ingest: Path, settings: EvaluateConfig) -> None:
    """Check the evaluate section against the ingested data.

    Args:
        ingest: Folder of the ingest step.
        settings: The recipe's evaluate section.

    Raises:
        UserError: The split holds no images, a protocol does not fit the classes, or the gate asks for no figure.
    """
    records.require(ingest / "records", settings.split)
    found = problems(settings, DatasetSpec.read(ingest / "spec.json"))
    if found:
        raise UserError("\n".join(found))


def problems(settings: EvaluateConfig, spec: DatasetSpec) -> list[str]:
    """Say what of the evaluate section does not go with a dataset: protocols, and figures that the gate asks for."""
    found = protocols.problems(settings.protocols or (), spec)
    return found + figure_problems(list(settings.gate), settings, spec)


def figure_problems(
    names: Sequence[str], settings: EvaluateConfig, spec: DatasetSpec, *, key: str = "evaluate.gate"
) -> list[str]:
    """Say which figures an evaluation can never have; `key` asked for them. See figure_names.problems."""
    fitting = not protocols.problems(settings.protocols or (), spec)
    used = protocols.chosen(settings.protocols, spec) if fitting else settings.protocols or ()
    figures = {name: protocols.FIGURES[name] for name in used}
    return metric_names.problems(names, spec.classes, figures, key=key)
