"""The label of one image while shapes are drawn into it, and the list of shapes that are wrong."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pycocotools.mask
from PIL import Image, ImageDraw

from datasets.annotations import fill
from datasets.annotations.labels import Labels
from datasets.audit import BadFileError, Kind
from datasets.reader import Drawing

SHOWN_FAULTS = 5
"""Number of shapes that the message on one image describes; the others are counted."""

MANY_RUNS = 5000
"""More runs than this are decoded together: one by one takes 0.1 microseconds each."""

SEARCHED = 500
"""Polygons of more corners are not searched for crossings: the time grows with the square of their number."""

FAR = 100
"""A coordinate beyond this many times the image's longer side is an error."""

DAMAGE = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, OSError, SyntaxError)
"""What reading a shape raises where a field is missing or of another kind."""


class Canvas:
    """Train ids, [H, W], to draw into. A shape that is drawn later lies over the earlier ones.

    Args:
        drawing: What is drawn; its size is that of the label.
        labels: The classes.
    """

    def __init__(self, drawing: Drawing, labels: Labels) -> None:
        self.size = drawing.size
        self._image, self._labels, self._notes = drawing.image, labels, drawing.notes
        self._shape: object = ""
        # Column by column, as COCO's runs are.
        self._flat = np.full(self.size[0] * self.size[1], labels.uncovered, np.uint8)
        self._faults: list[str] = []

    @contextmanager
    def shape(self, name: object) -> Iterator[None]:
        """Collect what is wrong with a shape that is read and drawn in the block."""
        self._shape = name
        try:
            yield
        except BadFileError as error:
            self._faults.append(f"{name}: {error.detail}")
        except DAMAGE as error:
            self._faults.append(f"{name}: cannot be read ({type(error).__name__}: {error})")

    def require_size(self, width: Any, height: Any) -> None:
        """Raise BadFileError where the tool drew on an image of another size than that of the record."""
        if width and height and (int(height), int(width)) != self.size:
            turned = (int(width), int(height)) == self.size
            advice = "; the tool saw it turned: see `image.exif`" if turned else ""
            detail = f"{self._image} is {_format(self.size)}, annotated as {int(height)}x{int(width)}{advice}"
            raise BadFileError(Kind.MASK_SIZE, detail)

    def train_id(self, label: str) -> int:
        """Return the train id of a label, or raise BadFileError."""
        return self._labels.train_id(label)

    def outline(self, values: Any) -> np.ndarray:
        """Return the corners of a polygon, float64 [N, 2] of (x, y), as `points_of` does; note if it crosses itself."""
        points = points_of(values, self.size)
        if self._notes is not None and crosses_itself(points):
            self._notes.append(f"{self._image}, {self._shape}")
        return points

    def paint(self, area: np.ndarray, label: str) -> None:
        """Give the pixels of an area the train id of a label.

        Args:
            area: A mask, bool [H, W]; or the lengths of runs outside and inside in turn, column by column, int [N], as
                `coco_runs` returns them: decoding them to a mask would take five times as long.
            label: The label.
        """
        train_id = self.train_id(label)
        if area.ndim == 2:
            np.copyto(self._pixels, train_id, where=area)
        elif len(area) > MANY_RUNS:
            self._flat[np.repeat(np.arange(len(area)) % 2 == 1, area)] = train_id
        else:
            ends = np.cumsum(area)
            for start, end in zip(ends[::2].tolist(), ends[1::2].tolist(), strict=False):
                self._flat[start:end] = train_id

    def finish(self) -> np.ndarray:
        """Return the train ids, uint8 [H, W]; raise one BadFileError for all shapes that are wrong."""
        if self._faults:
            more = len(self._faults) - SHOWN_FAULTS
            shown = [*self._faults[:SHOWN_FAULTS], *([f"and {more} more shapes"] if more > 0 else [])]
            raise BadFileError(Kind.ANNOTATION, f"{self._image}, {'; '.join(shown)}")
        return np.ascontiguousarray(self._pixels)

    @property
    def _pixels(self) -> np.ndarray:
        return self._flat.reshape(self.size[1], self.size[0]).T


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
        raise BadFileError(Kind.ANNOTATION, f"lies outside the image of {_format(size)} ({spans})")
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


