"""What a SavedModel says of itself: classes, colours, what it measured, whose data it saw."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datasets.spec import IGNORE, DatasetSpec
from models.fit import Fit
from pipeline.config.recipe import ModelConfig
from pipeline.errors import UserError
from pipeline.workspace import json_file

FILE = Path("assets.extra", "segline.json")
"""Its place inside a SavedModel; `assets.extra` is the format's folder for files of one's own."""

LABELS = FILE.with_name("labels.txt")
"""Names of the classes, one a line, as runtimes on devices read them."""

MAX_PIXELS = 1 << 24
"""Pixels of the largest image that models took before they said so themselves."""

FORMAT = 1
"""Raised when a reader of the older form would go wrong."""


def write(
    saved_model: Path,
    *,
    spec: DatasetSpec,
    model: ModelConfig,
    fit: Fit | None,
    metrics: Mapping[str, Any],
    signatures: Mapping[str, str],
    formats: Sequence[Mapping[str, Any]] = (),
    max_pixels: int = MAX_PIXELS,
) -> dict[str, Any]:
    """Write segline.json and labels.txt into a SavedModel.

    Args:
        saved_model: Its folder.
        spec: The dataset's facts; licence and citation go with the weights.
        model: Which network it is.
        fit: How images come to the size that the network sees, or None; the signatures do it by themselves.
        metrics: The evaluation, without what is as long as the split.
        signatures: What goes into each signature and what comes out.
        formats: What pipeline.export.formats measured; none where there are no other formats.
        max_pixels: An image file of more pixels is refused.

    Returns:
        What segline.json holds.
    """
    (saved_model / FILE).parent.mkdir(exist_ok=True)
    facts = {
        "format": FORMAT,
        "classes": list(spec.classes),
        "colours": [list(colour) for colour in spec.colours],
        "ignore": IGNORE,
        "size": fit and fit.size,
        "fit": fit and asdict(fit),
        "model": model.model_dump(mode="json"),
        "signatures": dict(signatures),
        "metrics": dict(metrics),
        "formats": [dict(row) for row in formats],
        "max_pixels": max_pixels,
        "image_range": spec.image_range,
        "data": {
            "name": spec.name,
            "homepage": spec.homepage,
            "licence": spec.licence,
            "citation": spec.citation,
        },
    }
    json_file.write(saved_model / FILE, facts)
    (saved_model / LABELS).write_text("".join(f"{name}\n" for name in spec.classes), encoding="utf-8")
    return facts


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
    return {"formats": [], "max_pixels": MAX_PIXELS, "image_range": None, **facts}


def image_range(told: Mapping[str, Any]) -> tuple[float, float] | None:
    """Give the values of a 16-bit image that become 0 and 255, from what `read` gave; None: its high bytes count."""
    return told["image_range"] and tuple(told["image_range"])


def fit(told: Mapping[str, Any]) -> Fit | None:
    """Give how images come to the size that the network sees, from what `read` gave."""
    if not told["size"]:
        return None
    height, width = told["size"]
    return Fit(**{**(told.get("fit") or {}), "size": (height, width)})
