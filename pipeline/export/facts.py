"""The facts that a SavedModel carries: classes, colours, signatures, metrics, data and licence."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import UnionType
from typing import Any

from datasets.spec import IGNORE, DatasetSpec
from models.fit import Fit
from pipeline.config.model import ModelConfig
from pipeline.errors import UserError
from pipeline.workspace import json_file

FILE = Path("assets.extra", "segline.json")
"""Path of the facts inside a SavedModel; `assets.extra` is the format's folder for additional files."""

LABELS = FILE.with_name("labels.txt")
"""Path of the class names, one per line, as runtimes on devices read them."""

MAX_PIXELS = 1 << 24
"""Limit of models without `max_pixels` in their facts."""

OLDER: Mapping[str, Any] = {
    "formats": [],
    "max_pixels": MAX_PIXELS,
    "image_range": None,
    "image_exif": "ignore",
    "image_bands": None,
}
"""What older models, which lack these facts, did."""

KINDS: Mapping[str, type | UnionType] = {
    "classes": list,
    "colours": list,
    "size": list | None,
    "model": dict,
    "signatures": dict,
    "metrics": dict,
    "max_pixels": int,
    "data": dict,
}
"""Types of what readers of facts use."""

FORMAT = 1
"""Version of segline.json; to be raised when an older reader would misread it."""


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
        saved_model: Folder of the SavedModel.
        spec: The dataset; its licence and citation go with the weights.
        model: The recipe's model section.
        fit: How images are brought to the network's input size, or None; the signatures do it themselves.
        metrics: Metrics of the evaluation; see confusion_metrics.brief.
        signatures: Description of each signature's input and output.
        formats: Rows of pipeline.export.formats.measure.
        max_pixels: An image file of more pixels is refused.

    Returns:
        The content of segline.json.
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
        **of_files(spec, max_pixels),
        "data": {
            "name": spec.shown_name,
            "homepage": spec.homepage,
            "licence": spec.licence,
            "citation": spec.citation,
        },
    }
    json_file.write(saved_model / FILE, facts)
    (saved_model / LABELS).write_text("".join(f"{name}\n" for name in spec.classes), encoding="utf-8")
    return facts


def of_files(spec: DatasetSpec, max_pixels: int) -> dict[str, Any]:
    """Return the facts by which image files are read."""
    own = {name: getattr(spec, name) for name in ("image_range", "image_exif", "image_bands")}
    return {"max_pixels": max_pixels, **own}


def read(saved_model: Path) -> dict[str, Any]:
    """Read the facts of a SavedModel.

    Raises:
        UserError: The model has none, or they are damaged, or of a newer format.
    """
    path = saved_model / FILE
    if not path.is_file():
        raise UserError(
            f"{str(saved_model)!r} is not a model that Segline exported: it has no {FILE}. "
            "Give a folder that `segline run` made, such as workspace/serving/<name>/<version>."
        )
    try:
        facts: dict[str, Any] = dict(json_file.read(path))
        is_newer = facts["format"] > FORMAT
        if not is_newer:
            require_shape(facts)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{str(path)!r} is damaged ({error}). Export the model again, or use another one.") from None
    if is_newer:
        raise UserError(
            f"{str(path)!r} has format {facts['format']}, this Segline reads up to {FORMAT}. Install a newer Segline."
        )
    return {**OLDER, **facts}


def require_shape(facts: Mapping[str, Any]) -> None:
    """Raise ValueError where a fact that readers use is missing, or is of another type."""
    given = {**OLDER, **facts}
    if wrong := [key for key, kind in KINDS.items() if not isinstance(given.get(key), kind)]:
        raise ValueError(f"{', '.join(wrong)}: missing, or of another type")


def fit(facts: Mapping[str, Any]) -> Fit | None:
    """Return how images are brought to the network's input size; None: they are not changed."""
    if not facts["size"]:
        return None
    height, width = facts["size"]
    return Fit(**{**(facts.get("fit") or {}), "size": (height, width)})
