"""Sections of pictures and provenance: images, confused classes, training, speed and size, the run."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.console.markup import escape, link
from pipeline.console.terminal import duration
from pipeline.drawing.charts import line_chart
from pipeline.drawing.render import RIGHT, WRONG
from pipeline.evaluation.metric_text import number, share_of_pixels
from pipeline.report import html
from pipeline.report.contents import Material

CURVES = {
    "loss": "Training loss",
    "miou": "mIoU on the validation split",
    "lr": "Learning rate",
    "images_per_second": "Images per second",
}
"""Keys of history.json that are drawn, if present, and the titles of their charts."""


def images(material: Material) -> str:
    """Worst, median and best images with a legend."""
    shown = material.pictures["examples"]
    if not shown:
        return html.note("The recipe has no pictures (evaluate.overlays: 0).")
    page = _legend(material)
    for kind, title in {"worst": "Worst", "median": "Around the median", "best": "Best"}.items():
        figures = "".join(_example(material, entry) for entry in shown if entry["kind"] == kind)
        page += f"<h3>{title}</h3>{figures}" if figures else ""
    return page


def _legend(material: Material) -> str:
    spec = material.spec
    entries = [*zip(spec.classes, spec.colours, strict=True), ("ignored", (0, 0, 0))]
    entries += [("correct, in the error map", RIGHT), ("wrong, in the error map", WRONG)]
    items = "".join(f"<li>{html.swatch(colour)}{escape(name)}</li>" for name, colour in entries)
    return f'<ul class="legend" aria-label="Colours">{items}</ul>'


def _example(material: Material, entry: Mapping[str, Any]) -> str:
    text = f"{entry['id']}: mIoU {entry['miou']:.3f} over the classes of this image and of its prediction"
    return _figure(material, entry, text, "row")


def _figure(material: Material, entry: Mapping[str, Any], caption: str, kind: str, shown: str = "") -> str:
    """Return the pictures of an entry with their caption; `shown` is HTML that replaces the visible caption."""
    cells = "".join(
        f"<div>{html.picture(material.folder / name, f'{part}: {caption}', entry['width'], entry['height'])}"
        f"<span>{part}</span></div>"
        for part, name in entry["files"].items()
    )
    return f'<figure class="{kind}"><figcaption>{shown or escape(caption)}</figcaption><div>{cells}</div></figure>'


def confused(material: Material) -> str:
    """The most confused pairs of classes, each with a crop of the image that confuses it most."""
    pairs = material.pictures["confused"]
    if not pairs:
        return html.note("No class was predicted as another, or the recipe has no crops (evaluate.confusions: 0).")
    return f'<div class="crops">{"".join(_crop(material, pair) for pair in pairs)}</div>'


def _crop(material: Material, pair: Mapping[str, Any]) -> str:
    colours = dict(zip(material.spec.classes, material.spec.colours, strict=True))
    truth, predicted = pair["truth"], pair["prediction"]
    end = f": {pair['share']:.1%} of its pixels, most in {pair['image']}"
    marked = " predicted as ".join(html.swatch(colours[name]) + escape(name) for name in (truth, predicted))
    return _figure(material, pair, f"{truth} predicted as {predicted}{end}", "crop", marked + escape(end))


def training(material: Material) -> str:
    """Curves over the epochs."""
    charts = []
    for key, title in CURVES.items():
        values = [(entry.get("epoch", index), entry.get(key)) for index, entry in enumerate(material.history, start=1)]
        points = [(float(epoch), float(value)) for epoch, value in values if value is not None]
        if points:
            chart = line_chart(points, label=title, x_label="epoch")
            charts.append(f"<figure><figcaption>{escape(title)}</figcaption>{chart}</figure>")
    return f'<div class="charts">{"".join(charts)}</div>' if charts else html.note("Nothing was recorded.")


def speed(material: Material) -> str:
    """Speed of the evaluation, size of the model, and every exported format."""
    measured = material.speed
    rate, workers = measured["images_per_second"], measured.get("workers", 1)
    rows = {
        "Evaluation": f"{rate:,.1f} images a second" if rate else "too few images to measure",
        "Device": f"{workers} workers of {measured['device']}" if workers > 1 else measured["device"],
        "Weights": f"{measured['parameters'] / 1e6:,.2f} million",
        **{f"Size of {name}": html.size(count) for name, count in material.sizes.items()},
    }
    if parity := material.parity:
        differing = f"{parity['different_pixels']:,} of {parity['pixels']:,} pixels differ from the evaluated model"
        rows["Parity of the export"] = differing
        if raw := parity.get("raw"):
            rows["Raw files"] = (
                f"{raw['files']} compared ({', '.join(raw['kinds'])}): served with the pixels of training"
            )
    table = html.facts("Speed and size", {name: escape(value) for name, value in rows.items()})
    return f'<div class="words">{table}</div>' + _formats(material.formats)


def _formats(formats: Sequence[Mapping[str, Any]]) -> str:
    if not formats:
        return ""
    lines = ""
    for row in formats:
        size, speed = f"{row['megabytes']:,.2f}", f"{row['milliseconds']:,.1f}"
        quality = number(row["miou"]), number(row["miou_drop"]), share_of_pixels(row["different_pixels"])
        lines += html.row(escape(row["format"]), size, speed, *quality)
    head = html.columns("Format", "MB", "ms an image", "mIoU", "mIoU lost", "Pixels that differ")
    note = (
        "On the CPU, one image at a time. float32 and ONNX must predict the evaluated model's classes (at most 0.01% "
        "of the pixels may differ); float16 and int8 round the weights, and must keep its mIoU within export.max_drop."
    )
    return f"<h3>Formats</h3>{html.table('Exported formats on the evaluated split', head, lines)}{html.note(note)}"


def run(material: Material) -> str:
    """Provenance of the model: run, software, data, artifacts and settings."""
    spec, epochs = material.spec, material.history
    facts = {
        "Run": material.run,
        "Recipe": material.recipe,
        "Command": material.command,
        "Code": material.code,
        "Epochs": str(len(epochs)) + _took(epochs[-1] if epochs else {}),
        "Software": ", ".join(f"{name} {version}" for name, version in sorted(material.versions.items())),
        "Data": spec.shown_name,
        "Licence of the data": spec.licence or "not stated",
    }
    rows = {name: escape(value) for name, value in facts.items()}
    if spec.homepage:
        rows["Homepage"] = link(spec.homepage)
    lineage = ""
    for artifact in material.artifacts:
        codes = (f"<code>{escape(text)}</code>" for text in (artifact.uri, artifact.digest[:16]))
        made = time.strftime("%Y-%m-%d %H:%M", time.gmtime(artifact.made))
        lineage += html.row(escape(artifact.step), *codes, escape(artifact.run), made)
    head = html.columns("Step", "Artifact", "Contents, SHA-256", "Made by run", "When (UTC)", text=5)
    settings = "\n".join(f"{key}: {value}" for key, value in material.settings.items())
    cite = f"<details><summary>How to cite the data</summary><pre>{escape(spec.citation.strip())}</pre></details>"
    return (
        f'<div class="words">{html.facts("This run", rows)}{html.table("Lineage", head, lineage)}</div>'
        f"<details><summary>All settings of the recipe</summary><pre>{escape(settings)}</pre></details>"
        f"{cite if spec.citation.strip() else ''}"
    )


def _took(entry: Mapping[str, Any]) -> str:
    return f", {duration(entry['seconds'])} the last one" if entry.get("seconds") else ""
