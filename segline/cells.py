"""What a notebook shows of a result: HTML that needs no style sheet, no script and no network."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup
    from PIL.Image import Image

TEMPLATES = Path(__file__).with_name("templates")

WIDEST = 640
"""Width of a picture in pixels, at most: a notebook keeps every one of them in its file."""

SMALL = 320
"""A picture narrower than this is shown larger, by a whole factor."""

QUALITY = 80
"""Of JPEG."""

CHART = """<style>svg{background:#fff;font:11px sans-serif}text{fill:#5b6470}.grid{stroke:#dfe3e8}
polyline{fill:none;stroke-width:2}.line1{color:#2457c5}.line2{color:#d55e00}.line3{color:#009e73}
g polyline{stroke:currentColor}g circle{fill:currentColor}</style>"""
"""Style of a chart that stands by itself, as an image."""

COLOURS = ("#2457c5", "#d55e00", "#009e73")
"""Those of the curves, for the names below a chart."""

Block = Mapping[str, Any]
"""What templates/cells.html.j2 draws; `kind` says as what."""


def html(*blocks: Block) -> "Markup":
    """Return blocks as HTML. Text from data is escaped."""
    from pipeline.drawing import page_template

    return page_template.render(TEMPLATES, "cells.html.j2", {"blocks": blocks})


def heading(text: str) -> Block:
    """Return a heading."""
    return {"kind": "heading", "text": text}


def text(lines: str) -> Block:
    """Return text of several lines."""
    return {"kind": "text", "text": lines}


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], caption: str = "") -> Block:
    """Return rows as a table; a colour is a square before the first cell."""
    columns = [column for column in columns if column != "colour"]
    numbers = {name for name in columns for row in rows if _is_number(row.get(name))}
    cells = [{"colour": row.get("colour"), "texts": [cell(row.get(name)) for name in columns]} for row in rows]
    sides = ["right" if name in numbers else "left" for name in columns]
    return {"kind": "table", "caption": caption, "columns": columns, "sides": sides, "rows": cells}


def tiles(values: Sequence[tuple[str, float | None, tuple[float, float] | None]]) -> Block:
    """Return numbers in large letters, each with its title and interval."""
    shown = [
        (title, "n/a" if value is None else cell(value), f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "")
        for title, value, interval in values
    ]
    return {"kind": "tiles", "tiles": shown}


def curves(history: Sequence[Mapping[str, Any]]) -> Sequence[Block]:
    """Return the curves of a training that the report shows."""
    from pipeline.report import run_values

    charts = [
        (title, list(zip(names, COLOURS, strict=False)), chart_url(chart))
        for title, names, chart in run_values.charts(history)
    ]
    return [{"kind": "charts", "charts": charts}]


def chart_url(chart: str) -> str:
    """Return a chart, an <svg> element, as an address that holds it as an image."""
    head, body = str(chart).split(">", 1)
    svg = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1) + ">" + CHART + body
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def picture(image: "Image", alt: str) -> Block:
    """Return an image of Pillow, shrunk to WIDEST; a small one is shown larger."""
    shown = image.convert("RGB")
    shown.thumbnail((WIDEST, WIDEST * 4))
    file = io.BytesIO()
    shown.save(file, "JPEG", quality=QUALITY)
    url = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"kind": "picture", "url": url, "alt": alt, "width": shown.width * max(1, SMALL // shown.width)}


def page(path: Path) -> Block:
    """Return a page in a frame of its own, where its style and script reach nothing outside."""
    return {"kind": "page", "title": path.name, "content": path.read_text(encoding="utf-8")}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def cell(value: Any, widest: int | None = None) -> str:
    """Return a value as the text of a cell.

    >>> cell(0.61234567), cell(1.26e-05), cell(1234), cell(None), cell("a" * 9, widest=6)
    ('0.6123', '1.3e-05', '1,234', '', 'aa..aa')
    """
    if isinstance(value, float):
        return f"{value:.4f}" if 1e-4 <= abs(value) < 1000 or not value else f"{value:.2g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = "" if value is None else " ".join(str(value).split())
    if widest is None:
        return text
    from pipeline.console.terminal import cut

    return cut(text, widest)
