"""The label of one image while shapes are drawn into it, and the list of shapes that are wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from datasets.annotations.labels import Labels
from datasets.annotations.outlines import crosses_itself, points_of
from datasets.audit import BadFileError, Kind
from datasets.reader import Drawing

SHOWN_FAULTS = 5  # Number of shapes that the message on one image describes; the others are counted
MANY_RUNS = 5000  # More runs than this are decoded together: one by one takes 0.1 microseconds each

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
            own, drawn = f"{self.size[0]}x{self.size[1]}", f"{int(height)}x{int(width)}"
            detail = f"{self._image} is {own}, annotated as {drawn}{advice}"
            raise BadFileError(Kind.MASK_SIZE, detail)

    def train_id(self, label: str) -> int:
        """Return the train id of a label, or raise BadFileError."""
        return self._labels.train_id(label)

    @property
    def attribute(self) -> str:
        """The attribute that holds the label of a shape; empty where the layout names none."""
        return self._labels.attribute

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
                `coco_runs.decode` returns them: decoding them to a mask would take five times as long.
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


def pillow_mask(size: tuple[int, int], draw: str, points: np.ndarray, **options: Any) -> np.ndarray:
    """Draw with one of ImageDraw's functions, such as "polygon": bool [H, W]."""
    image = Image.new("L", (size[1], size[0]))
    getattr(ImageDraw.Draw(image), draw)([tuple(point) for point in points.tolist()], fill=1, **options)
    return np.asarray(image).astype(bool)
