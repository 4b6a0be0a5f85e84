"""HTML elements that several sections use. Text is escaped here; arguments documented as HTML are not."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.console.markup import escape
from pipeline.evaluation.metric_text import number

Interval = Sequence[float] | None


def table(caption: str, head: str, rows: str, kind: str = "") -> str:
    """Return a table; a wide one scrolls sideways, with the keyboard too. `head` and `rows` are HTML."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table class="{kind}">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def columns(*titles: str, text: int = 1) -> str:
    """Return the header cells of a table whose first `text` columns hold words, the others numbers."""
    return "".join(
        f'<th scope="col"{" class=text" if index < text else ""}>{escape(title)}</th>'
        for index, title in enumerate(titles)
    )


def row(name: str, *cells: str, kind: str = "") -> str:
    """Return a row of a table; `name` and `cells` are HTML."""
    style = f' class="{kind}"' if kind else ""
    return f'<tr{style}><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def facts(caption: str, rows: Mapping[str, str]) -> str:
    """Return {name: value} as a table of two columns without visible head; the values are HTML."""
    body = "".join(row(escape(name), value) for name, value in rows.items())
    return table(caption, columns("What", "Value", text=2), body, "plain")


def badge(text: str, kind: str) -> str:
    """Return a word in the colours of a `kind`, such as "passed" and "failed"."""
    return f'<span class="{kind}">{escape(text)}</span>'


def grid(caption: str, rows: Mapping[str, Mapping[str, float | None]]) -> str:
    """Return {row: {column: value}} as a table; a cell without a value is empty."""
    names = list(dict.fromkeys(name for columns_ in rows.values() for name in columns_))
    body = "".join(
        row(escape(title), *(number(cells[name]) if name in cells else "" for name in names))
        for title, cells in rows.items()
    )
    return table(caption, columns("", *names), body)


def tile(name: str, value: str, note: str) -> str:
    """Return a tile with one metric in large letters."""
    remark = f'<dd class="note">{escape(note)}</dd>' if note else ""
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd>{remark}</div>"


def note(text: str) -> str:
    """Return a remark in small letters; nothing for no text."""
    return f'<p class="note">{escape(text)}</p>' if text else ""


def swatch(colour: Sequence[int]) -> str:
    """Return a square of a colour, (red, green, blue) in 0..255."""
    red, green, blue = colour
    return f'<span class="swatch" style="background:rgb({red} {green} {blue})"></span>'


def bar(value: float | None, interval: Interval = None) -> str:
    """Return a bar for a share in 0..1, with a whisker for its interval; screen readers skip it."""
    whisker = ""
    if interval is not None:
        low, high = (min(max(end, 0.0), 1.0) for end in interval)
        whisker = f'<b style="left:{low:.1%};width:{max(high - low, 0.004):.1%}"></b>'
    return f'<span class="bar" aria-hidden="true"><i style="width:{value or 0.0:.1%}"></i>{whisker}</span>'


def between(interval: Interval) -> str:
    """Return an interval in words; nothing for None."""
    return "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def picture(path: Path, alt: str, width: int, height: int) -> str:
    """Return an inlined image of a PNG or JPEG file, `width` x `height` pixels."""
    kind = "jpeg" if path.suffix == ".jpg" else "png"
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<img src="data:image/{kind};base64,{data}" alt="{escape(alt)}" width="{width}" height="{height}" '
        'loading="lazy" decoding="async">'
    )


def size(count: int) -> str:
    """Format a number of bytes as kB or MB."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"
