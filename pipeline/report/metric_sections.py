"""Sections of metrics: result and gate, protocols, classes, slices, confusion, calibration."""

from collections.abc import Mapping, Sequence
from typing import Any

from datasets.spec import DatasetSpec
from pipeline.console.markup import escape
from pipeline.drawing.charts import reliability
from pipeline.evaluation.metric_text import number
from pipeline.evaluation.score_table import absent_notes
from pipeline.report import html
from pipeline.report.contents import Material

WEAKEST = 3
"""Number of classes that are named at the top."""

PAIR = ("truth", "prediction")

MOST_SLICES = 60
"""Most groups that are listed, the lowest mIoU first."""


def result(material: Material) -> str:
    """The metrics of the whole split, where the model fails, and the gate."""
    metrics = material.metrics
    notes = {
        "mIoU": ("miou", f"Always {metrics['majority_class']!r}: {number(metrics['majority_baseline_miou'])}."),
        "Pixel accuracy": ("pixel_accuracy", "Share of correct pixels."),
        "Mean class accuracy": ("mean_class_accuracy", "Mean over classes."),
        "Frequency-weighted IoU": ("frequency_weighted_iou", "Classes weighted by pixels."),
        "Mean F1": ("mean_f1", "Dice, mean over classes."),
    }
    tiles = ""
    for title, (key, words) in notes.items():
        interval = html.between(metrics["intervals"]["figures"].get(key))
        tiles += html.tile(title, number(metrics[key]), f"{interval}. {words}" if interval else words)
    tiles += html.tile("Calibration error", number(metrics["calibration"]["ece"]), "ECE: 0 is best.")
    shown = f'<dl class="tiles">{tiles}</dl>{html.note(_certainty(metrics))}'
    return shown + _failings(metrics, material.spec) + _gate(material.verdict)


def _certainty(metrics: Mapping[str, Any]) -> str:
    """Explain the intervals, or why there are none."""
    if not metrics["intervals"]["figures"]:
        return "There are no intervals: there are too few images to estimate them."
    return (
        f"In small letters: {metrics['intervals']['confidence']:.0%} intervals, jackknife over images. Images of one "
        "drive resemble each other, so the true uncertainty is larger. What fewer than five images show has none."
    )


def _failings(metrics: Mapping[str, Any], spec: DatasetSpec) -> str:
    """List the weakest classes, the most frequent confusion, the weakest group and the worst image."""
    colours = dict(zip(spec.classes, spec.colours, strict=True))
    items = []
    weak = sorted((row["iou"], row["name"]) for row in metrics["per_class"] if row["iou"] is not None)[:WEAKEST]
    if weak:
        named = ", ".join(f"{html.swatch(colours[name])}{escape(name)} {iou:.3f}" for iou, name in weak)
        items.append(f'<a href="#classes">Weakest classes</a>, by IoU: {named}')
    if pairs := metrics["confused"]:
        truth, predicted = (f"{html.swatch(colours[pairs[0][key]])}{escape(pairs[0][key])}" for key in PAIR)
        text = f"{truth} predicted as {predicted}, {pairs[0]['share']:.1%} of its pixels"
        items.append(f'<a href="#confused-classes">Most frequent confusion</a>: {text}')
    groups = [group for group in metrics["slices"] if group["miou"] is not None]
    if len(groups) > 1:
        text = f"{escape(groups[0]['group'])}, mIoU {groups[0]['miou']:.3f} on {groups[0]['images']:,} images"
        items.append(f'<a href="#slices">Weakest group</a>: {text}')
    images = sorted((miou, name) for name, miou in metrics["image_miou"].items() if miou is not None)
    if images:
        items.append(f'<a href="#images">Worst image</a>: {escape(images[0][1])}, mIoU {images[0][0]:.3f}')
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f'<h3>Where it fails</h3><ul class="failings">{listed}</ul>' if items else ""


def _gate(verdict: Mapping[str, Any]) -> str:
    if not verdict:
        return ""
    words = {True: "passed", False: "failed", None: "does not apply"}
    word = words[verdict["passed"]]
    head = f"<h3>The gate {html.badge(word, f'verdict {word}')}</h3>{html.note(verdict['note'])}"
    if not verdict["checks"]:
        return head + html.note("The recipe has no demands.")
    rows = ""
    for check in verdict["checks"]:
        outcome = html.badge(words[check["passed"]], words[check["passed"]])
        required = "" if check["required"] is None else f"{check['bound']} {number(check['required'])}"
        rows += html.row(escape(check["check"]), outcome, required, number(check["received"]), escape(check["note"]))
    columns = html.columns("Check", "Result", "Required", "Received", "Note", text=5)
    return f'{head}<div class="words">{html.table("Demands on a model before it is served", columns, rows)}</div>'


