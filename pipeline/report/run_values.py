"""Values of the sections on pictures and provenance: images, training, speed and size, the run."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.console.terminal import duration
from pipeline.drawing.charts import Series, epochs, line_chart, sparkline
from pipeline.drawing.page_template import counted
from pipeline.drawing.render import RIGHT, WRONG
from pipeline.report.contents import Material

if TYPE_CHECKING:
    from markupsafe import Markup

KINDS = {"worst": "Worst", "median": "Around the median", "best": "Best"}

CURVES = (
    ("Loss", (("loss", "training"), ("val_loss", "validation"))),
    ("Validation split", (("miou", "mIoU"), ("pixel_accuracy", "pixel accuracy"))),
    ("Learning rate", (("lr", "learning rate"),)),
    ("Images per second", (("images_per_s", "images per second"),)),
)
"""Title of a chart; the keys of history.json that it draws, where they are present, and their names."""


def images(material: Material) -> Mapping[str, Any]:
    """Worst, median and best images with a legend."""
    shown, spec = material.pictures["examples"], material.spec
    kinds = {title: [one for one in shown if one["kind"] == kind] for kind, title in KINDS.items()}
    return {
        "kinds": kinds if len(shown) > 1 else {"The only image": shown},
        "legend": [*zip(spec.classes, spec.colours, strict=True), ("ignored", None)],
        "error_legend": [("correct, in the error map", RIGHT), ("wrong, in the error map", WRONG)],
    }


def training(material: Material) -> Mapping[str, Any]:
    """Curves over the epochs, and the IoU of each class."""
    return {"charts": charts(material.history), "classes": _classes(material)}


def charts(history: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str], "Markup"]]:
    """Return the title, the names of the curves and the chart of each of CURVES that a history.json holds."""
    drawn = []
    for title, keys in CURVES:
        series = [one for one in (epochs(history, key, name).finite() for key, name in keys) if one.points]
        if chart := line_chart(series, label=title, x_label="epoch"):
            drawn.append((title, [one.name for one in series], chart))
    return drawn


def _classes(material: Material) -> list[Mapping[str, Any]]:
    """Return the curve of each class that validation measured: its name, colour and last value."""
    validated = [
        (float(entry.get("epoch", index)), entry["per_class_iou"])
        for index, entry in enumerate(material.history, start=1)
        if entry.get("per_class_iou")
    ]
    curves: list[Mapping[str, Any]] = []
    for name, colour in zip(material.spec.classes, material.spec.colours, strict=True):
        points = [(epoch, ious[name]) for epoch, ious in validated if ious.get(name) is not None]
        if chart := sparkline(Series(f"IoU of {name}", points), x_label="epoch"):
            curves.append({"name": name, "colour": colour, "last": points[-1][1], "chart": chart})
    return curves


def speed(material: Material) -> Mapping[str, Any]:
    """Speed of the evaluation, size of the model, and every exported format."""
    measured = material.speed
    rate, workers = measured["images_per_second"], measured.get("workers", 1)
    facts = {
        "Evaluation": f"{rate:,.1f} images a second" if rate else "too few images to measure",
        "Device": f"{workers} workers of {measured['device']}" if workers > 1 else measured["device"],
        "Weights": f"{measured['parameters'] / 1e6:,.2f} million",
        **{f"Size of {name}": size(count) for name, count in material.sizes.items()},
    }
    if parity := material.parity:
        differing = f"{parity['different_pixels']:,} of {counted(parity['pixels'], 'pixel')}"
        facts["Parity of the export"] = f"{differing} differ from the evaluated model"
        if raw := parity.get("raw"):
            facts["Raw files"] = f"{raw['files']} compared ({', '.join(raw['kinds'])}): served as they were trained on"
    return {"facts": facts, "formats": material.formats}


def run(material: Material) -> Mapping[str, Any]:
    """Provenance of the model: run, software, data, artifacts and settings."""
    spec, last = material.spec, material.history[-1] if material.history else {}
    took = f", {duration(last['seconds'])} the last one" if last.get("seconds") else ""
    return {
        "facts": {
            "Run": material.run,
            "Recipe": material.recipe,
            "Command": material.command,
            "Code": material.code,
            "Epochs": f"{len(material.history)}{took}",
            "Software": ", ".join(f"{name} {version}" for name, version in sorted(material.versions.items())),
            "Data": spec.shown_name,
            "Licence of the data": spec.licence or "not stated",
        },
        "homepage": spec.homepage,
        "citation": spec.citation.strip(),
        "lineage": [(one, time.strftime("%Y-%m-%d %H:%M", time.gmtime(one.made))) for one in material.artifacts],
        "settings": material.yaml,
    }


def size(count: int) -> str:
    """Format a number of bytes as kB or MB."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"
