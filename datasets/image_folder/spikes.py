"""Judge which values of masks are classes, and which are edges that smoothing or JPEG has left between them.

Blur spreads over many values, each on a few pixels at a border; a class is a spike: one value that fills areas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

import numpy as np

from datasets.image_folder.tally import Tally

Point = tuple[int, ...]

THIN = 0.02  # A value with a smaller share of inner pixels fills no area
MOSTLY = 0.7  # Share of the pixels of thin values that lie between their neighbours, if these values are edges
DISPLAYED = 16  # Values this far apart are grey levels to look at rather than consecutive ids

SPIKE = 0.35
"""Share of the pixels around a class in JPEG masks that have its colour up to noise; on a wide edge it is 0.2."""

MASKED = 0.5  # Share of the pixels of a JPEG mask that have, up to noise within an area, the colour of a class
JPEG_RADIUS, JPEG_NOISE = 24, 5  # JPEG changes values by as much near an edge, and by as much within an area

SMALLEST, CLOSE = 0.0005, 0.01
"""Share of all pixels that the areas of a class in JPEG masks hold at least; and that of a value which is no noise."""

FEW, OFF_LINE, SPIKE_OF_FEW = 12, 0.45, 0.7
"""Pixels of JPEG masks that stand out: in number, in distance from all lines between peaks, as a share of what the
peaks differ by, and by the share that one value has of all areas between peaks."""

MANY, HEAVIEST = 256, 12
"""Number of peaks after which no others are looked for; and of those between which edges are looked for."""


@dataclass(frozen=True)
class Judged:
    """The values of masks, judged.

    Attributes:
        classes: Values that fill areas, sorted.
        edges: Values that lie between others, sorted; empty where every value is a class.
        small: Of lossless masks, those of the classes that fill no area and yet lie on no edge; of JPEG masks, values
            that stand out and are too few to tell from noise, and so no classes.
        close: Two values of areas that JPEG does not keep apart; empty where there are none.
    """

    classes: tuple[int, ...]
    edges: tuple[int, ...] = ()
    small: tuple[int, ...] = ()
    close: tuple[int, ...] = ()


def judge(tally: Tally, points: Mapping[int, Point]) -> Judged:
    """Judge the values of masks that are stored without loss; `points` is {value: its channels}."""
    thin = [value for value, pixels in tally.pixels.items() if tally.inner[value] < THIN * pixels]
    solid = sorted(tally.pixels.keys() - set(thin))
    if not _is_blurred(tally, points, thin, solid):
        return Judged(tuple(sorted(tally.pixels)))
    usual = median(tally.pixels[value] for value in thin)
    places = np.array([points[value] for value in tally.pixels])
    spread = (places.max(axis=0) - places.min(axis=0)).max()
    radius = spread / 8 if spread >= 4 * DISPLAYED else 0
    classes: list[int] = []
    for value in sorted(tally.pixels, key=lambda value: (-tally.inner[value], -tally.pixels[value], value)):
        pixels, filled = tally.pixels[value], tally.inner[value] / tally.pixels[value]
        tail = any(_distance(points[value], points[one]) <= radius for one in classes)  # of a smooth edge
        spike = pixels >= 3 * usual if filled >= 2 * THIN else _is_line(tally, value, usual)
        if filled > MOSTLY or (spike and not tail):
            classes.append(value)
    if len(classes) < 2:
        return Judged(tuple(sorted(tally.pixels)))
    small = [value for value in sorted(tally.pixels.keys() - set(classes)) if radius and _is_drawn(tally, value)]
    small = [value for value in small if min(_distance(points[value], points[one]) for one in classes) > radius]
    classes += small
    return Judged(tuple(sorted(classes)), tuple(sorted(tally.pixels.keys() - set(classes))), tuple(small))


def judge_lossy(tally: Tally, points: Mapping[int, Point]) -> Judged:
    """Judge the values of JPEG masks: around each value that fills areas there is a cloud of noise."""
    order = sorted(tally.pixels, key=lambda value: (-tally.inner[value], -tally.pixels[value], value))
    places = np.array([points[value] for value in order])
    inner = np.array([tally.inner[value] for value in order])
    pixels = np.array([tally.pixels[value] for value in order])
    left, near_peaks = np.ones(len(order), bool), np.zeros(len(order), bool)
    peaks: list[int] = []
    masses: list[int] = []
    close: tuple[int, ...] = ()
    while len(peaks) < MANY and left.any() and inner[peak := int(np.argmax(left))]:
        distance = abs(places - places[peak]).max(axis=1)
        cloud = left & (distance <= JPEG_RADIUS)
        left &= ~cloud
        rivals = np.flatnonzero(cloud & (distance > JPEG_NOISE) & (inner > CLOSE * inner.sum()))
        if rivals.size and not close:
            close = (order[peak], order[int(rivals[0])])
        mass = int(inner[cloud].sum())
        near = abs(places[peaks] - places[peak]).max(axis=1) <= 2 * JPEG_RADIUS
        is_noise = (mass < 0.02 * np.array(masses)[near]).any()
        is_edge = mass < 0.3 * pixels[cloud].sum() and _is_on_a_line(places[peak], places[peaks[:HEAVIEST]])
        around = (distance <= JPEG_RADIUS) & ~near_peaks
        is_spike = pixels[around & (distance <= JPEG_NOISE)].sum() >= SPIKE * pixels[around].sum()
        if mass >= SMALLEST * tally.total and is_spike and not (is_noise or is_edge):
            peaks.append(peak)
            masses.append(mass)
            near_peaks |= distance <= JPEG_NOISE
    if pixels[near_peaks].sum() < MASKED * tally.total:  # a photo has no areas of one colour
        peaks = []
    small = _stand_out(places, pixels, inner, places[peaks[:HEAVIEST]]) if len(peaks) > 1 else ()
    classes = tuple(sorted(order[peak] for peak in peaks))
    edges = tuple(sorted(tally.pixels.keys() - set(classes)))
    return Judged(classes, edges, tuple(order[place] for place in small), close)


def crossed(classes: Sequence[Point]) -> tuple[Point, Point, Point] | None:
    """Return (a, b, c) of classes where the colours between a and b pass c, so that "nearest" paints c along the edge.

    >>> crossed([(0,), (128,), (255,)])
    ((0,), (255,), (128,))
    >>> crossed([(0, 0, 0), (255, 0, 0), (0, 255, 0)]) is None
    True
    """
    for first, second in combinations(classes, 2):
        steps = np.linspace(0, 1, 17)[:, None]
        line = np.array(first) + steps * (np.array(second) - np.array(first))
        own = np.minimum(np.linalg.norm(line - first, axis=1), np.linalg.norm(line - second, axis=1))
        for third in classes:
            if third not in (first, second) and (np.linalg.norm(line - third, axis=1) < 0.8 * own).any():
                return first, second, third
    return None


def _is_blurred(tally: Tally, points: Mapping[int, Point], thin: Sequence[int], solid: Sequence[int]) -> bool:
    """Whether the thin values are edges: most pixels fill areas, and the others lie between their neighbours."""
    filled = sum(tally.pixels[value] for value in solid)
    between, tested = (sum(counts[value] for value in thin) for counts in (tally.between, tally.tested))
    if len(solid) < 2 or len(thin) < 3 or filled < 0.5 * tally.total or between < MOSTLY * tested:
        return False
    levels = sorted({points[value][0] for value in solid})
    is_displayed = min(np.diff(levels), default=0) >= DISPLAYED
    is_coloured = any(len(set(points[value])) > 1 for value in solid)
    # Among consecutive ids a rare, thin class often lies between its neighbours. Blur is along most borders.
    borders = filled - sum(tally.inner[value] for value in solid)
    return bool(is_displayed) or is_coloured or sum(tally.pixels[value] for value in thin) > 0.2 * borders


def _is_line(tally: Tally, value: int, usual: float) -> bool:
    """Whether a thin value is a class of lines: far more pixels than an edge has, which stand out from both sides."""
    return tally.pixels[value] >= max(20, 10 * usual) and tally.between[value] < 0.3 * tally.tested[value]


def _is_drawn(tally: Tally, value: int) -> bool:
    """Whether a value has a square of 2 x 2 pixels and does not lie between its neighbours, as edges do."""
    return tally.blocks[value] > 0 and tally.between[value] <= 0.05 * tally.tested[value]


def _is_on_a_line(place: np.ndarray, peaks: np.ndarray) -> bool:
    """Whether a colour lies between two others."""
    return len(peaks) > 1 and bool(_from_lines(place[None], peaks)[0] <= JPEG_RADIUS)


def _from_lines(places: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Return the distances of colours from the nearest line between two of the peaks."""
    nearest = np.full(len(places), np.inf)
    for first, second in combinations(peaks, 2):
        along = second - first
        steps = np.clip((places - first) @ along / (along @ along), 0, 1)[:, None]
        nearest = np.minimum(nearest, abs(first + steps * along - places).max(axis=1))
    return nearest


def _stand_out(places: np.ndarray, pixels: np.ndarray, inner: np.ndarray, peaks: np.ndarray) -> tuple[int, ...]:
    """Return the place of a value of JPEG masks that is no class, and hardly an edge; empty where there is none.

    Its colour is far from any line between classes, or only it, of all values between them, fills small areas.
    """
    is_off = _from_lines(places, peaks) > OFF_LINE * (peaks.max(axis=0) - peaks.min(axis=0)).max()
    if pixels[is_off].sum() >= FEW:
        return (int(np.argmax(pixels * is_off)),)
    far = np.min([abs(places - peak).max(axis=1) for peak in peaks], axis=0) > 2 * JPEG_RADIUS
    best = int(np.argmax(inner * far))
    alike = far & (abs(places - places[best]).max(axis=1) <= JPEG_RADIUS)
    left = inner[far].sum()
    return (best,) if left >= FEW / 2 and inner[alike].sum() >= SPIKE_OF_FEW * left else ()


def _distance(first: Point, second: Point) -> int:
    return max(abs(one - other) for one, other in zip(first, second, strict=True))
