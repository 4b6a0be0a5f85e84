"""report.html: one self-contained file that shows at a glance what a model can do and where it fails.

A section is a function from an Evaluation to HTML, and one line in SECTIONS.
"""

import base64
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from datasets.spec import DatasetSpec
from pipeline.charts import line_chart
from pipeline.gate import number
from pipeline.overlays import Choice
from pipeline.render import RIGHT, WRONG
from pipeline.report_style import PAGE, STYLE


@dataclass(frozen=True)
class Evaluation:
    """Everything that a report shows.

    Attributes:
        spec: The dataset's facts.
        metrics: What metrics.json holds.
        verdict: What verdict.json holds.
        history: What train's history.json holds: one mapping for each epoch.
        settings: The recipe's settings that decided the result, {"input.size": ...}.
        versions: {library: version}.
        pictures: Chosen images, each with what overlays.parts drew of it.
    """

    spec: DatasetSpec
    metrics: Mapping[str, Any]
    verdict: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    pictures: Sequence[tuple[Choice, Mapping[str, np.ndarray]]]


def write(path: Path, evaluation: Evaluation) -> None:
    """Write the report of an evaluation as one HTML file that needs no network."""
    path.write_text(page(evaluation), encoding="utf-8")


def page(evaluation: Evaluation) -> str:
    """Make the report's HTML."""
    metrics = evaluation.metrics
    links, bodies = [], []
    for title, section in SECTIONS:
        anchor = title.lower().replace(" ", "-")
        links.append(f'<li><a href="#{anchor}">{title}</a></li>')
        bodies.append(
            f'<section id="{anchor}" aria-labelledby="{anchor}-h"><h2 id="{anchor}-h">{title}</h2>'
            f"{section(evaluation)}</section>"
        )
    return PAGE.substitute(
        title=escape(f"{evaluation.settings['model.name']} on {metrics['dataset']}"),
        subtitle=escape(f"Measured on {metrics['images']:,} images of the {metrics['split']} split, original size."),
        style=STYLE,
        navigation="".join(links),
        body="\n".join(bodies),
    )


def _result(evaluation: Evaluation) -> str:
    metrics = evaluation.metrics
    baseline = f"always {metrics['majority_class']!r} would give {number(metrics['majority_baseline_miou'])}"
    tiles = [
        ("mIoU", metrics["miou"], baseline),
        ("Pixel accuracy", metrics["pixel_accuracy"], "share of pixels that are right"),
        ("Mean class accuracy", metrics["mean_class_accuracy"], "every class counts the same"),
        ("Frequency-weighted IoU", metrics["frequency_weighted_iou"], "classes count by their pixels"),
    ]
    return f'<dl class="tiles">{"".join(_tile(*tile) for tile in tiles)}</dl>{_verdict(evaluation.verdict)}'


def _tile(name: str, value: float | None, note: str) -> str:
    return f'<div><dt>{name}</dt><dd>{number(value)}</dd><dd class="note">{escape(note)}</dd></div>'


def _verdict(verdict: Mapping[str, Any]) -> str:
    word = "passed" if verdict["passed"] else "failed"
    head = f'<h3>The gate <span class="verdict {word}">{word}</span></h3>'
    if not verdict["checks"]:
        return f'{head}<p class="note">The recipe demands nothing.</p>'
    words = {True: "passed", False: "failed", None: "does not apply"}
    rows = "".join(
        f'<tr><th scope="row">{escape(check["check"])}</th><td>{number(check["required"])}</td>'
        f"<td>{number(check['received'])}</td>"
        f'<td class="text"><span class="{words[check["passed"]]}">{words[check["passed"]]}</span></td>'
        f'<td class="text">{escape(check["note"])}</td></tr>'
        for check in verdict["checks"]
    )
    columns = _columns(("Check", "text"), ("Required", ""), ("Received", ""), ("Result", "text"), ("Note", "text"))
    return head + _table("What a model must show before it is served", columns, rows)


def _classes(evaluation: Evaluation) -> str:
    metrics = evaluation.metrics
    total = sum(row["pixels"] for row in metrics["per_class"]) or 1
    rows = "".join(
        f'<tr{"" if row["pixels"] else " class=absent"}><th scope="row">{_swatch(colour)}{escape(row["name"])}</th>'
        f"<td>{number(row['iou'])}</td><td>{_bar(row['iou'])}</td>"
        f"<td>{number(row['accuracy'])}</td><td>{row['pixels'] / total:.1%}</td></tr>"
        for row, colour in zip(metrics["per_class"], evaluation.spec.colours, strict=True)
    )
    columns = _columns(("Class", "text"), ("IoU", ""), ("", ""), ("Accuracy", ""), ("Share of pixels", ""))
    absent = metrics["absent"]
    note = f'<p class="note">Not in this split and out of the means: {escape(", ".join(absent))}.</p>' if absent else ""
    caption = "IoU and accuracy of each class over the whole split, ignored pixels left out"
    return _table(caption, columns, rows, "wide") + note


def _training(evaluation: Evaluation) -> str:
    curves = {"Training loss": "loss", "mIoU on the validation split": "miou", "Learning rate": "lr"}
    return f'<div class="charts">{"".join(_curve(evaluation.history, *curve) for curve in curves.items())}</div>'


