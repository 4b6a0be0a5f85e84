"""Charts as inline SVG, without scripts or network access; colours come from the page's style sheet."""

import math
from collections.abc import Iterable, Sequence
from itertools import starmap

from pipeline.console.markup import escape

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 34

Point = tuple[float, float]


def line_chart(points: Sequence[Point], *, label: str, x_label: str, from_zero: bool = True) -> str:
    """Draw one curve with axes.

    Args:
        points: (x, y) in order of x; those with an infinite or NaN y are left out.
        label: Name of y, read out by screen readers with the first and the last value.
        x_label: Name of x, written below the axis.
        from_zero: Whether the y axis starts at 0.

    Returns:
        An <svg> element whose points show their values on hover; without a point, a <p> that says so.
    """
    points = [(x, y) for x, y in points if math.isfinite(y)]
    if not points:
        return f'<p class="note">{escape(label)}: nothing was recorded.</p>'
    xs, ys = zip(*points, strict=True)
    x_ticks = [tick for tick in ticks(min(xs), max(xs), 6) if float(tick).is_integer()]
    y_ticks = ticks(0.0 if from_zero else min(ys), max(ys), 5)

    def place(x: float, y: float) -> Point:
        across = (x - min(xs)) / ((max(xs) - min(xs)) or 1)
        up = (y - y_ticks[0]) / ((y_ticks[-1] - y_ticks[0]) or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    spoken = f"{label} from {short(ys[0])} at {x_label} {xs[0]:g} to {short(ys[-1])} at {x_label} {xs[-1]:g}"
    body = [_y_tick(LEFT, WIDTH - RIGHT, place(xs[0], tick)[1], tick) for tick in y_ticks]
    bottom, shown = HEIGHT - BOTTOM + 15, [tick for tick in x_ticks if min(xs) <= tick <= max(xs)]
    body += [_text(place(tick, 0)[0], bottom, f"{tick:g}", "middle") for tick in shown]
    body += [_text(LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 4, x_label, "middle"), _line(starmap(place, points))]
    body += [_dot(*place(x, y), f"{x_label} {x:g}: {short(y)}") for x, y in points]
    return _svg(f"0 0 {WIDTH} {HEIGHT}", spoken, "chart", body)


def reliability(points: Sequence[tuple[float, float, float]]) -> str:
    """Draw a reliability diagram: accuracy over confidence.

    Args:
        points: (confidence, accuracy, share of the pixels) of each bin, all 0..1.

    Returns:
        An <svg> element: the diagonal, the curve, and a bar for each bin's share.
    """
    side, left, top = 240, 52, 12

    def place(x: float, y: float) -> Point:
        return left + x * side, top + (1 - y) * side

    confidence, accuracy, _ = points[-1]
    spoken = f"Accuracy over confidence; at a confidence of {confidence:.0%} the accuracy is {accuracy:.0%}"
    body = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        (x, _), (_, y) = place(tick, 0), place(0, tick)
        body += [_y_tick(left, left + side, y, tick), _text(x, top + side + 15, f"{tick:g}", "middle")]
    for x, _, share in points:
        (centre, bottom), (_, top_edge) = place(x, 0), place(x, share)
        body.append(
            f'<rect x="{centre - 6:.1f}" y="{top_edge:.1f}" width="12" height="{bottom - top_edge:.1f}" class="share">'
            f"<title>{share:.1%} of the pixels</title></rect>"
        )
    (x1, y1), (x2, y2) = place(0, 0), place(1, 1)
    body.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="ideal"/>')
    body.append(_line(place(x, y) for x, y, _ in points))
    body += [_dot(*place(x, y), f"confidence {x:.1%}, accuracy {y:.1%}") for x, y, _ in points]
    body += [
        _text(left + side / 2, top + side + 32, "confidence", "middle"),
        _text(left + 6, top + 14, "accuracy", "start"),
    ]
    return _svg(f"0 -4 {left + side + 12} {top + side + 40}", spoken, "chart square", body)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Choose about `count` round numbers that span `low` to `high`.

    >>> ticks(0.0, 0.7, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8]
    """
    span = (high - low) or abs(high) or 1.0
    power = 10 ** math.floor(math.log10(span / count))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if span / (power * factor) <= count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, max(last, first + 1) + 1)]


def short(value: float) -> str:
    """Format a number with three significant digits: 0.643, 12.5, 3e-05."""
    return f"{value:.3g}"


def _svg(box: str, spoken: str, kind: str, body: Iterable[str]) -> str:
    head = f'<svg viewBox="{box}" role="img" aria-label="{escape(spoken)}" class="{kind}">'
    return f"{head}{''.join(body)}</svg>"


def _y_tick(left: float, right: float, y: float, value: float) -> str:
    grid = f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
    return grid + _text(left - 6, y + 4, f"{value:g}", "end")


def _line(places: Iterable[Point]) -> str:
    return f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _dot(x: float, y: float, text: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"><title>{escape(text)}</title></circle>'
