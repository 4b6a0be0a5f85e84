"""What a SavedModel says of itself: classes, colours, what it measured, whose data it saw."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets.spec import IGNORE, DatasetSpec
from pipeline import json_file
from pipeline.config import ModelConfig
from pipeline.errors import UserError

FILE = Path("assets.extra", "segline.json")
"""Its place inside a SavedModel; `assets.extra` is the format's folder for files of one's own."""

FORMAT = 1
"""Raised when a reader of the older form would go wrong."""


def write(
    saved_model: Path,
    *,
    spec: DatasetSpec,
    model: ModelConfig,
    size: tuple[int, int] | None,
    metrics: Mapping[str, Any],
    signatures: Mapping[str, str],
) -> None:
    """Write the facts into a SavedModel.

    Args:
        saved_model: Its folder.
        spec: The dataset's facts; licence and citation go with the weights.
        model: Which network it is.
        size: (height, width) that the network sees, or None for the image's own; the signatures resize by themselves.
        metrics: The evaluation, without what is as long as the split.
        signatures: What goes into each signature and what comes out.
    """
    (saved_model / FILE).parent.mkdir(exist_ok=True)
    facts = {
        "format": FORMAT,
        "classes": list(spec.classes),
        "colours": [list(colour) for colour in spec.colours],
        "ignore": IGNORE,
        "size": size,
        "model": model.model_dump(mode="json"),
        "signatures": dict(signatures),
        "metrics": dict(metrics),
        "data": {
            "name": spec.name,
            "homepage": spec.homepage,
            "licence": spec.licence,
            "citation": spec.citation,
        },
    }
    json_file.write(saved_model / FILE, facts)


def read(saved_model: Path) -> dict[str, Any]:
    """Read the facts of a SavedModel.

    Raises:
        UserError: The model holds none, or in a newer form.
    """
    path = saved_model / FILE
    if not path.is_file():
        raise UserError(
            f"{str(saved_model)!r} is not a model that Segline exported: it has no {FILE}. "
            "Give a folder that `segline run` made, such as workspace/serving/<name>/<version>."
        )
    facts: dict[str, Any] = json_file.read(path)
    if facts["format"] > FORMAT:
        raise UserError(
            f"{str(path)!r} is of format {facts['format']}, this Segline reads up to {FORMAT}. Install a newer Segline."
        )
    return facts
