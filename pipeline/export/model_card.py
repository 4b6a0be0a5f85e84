"""The model card: what a served model is for, whose data it saw, how good it is, and where it is not to be trusted.

After Mitchell et al., Model Cards for Model Reporting, FAT* 2019: its sections, filled from what the run knows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evaluation.gate import share_of_pixels

FILE = "README.md"
"""Its name in the SavedModel's folder, where a person looks first; TensorFlow Serving passes over it."""

WEAK = 5
"""Classes that the limits name, at most."""

WEAK_IOU = 0.5
"""A class below this is named among the limits: less than half of what is its own or called so is right."""

ROUNDED = (
    "Pixels differ where a format's class is not the evaluated model's. float32 and ONNX compute with its own weights "
    "and must be it (at most 0.0100%); float16 and int8 round them, and must keep its mIoU within `export.max_drop`."
)
"""What the table of formats means."""

INTENDED = (
    "Telling the classes below apart in images like those of the dataset. It was not judged for anything else; the "
    "recipe's `export.intended_use` says more where somebody wrote it."
)


def text(facts: Mapping[str, Any], intended: str | None) -> str:
    """Write the card as Markdown.

    Args:
        facts: What segline.json holds.
        intended: The recipe's own words on its use, or None.
    """
    data, metrics, size = facts["data"], facts["metrics"], facts["size"]
    seen = f"Images are seen at {size[0]} x {size[1]} pixels" if size else "Images are seen at their own size"
    parts = [
        f"# {facts['model']['name']}, trained on {data['name']}",
        f"Semantic segmentation of RGB images into {len(facts['classes'])} classes. {seen}; class maps have the "
        "image's size. For programs: `assets.extra/segline.json`, `assets.extra/labels.txt`.",
        "## Intended use",
        intended or INTENDED,
        "## Data",
        f"{', '.join(filter(None, (data['name'], data['homepage'])))}. "
        f"Licence: {(data['licence'] or 'not stated').rstrip('.')}. "
        "The weights carry what the data taught them: the licence may bind their use too.",
        f"```bibtex\n{data['citation'].strip()}\n```" if data["citation"].strip() else "",
        "## Metrics",
        _metrics(metrics),
        *_formats(facts["formats"]),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(metrics, facts["max_pixels"], facts["image_range"])),
        "## How it is called",
        "\n".join(f"- `{name}`: {told}" for name, told in facts["signatures"].items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metrics(metrics: Mapping[str, Any]) -> str:
    where = f"{metrics['images']} images of {metrics['split']}, one confusion matrix at their original size."
    totals = {"mIoU": "miou", "pixel accuracy": "pixel_accuracy", "mean class accuracy": "mean_class_accuracy"}
    rows = [f"| {name} | {_number(metrics[key])} | |" for name, key in totals.items() if key in metrics]
    rows += [
        f"| {found['name']} | {_number(found['iou'])} | {_number(found['accuracy'])} |"
        for found in metrics.get("per_class", ())
    ]
    return "\n".join([where, "", "| | IoU or figure | recall |", "|---|---:|---:|", *rows])


def _formats(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    body = [
        f"| {row['format']} | {row['file']} | {row['megabytes']:.2f} | {row['milliseconds']:.1f} | "
        f"{_number(row['miou'])} | {share_of_pixels(row['different_pixels'])} |"
        for row in rows
    ]
    head = "| format | file | MB | ms an image, CPU | mIoU | pixels that differ |"
    return ["## Formats", "\n".join([head, "|---|---|---:|---:|---:|---:|", *body]), ROUNDED]


def _limits(metrics: Mapping[str, Any], max_pixels: int, image_range: Sequence[float] | None) -> list[str]:
    per_class = metrics.get("per_class", ())
    told = ["The figures hold for images like those they were measured on: same places, cameras, weather, light."]
    weak = sorted((found["iou"], found["name"]) for found in per_class if found["iou"] is not None)
    weak = [(iou, name) for iou, name in weak if iou < WEAK_IOU][:WEAK]
    if weak:
        told.append(f"Weak classes (IoU): {', '.join(f'{name} {iou:.2f}' for iou, name in weak)}.")
    if metrics.get("absent"):
        told.append(f"Not measured, as no image held them: {', '.join(metrics['absent'])}.")
    if metrics.get("inference"):
        told.append("The figures were measured with windows, zooms or mirror images; what is served looks once.")
    told.append("What belongs to no class gets one all the same; probabilities say little about such things.")
    told.append(f"An image file of more than {max_pixels:,} pixels, a GIF and an animated WebP are refused.")
    if image_range:
        low, high = image_range
        told.append(f"In a 16-bit PNG {low:g} counts as 0 and {high:g} as 255, as in the data it learned from.")
    told.append("The pixels count as stored: an EXIF orientation is not applied.")
    return told


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}"
