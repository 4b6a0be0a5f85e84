"""The corners of a shape, and what is wrong with them."""

from typing import Any

import numpy as np

from datasets.audit import BadFileError, Kind

SEARCHED = 500
"""Polygons of more corners are not searched for crossings: the time grows with the square of their number."""

FAR = 100  # A coordinate beyond this many times the image's longer side is an error


def points_of(values: Any, size: tuple[int, int], *, least: int = 3) -> np.ndarray:
    """Return the points of a shape, float64 [N, 2] of (x, y) in pixels.

    Raises:
        BadFileError: They are fewer than `least`, not numbers, all outside the image on the same side, or one is far.
    """
    points = np.array(values, np.float64)
    if points.ndim == 1 and len(points) % 2:
        raise BadFileError(Kind.ANNOTATION, f"{len(points)} coordinates are not pairs of x and y")
    points = points.reshape(-1, 2)
    if len(points) < least:
        raise BadFileError(Kind.ANNOTATION, f"{len(points)} points, where at least {least} are needed")
    if not np.isfinite(points).all():
        raise BadFileError(Kind.ANNOTATION, "a coordinate is no finite number")
    height, width = size
    low, high = points.min(axis=0), points.max(axis=0)
    if high[0] < 0 or high[1] < 0 or low[0] > width or low[1] > height:
        spans = f"x {low[0]:g}..{high[0]:g}, y {low[1]:g}..{high[1]:g}"
        raise BadFileError(Kind.ANNOTATION, f"lies outside the image of {height}x{width} ({spans})")
    if abs(points).max() > FAR * max(size):  # decoders walk along every edge
        raise BadFileError(Kind.ANNOTATION, f"a coordinate of {abs(points).max():g} is far outside the image")
    return points


def crosses_itself(points: np.ndarray) -> bool:
    """Whether two edges of a closed polygon, [N, 2], cross; touching is not, and long ones are not searched."""
    if not 4 <= len(points) <= SEARCHED:
        return False
    begin, end = points, np.roll(points, -1, axis=0)
    along = end - begin

    def side(corners: np.ndarray) -> np.ndarray:
        """Return on which side of each edge [i] each corner [j] is: -1, 0 or 1."""
        apart = corners[None] - begin[:, None]
        return np.sign(along[:, None, 0] * apart[..., 1] - along[:, None, 1] * apart[..., 0])

    divided = side(begin) * side(end) < 0
    return bool((divided & divided.T).any())
