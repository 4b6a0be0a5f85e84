"""Sections with figures: result and gate, protocols, classes, slices, confusion, calibration."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from datasets.spec import DatasetSpec
from pipeline.drawing.charts import reliability
from pipeline.evaluation.gate import number
from pipeline.report import html
from pipeline.report.contents import Material

WEAKEST = 3
"""Classes that are named first of all."""

PAIR = ("truth", "prediction")

MOST_SLICES = 60
"""Groups that are listed; the weakest come first."""


def result(material: Material) -> str:
    """The greatest figures and the gate."""
    metrics = material.metrics
    ranges = metrics["intervals"]["figures"]

    def told(key: str, words: str) -> str:
        found = html.between(ranges.get(key))
        return f"{found}. {words}" if found else words

    baseline = f"Always {metrics['majority_class']!r}: {number(metrics['majority_baseline_miou'])}."
    tiles = [
        ("mIoU", number(metrics["miou"]), told("miou", baseline)),
        ("Pixel accuracy", number(metrics["pixel_accuracy"]), told("pixel_accuracy", "Pixels that are right.")),
        (
            "Mean class accuracy",
            number(metrics["mean_class_accuracy"]),
            told("mean_class_accuracy", "Every class counts the same."),
        ),
        (
            "Frequency-weighted IoU",
            number(metrics["frequency_weighted_iou"]),
            told("frequency_weighted_iou", "Classes count by their pixels."),
        ),
        ("Mean F1", number(metrics["mean_f1"]), told("mean_f1", "Dice, every class counts the same.")),
        ("Calibration error", number(metrics["calibration"]["ece"]), "ECE: 0 is best."),
    ]
    shown = f'<dl class="tiles">{"".join(html.tile(*tile) for tile in tiles)}</dl>{html.note(_certainty(metrics))}'
    return shown + _failings(metrics, material.spec) + _gate(material.verdict)


def _certainty(metrics: Mapping[str, Any]) -> str:
    """Say what the intervals are, or why there are none."""
    if not metrics["intervals"]["figures"]:
        return "There are no intervals: of so few images nobody can say how far a figure would move with others."
    return (
        f"Small figures: {metrics['intervals']['confidence']:.0%} intervals, bootstrap over images "
        f"({metrics['intervals']['resamples']:,} resamples). Images of one drive resemble each other, so the true "
        "uncertainty is larger."
    )


def _failings(metrics: Mapping[str, Any], spec: DatasetSpec) -> str:
    """Say at a glance where the model fails: its weakest classes, group and image, and the costliest mistake."""
    colours = dict(zip(spec.classes, spec.colours, strict=True))
    found = []
    weak = sorted((row["iou"], row["name"]) for row in metrics["per_class"] if row["iou"] is not None)[:WEAKEST]
    if weak:
        named = ", ".join(f"{html.swatch(colours[name])}{escape(name)} {iou:.3f}" for iou, name in weak)
        found.append(f'<a href="#classes">Weakest classes</a>, by IoU: {named}')
    if pairs := metrics["confused"]:
        truth, taken = (f"{html.swatch(colours[pairs[0][key]])}{escape(pairs[0][key])}" for key in PAIR)
        told = f"{truth} taken for {taken}, {pairs[0]['share']:.1%} of its pixels"
        found.append(f'<a href="#confused-classes">Costliest mistake</a>: {told}')
    groups = [group for group in metrics["slices"] if group["miou"] is not None]
    if len(groups) > 1:
        told = f"{escape(groups[0]['group'])}, mIoU {groups[0]['miou']:.3f} on {groups[0]['images']:,} images"
        found.append(f'<a href="#slices">Weakest group</a>: {told}')
    images = sorted((miou, name) for name, miou in metrics["image_miou"].items() if miou is not None)
    if images:
        found.append(f'<a href="#images">Worst image</a>: {escape(images[0][1])}, mIoU {images[0][0]:.3f} by itself')
    items = "".join(f"<li>{line}</li>" for line in found)
    return f'<h3>Where it fails</h3><ul class="failings">{items}</ul>' if found else ""


def _gate(verdict: Mapping[str, Any]) -> str:
    word = "passed" if verdict["passed"] else "failed"
    head = f'<h3>The gate <span class="verdict {word}">{word}</span></h3>{html.note(verdict["note"])}'
    if not verdict["checks"]:
        return head + html.note("The recipe demands nothing.")
    words = {True: "passed", False: "failed", None: "does not apply"}
    rows = "".join(
        html.row(
            escape(check["check"]),
            f'<span class="{words[check["passed"]]}">{words[check["passed"]]}</span>',
            "" if check["required"] is None else f"{check['bound']} {number(check['required'])}",
            number(check["received"]),
            escape(check["note"]),
        )
        for check in verdict["checks"]
    )
    head += '<div class="words">'
    columns = html.columns("Check", "Result", "Required", "Received", "Note", text=5)
    return head + html.table("What a model must show before it is served", columns, rows) + "</div>"


def classes(material: Material) -> str:
    """IoU with its interval, precision, recall, F1 and share of each class."""
    metrics, ranges = material.metrics, material.metrics["intervals"]["figures"]
    total = sum(found["pixels"] for found in metrics["per_class"]) or 1
    rows = "".join(
        html.row(
            html.swatch(colour) + escape(found["name"]),
            number(found["iou"]),
            html.bar(found["iou"], ranges.get(f"iou/{found['name']}")),
            html.between(ranges.get(f"iou/{found['name']}")),
            *(number(found[key]) for key in ("precision", "accuracy", "f1")),
            f"{found['pixels'] / total:.1%}",
            kind="" if found["pixels"] else "absent",
        )
        for found, colour in zip(metrics["per_class"], material.spec.colours, strict=True)
    )
    head = html.columns("Class", "IoU", "", "Interval", "Precision", "Recall", "F1", "Pixels")
    absent = metrics["absent"]
    told = f"Not in this split and out of the means: {', '.join(absent)}." if absent else ""
    return html.table("Each class over the whole split, ignored pixels left out", head, rows, "wide") + html.note(told)


def protocols(material: Material) -> str:
    """The figures as the datasets' own programs give them."""
    found = material.metrics["protocols"]
    if not found:
        return html.note("None was asked for (evaluate.protocols).")
    parts = []
    for name, findings in found.items():
        tiles = "".join(
            html.tile(title.replace("_", " "), number(value), "") for title, value in findings["figures"].items()
        )
        parts.append(f'<h3>{escape(name)}</h3><dl class="tiles small">{tiles}</dl>{html.note(findings["note"])}')
        parts += [
            f"<details><summary>{escape(title)}</summary>{html.grid(f'{name}: {title}', rows)}</details>"
            for title, rows in findings["tables"].items()
        ]
    image = "Mean of the mIoU of every image by itself (another figure than mIoU):"
    return "".join(parts) + html.note(f"{image} {number(material.metrics['image_mean_iou'])}.")