def classes(material: Material) -> str:
    """IoU with its interval, precision, recall, F1 and share of each class."""
    metrics, ranges = material.metrics, material.metrics["intervals"]["figures"]
    total = sum(row["pixels"] for row in metrics["per_class"]) or 1
    rows = ""
    for row, colour in zip(metrics["per_class"], material.spec.colours, strict=True):
        name, interval = html.swatch(colour) + escape(row["name"]), ranges.get(f"iou/{row['name']}")
        iou = (number(row["iou"]), html.bar(row["iou"], interval), html.between(interval))
        others = (number(row[key]) for key in ("precision", "accuracy", "f1"))
        rows += html.row(name, *iou, *others, f"{row['pixels'] / total:.1%}", kind="" if row["pixels"] else "absent")
    head = html.columns("Class", "IoU", "", "Interval", "Precision", "Recall", "F1", "Pixels")
    note = " ".join(absent_notes(metrics))
    return html.table("Each class over the whole split, ignored pixels left out", head, rows, "wide") + html.note(note)


def protocols(material: Material) -> str:
    """The metrics of the official protocols."""
    results = material.metrics["protocols"]
    if not results:
        return html.note("The recipe has none (evaluate.protocols).")
    parts = []
    for name, result in results.items():
        figures = result["figures"].items()
        tiles = "".join(html.tile(title.replace("_", " "), number(value), "") for title, value in figures)
        parts.append(f'<h3>{escape(name)}</h3><dl class="tiles small">{tiles}</dl>{html.note(result["note"])}')
        parts += [
            f"<details><summary>{escape(title)}</summary>{html.grid(f'{name}: {title}', rows)}</details>"
            for title, rows in result["tables"].items()
        ]
    image = "Mean over images of each image's own mIoU (not the mIoU of the split):"
    return "".join(parts) + html.note(f"{image} {number(material.metrics['image_mean_iou'])}.")


def slices(material: Material) -> str:
    """Every group of images, the lowest mIoU first, with the IoU of its classes as a heat map."""
    groups = material.metrics["slices"]
    if len(groups) < 2:
        return html.note("All images are of one group, so there are no slices.")
    names = material.metrics["classes"]
    head = html.columns("Group", "Images", "mIoU", "", "Interval", "Pixel accuracy")
    head += "".join(f'<th scope="col" class="turned"><span>{escape(name)}</span></th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{escape(group["group"])}</th><td>{group["images"]:,}</td>'
        f"<td>{number(group['miou'])}</td><td>{html.bar(group['miou'], group['interval'])}</td>"
        f"<td>{html.between(group['interval'])}</td>"
        f"<td>{number(group['pixel_accuracy'])}</td>"
        f"{''.join(_iou_cell(group['iou'].get(name)) for name in names)}</tr>"
        for group in groups[:MOST_SLICES]
    )
    more = f"The {len(groups) - MOST_SLICES} best groups are not listed." if len(groups) > MOST_SLICES else ""
    caption = "Groups of images, the lowest mIoU first; on the right the IoU of each class in percent"
    return html.table(caption, head, rows, "heat") + html.note(more)


def _iou_cell(value: float | None) -> str:
    if value is None:
        return '<td class="none">–</td>'
    return f'<td class="cell" style="--share:{value:.3f}">{value * 100:.0f}</td>'


def confusion(material: Material) -> str:
    """The whole confusion matrix."""
    names = [escape(name) for name in material.spec.classes]
    head = '<th scope="col" class="text">truth \\ predicted</th>'
    head += "".join(f'<th scope="col" class="turned"><span>{name}</span></th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(_cell(counts, index, column) for column in range(len(names)))}</tr>'
        for index, (name, counts) in enumerate(zip(names, material.metrics["confusion"], strict=True))
    )
    caption = "Percentage of the pixels of each true class (row) that are predicted as each class (column)"
    return html.table(caption, head, rows, "heat")


def _cell(counts: Sequence[int], index: int, column: int) -> str:
    total = sum(counts)
    if not total:
        return '<td class="none">–</td>'
    share = counts[column] / total
    kinds = ["cell"] + ["own"] * (index == column) + ["none"] * (share < 0.005)
    text = f"{share * 100:.0f}" if share >= 0.005 else "·"
    return f'<td class="{" ".join(kinds)}" style="--share:{share:.3f}" title="{counts[column]:,} pixels">{text}</td>'


def calibration(material: Material) -> str:
    """Whether the model's accuracy equals its confidence."""
    result = material.metrics["calibration"]
    bins = [part for part in result["bins"] if part["pixels"]]
    if not bins:
        return html.note("Every pixel of the split is ignored.")
    total = sum(part["pixels"] for part in bins)
    points = [(part["confidence"], part["accuracy"], part["pixels"] / total) for part in bins]
    confidence = sum(part["confidence"] * part["pixels"] for part in bins) / total
    accuracy = sum(part["accuracy"] * part["pixels"] for part in bins) / total
    tendency = "overconfident" if confidence > accuracy else "underconfident"
    words = (
        f"The mean confidence is {confidence:.1%}, the accuracy {accuracy:.1%}: the model is {tendency}. Expected "
        f"calibration error {number(result['ece'])} (Guo et al. 2017, {len(result['bins'])} bins). Bars show the share "
        "of the pixels."
    )
    return f'<div class="side">{reliability(points)}<div><p>{escape(words)}</p></div></div>'
