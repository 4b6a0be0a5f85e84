"""YOLO polygons, as Ultralytics reads them: a text file for each image, a line for each polygon.

Drawn as its PolygonSemanticDataset does: corners cut down to whole pixels, OpenCV's fillPoly, the smaller one on top.
"""

import numpy as np

from datasets.annotations import fill
from datasets.annotations.canvas import Canvas
from datasets.annotations.labels import Labels
from datasets.annotations.outlines import points_of
from datasets.audit import BadFileError, Kind
from datasets.reader import Drawing

BOX = 4  # Number of coordinates of a line that is a box: centre, width and height
BEYOND = 0.01  # Coordinates may be beyond 0..1 by this (Ultralytics' verify_image_label)


def draw(drawing: Drawing, labels: Labels) -> np.ndarray:
    """Draw the polygons, the larger ones first: uint8 [H, W]. Raises BadFileError."""
    canvas = Canvas(drawing, labels)
    masks: list[tuple[np.ndarray, str, int]] = []
    for _, content in drawing.files:
        for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
            if line.strip():
                with canvas.shape(f"line {number}"):
                    masks.append((*_mask(line.split(), canvas), number))
    for mask, label, number in sorted(masks, key=lambda one: -np.count_nonzero(one[0])):
        with canvas.shape(f"line {number}"):
            canvas.paint(mask, label)
    return canvas.finish()


def _mask(words: list[str], canvas: Canvas) -> tuple[np.ndarray, str]:
    """Return the mask of a line and its label, which is the number of its class."""
    label, (height, width) = words[0], canvas.size
    if not label.isdecimal():
        raise BadFileError(Kind.ANNOTATION, f"begins with {label!r}, not with the number of a class")
    values = np.array(words[1:], np.float32)  # ValueError where one is no number
    if len(values) == BOX:
        raise BadFileError(Kind.ANNOTATION, "is a box (4 numbers), not a polygon")
    if (abs(values - 0.5) > 0.5 + BEYOND).any():
        raise BadFileError(Kind.ANNOTATION, "has coordinates beyond 0..1, which are shares of the image's size")
    shares = points_of(values, canvas.size).astype(np.float32)
    points = canvas.outline(shares * np.array([width, height], np.float32))
    return fill.polygons(canvas.size, [points.astype(np.int32)]), str(int(label))
