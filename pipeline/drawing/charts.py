"""Charts as inline SVG, without scripts or network access; colours come from the page's style sheet."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.drawing import page_template

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 34

SPARK_WIDTH, SPARK_HEIGHT, SPARK_EDGE = 200, 56, 4

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One curve.

    Attributes:
        name: Its name in the legend and for screen readers.
        points: (x, y) in order of x; those with an infinite or NaN y are left out.
    """

    name: str
    points: Sequence[Point]

    def finite(self) -> "Series":
        """Return the series without the points that have no place in a chart."""
        return Series(self.name, [(x, y) for x, y in self.points if math.isfinite(y)])


@dataclass
class _Drawing:
    """What templates/chart.svg.j2 draws; all places are in the units of `box`."""

    box: str
    spoken: str
    kind: str
    grid: list[tuple[float, float, float]] = field(default_factory=list)  # left, right, y
    texts: list[tuple[float, float, str, str]] = field(default_factory=list)  # x, y, text, anchor
    bars: list[tuple[float, float, float, str]] = field(default_factory=list)  # x, top, height, what hovering shows
    ideal: tuple[Point, Point] | None = None
    lines: list[tuple[str, list[tuple[float, float, str]]]] = field(default_factory=list)  # name; x, y, hovering

    def y_tick(self, left: float, right: float, y: float, value: float) -> None:
        """Draw a line of the grid with its value."""
        self.grid.append((left, right, y))
        self.texts.append((left - 6, y + 4, f"{value:g}", "end"))

    def svg(self) -> "Markup":
        """Return the <svg> element."""
        return page_template.render(page_template.SHARED, "chart.svg.j2", {"chart": self})


def line_chart(series: Sequence[Series], *, label: str, x_label: str) -> "Markup | None":
    """Draw curves on common axes, of which y starts at 0.

    Args:
        series: At most three curves, which the style sheet tells apart.
        label: Name of y, read out by screen readers with the first and the last value of each curve.
        x_label: Name of x, written below the axis.

    Returns:
        An <svg> element whose points show their values on hover; None where there is no point.
    """
    series = [one for one in (one.finite() for one in series) if one.points]
    if not series:
        return None
    xs, ys = ([point[axis] for one in series for point in one.points] for axis in (0, 1))
    first, last = min(xs), max(xs)
    y_ticks = ticks(0.0, max(ys), 5)

    def place(x: float, y: float) -> Point:
        across = (x - first) / ((last - first) or 1)
        up = (y - y_ticks[0]) / ((y_ticks[-1] - y_ticks[0]) or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    drawing = _Drawing(f"0 0 {WIDTH} {HEIGHT}", f"{label}: {_spoken(series, x_label)}", "chart")
    for tick in y_ticks:
        drawing.y_tick(LEFT, WIDTH - RIGHT, place(first, tick)[1], tick)
    for tick in ticks(first, last, 6):
        if tick.is_integer() and first <= tick <= last:
            drawing.texts.append((place(tick, 0)[0], HEIGHT - BOTTOM + 15, f"{tick:g}", "middle"))
    drawing.texts.append((LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 4, x_label, "middle"))
    for one in series:
        shown = f"{one.name}, " if len(series) > 1 else ""
        drawing.lines.append((one.name, [(*place(x, y), f"{shown}{x_label} {x:g}: {short(y)}") for x, y in one.points]))
    return drawing.svg()


def sparkline(series: Series, *, x_label: str) -> "Markup | None":
    """Draw a small curve of shares without axes: 0 is the lower edge, 1 the upper one; None without a point."""
    series = series.finite()
    if not series.points:
        return None
    xs = [x for x, _ in series.points]
    wide, high = SPARK_WIDTH - 2 * SPARK_EDGE, SPARK_HEIGHT - 2 * SPARK_EDGE
    drawing = _Drawing(f"0 0 {SPARK_WIDTH} {SPARK_HEIGHT}", _spoken([series], x_label), "chart spark")
    drawing.grid = [(0, SPARK_WIDTH, SPARK_EDGE + high * (1 - share)) for share in (0, 0.5, 1)]
    places = [
        (
            SPARK_EDGE + wide * (x - xs[0]) / ((xs[-1] - xs[0]) or 1),
            SPARK_EDGE + high * (1 - min(max(y, 0), 1)),
            f"{x_label} {x:g}: {short(y)}",
        )
        for x, y in series.points
    ]
    drawing.lines.append((series.name, places))
    return drawing.svg()


def reliability(points: Sequence[tuple[float, float, float]]) -> "Markup":
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
    drawing = _Drawing(f"0 -4 {left + side + 12} {top + side + 40}", spoken, "chart square")
    for tick in (0, 0.25, 0.5, 0.75, 1):
        drawing.y_tick(left, left + side, place(0, tick)[1], tick)
        drawing.texts.append((place(tick, 0)[0], top + side + 15, f"{tick:g}", "middle"))
    for x, _, share in points:
        (centre, bottom), (_, edge) = place(x, 0), place(x, share)
        drawing.bars.append((centre - 6, edge, bottom - edge, f"{share:.1%} of the pixels"))
    drawing.ideal = place(0, 0), place(1, 1)
    dots = [(*place(x, y), f"confidence {x:.1%}, accuracy {y:.1%}") for x, y, _ in points]
    drawing.lines.append(("accuracy", dots))
    drawing.texts += [
        (left + side / 2, top + side + 32, "confidence", "middle"),
        (left + 6, top + 14, "accuracy", "start"),
    ]
    return drawing.svg()


def epochs(history: Sequence[Mapping[str, Any]], key: str, name: str) -> Series:
    """Return a value of history.json over the epochs, without the epochs that did not measure it."""
    values = [(entry.get("epoch", index), entry.get(key)) for index, entry in enumerate(history, start=1)]
    return Series(name, [(float(epoch), float(value)) for epoch, value in values if value is not None])


def ticks(low: float, high: float, count: int) -> list[float]:
    """Choose about `count` round numbers that span `low` to `high`.

    >>> ticks(0.0, 0.7, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8]
    """
    span = (high - low) or abs(high) or 1.0
    power = 10 ** math.floor(math.log10(span / count))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if span / (power * factor) <= count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(round(index * step, 12)) for index in range(first, max(last, first + 1) + 1)]


def short(value: float) -> str:
    """Format a number with three significant digits: 0.643, 12.5, 3e-05."""
    return f"{value:.3g}"


def _spoken(series: Sequence[Series], x_label: str) -> str:
    return "; ".join(
        f"{one.name} from {short(one.points[0][1])} at {x_label} {one.points[0][0]:g} "
        f"to {short(one.points[-1][1])} at {x_label} {one.points[-1][0]:g}"
        for one in series
    )
