"""Polygons of whole coordinates, filled as OpenCV's fillPoly does: the inside by even and odd, and the outline.

OpenCV's wheel has 60 MB; what is used of it are the three functions of its drawing.cpp that are named here.
"""

from collections.abc import Sequence

import numpy as np

SHIFT = 16  # Bits after the point in OpenCV's horizontal positions


def polygons(size: tuple[int, int], outlines: Sequence[np.ndarray]) -> np.ndarray:
    """Fill polygons together, so that one inside another is a hole but for its outline: bool [H, W].

    Args:
        size: (H, W), pixels.
        outlines: Corners (x, y) of each polygon, whole numbers, [N, 2]. They may be outside the image.
    """
    edges = np.concatenate([np.hstack([np.roll(outline, 1, axis=0), outline]) for outline in outlines]).astype(np.int64)
    clipped, visible = _clip(size, edges)
    covered = _fill(size, edges, clipped)
    _draw_lines(covered, clipped[visible])
    return covered


def _clip(size: tuple[int, int], edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clip lines (x1, y1, x2, y2) to the image as cv::clipLine does; also return which of them are in it."""
    high = np.array([size[1] - 1, size[0] - 1] * 2)
    clipped, visible = edges.copy(), np.ones(len(edges), bool)
    for at in np.flatnonzero(((edges < 0) | (edges > high)).any(axis=1)):
        *clipped[at], visible[at] = _clip_line(*edges[at].tolist(), right=int(high[0]), bottom=int(high[1]))
    return clipped, visible


def _clip_line(x1: int, y1: int, x2: int, y2: int, *, right: int, bottom: int) -> tuple[int, int, int, int, bool]:
    def side(x: int, y: int) -> int:
        return (x < 0) + (x > right) * 2 + (y < 0) * 4 + (y > bottom) * 8

    first, second = side(x1, y1), side(x2, y2)
    if not first & second and first | second:
        if first & 12:
            to = 0 if first < 8 else bottom
            x1, y1 = x1 + int((to - y1) * (x2 - x1) / (y2 - y1)), to
            first = side(x1, 0)
        if second & 12:
            to = 0 if second < 8 else bottom
            x2, y2 = x2 + int((to - y2) * (x2 - x1) / (y2 - y1)), to
            second = side(x2, 0)
        if not first & second and first | second:
            if first:
                to = 0 if first == 1 else right
                x1, y1, first = to, y1 + int((to - x1) * (y2 - y1) / (x2 - x1)), 0
            if second:
                to = 0 if second == 1 else right
                x2, y2, second = to, y2 + int((to - x2) * (y2 - y1) / (x2 - x1)), 0
    return x1, y1, x2, y2, not first | second


def _fill(size: tuple[int, int], edges: np.ndarray, clipped: np.ndarray) -> np.ndarray:
    """Fill between the 1st and 2nd, 3rd and 4th ... edge of each row, as cv::FillEdgeCollection does: bool [H, W]."""
    height, width = size
    kept = edges[:, 1] != edges[:, 3]
    edges, clipped = edges[kept], clipped[kept]
    level = clipped[:, 1] == clipped[:, 3]
    clipped[level, 1::2] = edges[level, 1::2]
    run, rise = (clipped[:, 2] - clipped[:, 0]) << SHIFT, clipped[:, 3] - clipped[:, 1]
    slope = np.sign(run) * np.sign(rise) * (abs(run) // abs(rise))  # C++ rounds towards zero
    down = edges[:, 1] < edges[:, 3]
    top, base = np.minimum(edges[:, 1], edges[:, 3]), np.where(down, clipped[:, 1], clipped[:, 3])
    start = (np.where(down, clipped[:, 0], clipped[:, 2]) << SHIFT) + (top - base) * slope
    first = np.maximum(top, 0)  # rows above the image are counted, not drawn
    number = np.maximum(np.minimum(np.maximum(edges[:, 1], edges[:, 3]), height) - first, 0)
    step = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    y = np.repeat(first, number) + step
    x = np.repeat(start + (first - top) * slope, number) + step * np.repeat(slope, number)
    order = np.lexsort((x, y))
    y, x = y[order], x[order]
    rows, left, right = y[::2], (x[::2] + (1 << SHIFT) - 1) >> SHIFT, x[1::2] >> SHIFT
    left, right = np.maximum(left, 0), np.minimum(right, width - 1)
    seen = left <= right
    covered = np.zeros(size, bool)
    if seen.any():
        rows, left, right = rows[seen], left[seen], right[seen]
        (above, below), (before, after) = (rows.min(), rows.max() + 1), (left.min(), right.max() + 1)
        change = np.zeros((below - above, after - before + 1), np.int32)
        np.add.at(change, (rows - above, left - before), 1)
        np.add.at(change, (rows - above, right + 1 - before), -1)
        covered[above:below, before:after] = np.cumsum(change, axis=1, dtype=np.int32)[:, :-1] > 0
    return covered


def _draw_lines(covered: np.ndarray, lines: np.ndarray) -> None:
    """Draw lines (x1, y1, x2, y2) inside the image as cv::LineIterator does, from left to right."""
    swap = lines[:, 0] > lines[:, 2]
    lines = np.where(swap[:, None], lines[:, [2, 3, 0, 1]], lines)
    run, rise = lines[:, 2] - lines[:, 0], lines[:, 3] - lines[:, 1]
    longer, shorter = np.maximum(run, abs(rise)), np.minimum(run, abs(rise))
    number = longer + 1
    step = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    major, minor = np.repeat(longer, number), np.repeat(shorter, number)
    beside = (2 * minor * step + major - 1) // np.maximum(2 * major, 1)
    flat, sign = np.repeat(run >= abs(rise), number), np.repeat(np.sign(rise), number)
    x = np.repeat(lines[:, 0], number) + np.where(flat, step, beside)
    y = np.repeat(lines[:, 1], number) + sign * np.where(flat, beside, step)
    covered[y, x] = True