def slices(material: Material) -> str:
    """Every group of images by itself, the weakest first, with the IoU of its classes as a heat map."""
    found = material.metrics["slices"]
    if len(found) < 2:
        return html.note("All images are of one group, so there is nothing to slice by.")
    names = material.metrics["classes"]
    head = html.columns("Group", "Images", "mIoU", "", "Interval", "Pixel accuracy")
    head += "".join(f'<th scope="col" class="turned"><span>{escape(name)}</span></th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{escape(slice_["group"])}</th><td>{slice_["images"]:,}</td>'
        f"<td>{number(slice_['miou'])}</td><td>{html.bar(slice_['miou'], slice_['interval'])}</td>"
        f"<td>{html.between(slice_['interval'])}</td>"
        f"<td>{number(slice_['pixel_accuracy'])}</td>"
        f"{''.join(_iou_cell(slice_['iou'].get(name)) for name in names)}</tr>"
        for slice_ in found[:MOST_SLICES]
    )
    more = f"The {len(found) - MOST_SLICES} best groups are not listed." if len(found) > MOST_SLICES else ""
    caption = "Groups of images, the weakest first; on the right the IoU of each class in percent"
    return html.table(caption, head, rows, "heat") + html.note(more)


def _iou_cell(value: float | None) -> str:
    if value is None:
        return '<td class="none">–</td>'
    return f'<td class="cell" style="--share:{value:.3f}">{value * 100:.0f}</td>'


def confusion(material: Material) -> str:
    """The whole matrix, and crops where the costliest mistakes are made."""
    names = [escape(name) for name in material.spec.classes]
    head = '<th scope="col" class="text">truth \\ predicted</th>'
    head += "".join(f'<th scope="col" class="turned"><span>{name}</span></th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(_cell(counts, index, column) for column in range(len(names)))}</tr>'
        for index, (name, counts) in enumerate(zip(names, material.metrics["confusion"], strict=True))
    )
    caption = "Of the pixels of each true class (row), the percentage given to each class (column)"
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
    """Whether the model is right as often as it is sure."""
    found = material.metrics["calibration"]
    bins = [part for part in found["bins"] if part["pixels"]]
    if not bins:
        return html.note("No pixel of the split counts.")
    total = sum(part["pixels"] for part in bins)
    points = [(part["confidence"], part["accuracy"], part["pixels"] / total) for part in bins]
    sure = sum(part["confidence"] * part["pixels"] for part in bins) / total
    right = sum(part["accuracy"] * part["pixels"] for part in bins) / total
    lean = "more sure than right" if sure > right else "more right than sure"
    words = (
        f"On average the model is {sure:.1%} sure and {right:.1%} right: {lean}. Expected calibration error "
        f"{number(found['ece'])} (Guo et al. 2017, {len(found['bins'])} bins). Bars show where the pixels are."
    )
    return f'<div class="side">{reliability(points)}<div><p>{escape(words)}</p></div></div>'