def _curve(history: Sequence[Mapping[str, Any]], title: str, key: str) -> str:
    values = [(entry.get("epoch", index), entry.get(key)) for index, entry in enumerate(history, start=1)]
    points = [(float(epoch), float(value)) for epoch, value in values if value is not None]
    chart = line_chart(points, label=title, x_label="epoch")
    return f"<figure><figcaption>{escape(title)}</figcaption>{chart}</figure>"


def _confusion(evaluation: Evaluation) -> str:
    names = [escape(name) for name in evaluation.spec.classes]
    head = '<th scope="col">truth \\ predicted</th>' + "".join(
        f'<th scope="col"><span>{name}</span></th>' for name in names
    )
    rows = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(_cell(row, index, column) for column in range(len(names)))}</tr>'
        for index, (name, row) in enumerate(zip(names, evaluation.metrics["confusion"], strict=True))
    )
    return _table(
        "Of the pixels of each true class (row), the percentage given to each class (column)", head, rows, "heat"
    )


def _cell(row: Sequence[int], index: int, column: int) -> str:
    total = sum(row)
    if not total:
        return '<td class="none">n/a</td>'
    share = row[column] / total
    kinds = ["own"] * (index == column) + ["none"] * (share < 0.005)
    text = f"{share:.0%}".removesuffix("%") if share >= 0.005 else "·"
    return f'<td class="{" ".join(kinds)}" style="--share:{share:.3f}" title="{row[column]:,} pixels">{text}</td>'


def _images(evaluation: Evaluation) -> str:
    if not evaluation.pictures:
        return '<p class="note">The recipe asks for no pictures (evaluate.overlays: 0).</p>'
    spec = evaluation.spec
    entries = [*zip(spec.classes, spec.colours, strict=True), ("ignored", (0, 0, 0))]
    entries += [("right, in the error map", RIGHT), ("wrong, in the error map", WRONG)]
    legend = "".join(f"<li>{_swatch(colour)}{escape(name)}</li>" for name, colour in entries)
    kinds = {"worst": "Worst", "median": "Around the median", "best": "Best"}
    rows = [
        f"<h3>{title}</h3>{''.join(_row(*picture) for picture in evaluation.pictures if picture[0].kind == kind)}"
        for kind, title in kinds.items()
        if any(choice.kind == kind for choice, _ in evaluation.pictures)
    ]
    return f'<ul class="legend" aria-label="Colours">{legend}</ul>{"".join(rows)}'


def _row(choice: Choice, parts: Mapping[str, np.ndarray]) -> str:
    name = escape(choice.id)
    cells = "".join(
        f'<div><img src="{_data_uri(picture, photo=part == "input")}" alt="{part} of {name}" '
        f'width="{picture.shape[1]}" height="{picture.shape[0]}"><span>{part}</span></div>'
        for part, picture in parts.items()
    )
    text = f"{name}: mIoU {choice.miou:.3f} over the classes of this image"
    return f'<figure class="row"><figcaption>{text}</figcaption><div>{cells}</div></figure>'


def _run(evaluation: Evaluation) -> str:
    spec = evaluation.spec
    settings = "\n".join(
        f"{escape(key)}: {escape(json.dumps(value, ensure_ascii=False))}" for key, value in evaluation.settings.items()
    )
    versions = escape(", ".join(f"{name} {version}" for name, version in evaluation.versions.items()))
    return (
        f"<h3>Settings</h3><pre>{settings}</pre><h3>Software</h3><p>{versions}</p>"
        f'<h3>Data</h3><p>{escape(spec.name)}, <a href="{escape(spec.homepage)}">{escape(spec.homepage)}</a>. '
        f"Licence: {escape(spec.licence)}</p><pre>{escape(spec.citation.strip())}</pre>"
    )


def _table(caption: str, head: str, rows: str, kind: str = "") -> str:
    """Frame a table so that a wide one scrolls by itself, with the keyboard too."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table class="{kind}">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _columns(*columns: tuple[str, str]) -> str:
    """Head a table; each column is (title, style class)."""
    return "".join(f'<th scope="col" class="{kind}">{title}</th>' for title, kind in columns)


def _swatch(colour: tuple[int, int, int]) -> str:
    return f'<span class="swatch" style="background:rgb{tuple(colour)}"></span>'


def _bar(value: float | None) -> str:
    share = 0.0 if value is None or math.isnan(value) else value
    return f'<span class="bar" aria-hidden="true"><i style="width:{share:.1%}"></i></span>'


def _data_uri(picture: np.ndarray, *, photo: bool) -> str:
    """Inline an image: JPEG for a photograph, PNG for flat colours."""
    kind, options = ("jpeg", {"quality": 85}) if photo else ("png", {"optimize": True})
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


SECTIONS: tuple[tuple[str, Callable[[Evaluation], str]], ...] = (
    ("Result", _result),
    ("Classes", _classes),
    ("Images", _images),
    ("Confusion", _confusion),
    ("Training", _training),
    ("What was run", _run),
)