def coco_runs(segmentation: Any, canvas: Canvas) -> np.ndarray:
    """Return the runs of polygons, as pycocotools fills them, or of a run-length code. Raises BadFileError."""
    height, width = size = canvas.size
    if not segmentation:
        raise BadFileError(Kind.ANNOTATION, "has no segmentation; a box is not enough")
    if isinstance(segmentation, list):
        for polygon in segmentation:
            canvas.outline(polygon)
        codes = pycocotools.mask.frPyObjects(segmentation, height, width)
        return _runs(pycocotools.mask.merge(codes)["counts"])
    if list(segmentation["size"]) != [height, width]:
        detail = f"a run-length code of {_format(tuple(segmentation['size']))} on an image of {_format(size)}"
        raise BadFileError(Kind.ANNOTATION, detail)
    counts = segmentation["counts"]
    runs = np.array(counts, np.int64) if isinstance(counts, list) else _runs(counts.encode("ascii"))
    if runs.sum() != height * width or runs.min() < 0:  # pycocotools would decode it to anything
        raise BadFileError(Kind.ANNOTATION, f"a run-length code of {runs.sum()} pixels, not {height * width}")
    return runs


def _runs(code: bytes) -> np.ndarray:
    """Return the lengths of the runs of a compressed code (rleFrString of pycocotools' maskApi.c)."""
    signs = np.frombuffer(code, np.uint8).astype(np.int64) - 48
    last = signs & 0x20 == 0  # the others have more digits, of five bits, the lowest first
    number = np.cumsum(last) - last
    place = np.arange(len(signs)) - np.concatenate([[0], np.flatnonzero(last) + 1])[number]
    runs = np.bincount(number, (signs & 0x1F) * 32.0**place).astype(np.int64)
    runs -= np.where(signs[last] & 0x10, 32 ** (place[last] + 1), 0)
    for first in (1, 2):  # from the third on, each is the difference from that before the last
        runs[first::2] = np.cumsum(runs[first::2])
    return runs


def pillow_mask(size: tuple[int, int], draw: str, points: np.ndarray, **options: Any) -> np.ndarray:
    """Draw with one of ImageDraw's functions, such as "polygon": bool [H, W]."""
    image = Image.new("L", (size[1], size[0]))
    getattr(ImageDraw.Draw(image), draw)([tuple(point) for point in points.tolist()], fill=1, **options)
    return np.asarray(image).astype(bool)


def opencv_mask(size: tuple[int, int], polygons: Sequence[np.ndarray]) -> np.ndarray:
    """Fill polygons of whole coordinates, int [N, 2], as OpenCV's fillPoly does: bool [H, W]."""
    return fill.polygons(size, polygons)


def colour_of(text: Any) -> tuple[int, int, int] | None:
    """Return the colour of "#RRGGBB" or [r, g, b]; None for anything else."""
    if isinstance(text, list) and len(text) >= 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in text[:3]):
        return text[0], text[1], text[2]
    try:
        value = int(str(text).removeprefix("#")[:6], 16) if str(text).startswith("#") and len(str(text)) >= 7 else None
    except ValueError:
        return None
    return None if value is None else (value >> 16, value >> 8 & 255, value & 255)


def distinct(colours: Mapping[str, Any]) -> dict[str, tuple[int, int, int] | None]:
    """Return {label: colour}, with None where a colour is given twice or is none."""
    read = {label: colour_of(colour) for label, colour in colours.items()}
    seen = list(read.values())
    return {label: colour if seen.count(colour) == 1 else None for label, colour in read.items()}


def _format(size: Sequence[Any]) -> str:
    return "x".join(map(str, size))
