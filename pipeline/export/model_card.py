"""The model card of a served model: intended use, data, metrics and limits.

The sections are those of Mitchell et al., Model Cards for Model Reporting, FAT* 2019.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.console.markup import code_block, literal
from pipeline.evaluation.metric_text import number, share_of_pixels

FILE = "README.md"
"""Its name in the SavedModel's folder; TensorFlow Serving ignores it."""

WEAK = 5
"""Most classes that the limits name."""

WEAK_IOU = 0.5
"""A class with a lower IoU is named among the limits: more than half of its true and predicted pixels are wrong."""

ROUNDED = (
    "Pixels differ where a format's class is not the evaluated model's. float32 and ONNX have its own weights and must "
    "equal it (at most 0.0100% differ); float16 and int8 round them, and must keep its mIoU within `export.max_drop`."
)
"""Explanation of the table of formats."""

INTENDED = (
    "Segmenting images like those of the dataset into the classes below. It was not evaluated for anything else. The "
    "recipe's `export.intended_use` replaces this text."
)
"""Intended use where the recipe states none."""


ALL_VALUES = (0, 65535)
"""Range of a 16-bit image that need not be mentioned."""


def text(facts: Mapping[str, Any], intended: str | None) -> str:
    """Write the card as Markdown.

    Args:
        facts: The content of segline.json.
        intended: The recipe's `export.intended_use`, or None.
    """
    data, metrics, size = facts["data"], facts["metrics"], facts["size"]
    at = f"{size[0]} x {size[1]} pixels" if size else "their own size"
    parts = [
        f"# {literal(facts['model']['name'])}, trained on {literal(data['name'])}",
        f"Semantic segmentation of RGB images into {len(facts['classes'])} classes. The network processes images "
        f"at {at}; class maps have the image's size. For programs: `assets.extra/segline.json` and "
        "`assets.extra/labels.txt`.",
        "## Intended use",
        intended or INTENDED,
        "## Data",
        f"{literal(', '.join(filter(None, (data['name'], data['homepage']))))}. "
        f"Licence: {literal((data['licence'] or 'not stated').rstrip('.'))}. "
        "The weights are derived from the data: its licence may apply to them, too.",
        code_block(data["citation"].strip(), "bibtex") if data["citation"].strip() else "",
        "## Metrics",
        _metrics(metrics),
        *_formats(facts["formats"]),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(metrics, facts)),
        "## Signatures",
        "\n".join(f"- `{name}`: {literal(description)}" for name, description in facts["signatures"].items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metrics(metrics: Mapping[str, Any]) -> str:
    where = f"{metrics['images']} images of {metrics['split']}, one confusion matrix at their original size."
    totals = {"mIoU": "miou", "pixel accuracy": "pixel_accuracy", "mean class accuracy": "mean_class_accuracy"}
    rows = [f"| {name} | {number(metrics[key])} | |" for name, key in totals.items() if key in metrics]
    for row in metrics.get("per_class", ()):
        rows.append(f"| {literal(row['name'])} | {number(row['iou'])} | {number(row['accuracy'])} |")
    return "\n".join([where, "", "| | value or IoU | recall |", "|---|---:|---:|", *rows])


def _formats(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    body = [
        f"| {row['format']} | {row['file']} | {row['megabytes']:.2f} | {row['milliseconds']:.1f} | "
        f"{number(row['miou'])} | {share_of_pixels(row['different_pixels'])} |"
        for row in rows
    ]
    head = "| format | file | MB | ms an image, CPU | mIoU | pixels that differ |"
    return ["## Formats", "\n".join([head, "|---|---|---:|---:|---:|---:|", *body]), ROUNDED]


def _limits(metrics: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    per_class = metrics.get("per_class", ())
    limits = ["The metrics hold for images like those they were measured on: same places, cameras, weather, light."]
    weak = sorted((row["iou"], row["name"]) for row in per_class if row["iou"] is not None)
    weak = [(iou, name) for iou, name in weak if iou < WEAK_IOU][:WEAK]
    if weak:
        limits.append(f"Weak classes (IoU): {', '.join(f'{literal(name)} {iou:.2f}' for iou, name in weak)}.")
    if metrics.get("absent"):
        absent = ", ".join(map(literal, metrics["absent"]))
        limits.append(f"Not measured how well they are predicted, as no image shows them: {absent}.")
    if metrics.get("inference"):
        limits.append(
            "The metrics were measured with windows, zooms or mirror images; the served model predicts the whole image "
            "once."
        )
    limits.append("Objects of none of the classes are predicted as one of them, and probabilities do not reveal it.")
    limits += _limits_of_files(facts)
    return limits


def _limits_of_files(facts: Mapping[str, Any]) -> list[str]:
    limits = [f"An image file of more than {facts['max_pixels']:,} pixels and an animation are refused."]
    if facts["image_range"] and tuple(facts["image_range"]) != ALL_VALUES:
        low, high = facts["image_range"]
        limits.append(f"In a 16-bit grey image {low:g} is read as 0 and {high:g} as 255, as in the training data.")
    if facts["image_bands"]:
        bands = ", ".join(map(str, facts["image_bands"]))
        limits.append(f"Of an image's bands these are seen, counted from 1: {bands}.")
    limits.append(
        "A photo is turned upright by its EXIF orientation, as in training; its class map is upright, too."
        if facts["image_exif"] == "apply"
        else "Pixels are read as stored: an EXIF orientation is not applied."
    )
    return limits
