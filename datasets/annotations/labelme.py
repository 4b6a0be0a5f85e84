"""labelme: a JSON for each image, with `shapes`. Drawn as its utils/shape.py does; a later shape lies on top."""

import base64
import math
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from datasets.annotations.canvas import Canvas, pillow_mask
from datasets.annotations.json_spans import parse_list
from datasets.annotations.labels import Labels
from datasets.annotations.outlines import points_of
from datasets.audit import BadFileError, Kind, open_image, raise_damage
from datasets.reader import Drawing

LINE_WIDTH, POINT_SIZE = 10, 5  # Of lines and points, pixels: labelme's own

POINTS = {"circle": 2, "rectangle": 2, "line": 2, "point": 1, "oriented_rectangle": 4, "mask": 2}
"""{kind of shape: number of its points}."""


def draw(drawing: Drawing, labels: Labels) -> np.ndarray:
    """Draw the shapes in the order of the file: uint8 [H, W]. Raises BadFileError."""
    ((_, content),) = drawing.files
    tree, shapes = parse_list(content, "shapes", "labelme")
    canvas = Canvas(drawing, labels)
    canvas.require_size(tree.get("imageWidth"), tree.get("imageHeight"))
    _require_image(str(tree.get("imagePath") or ""), drawing.image)
    for number, shape in enumerate(shapes):
        with canvas.shape(f"shape {number}"):
            label = shape["label"]
            if not isinstance(label, str):
                raise BadFileError(Kind.ANNOTATION, f"its label is {label!r}, which is no text")
            canvas.paint(_mask(shape, canvas), label)
    return canvas.finish()


def _require_image(named: str, image: str) -> None:
    stem = PurePosixPath(named.replace("\\", "/")).stem
    if named and stem != PurePosixPath(image).stem:
        raise BadFileError(Kind.ANNOTATION, f"its imagePath is {named}, but by its own name it is that of {image}")


def _mask(shape: Any, canvas: Canvas) -> np.ndarray:
    kind, size = shape.get("shape_type") or "polygon", canvas.size
    wanted = POINTS.get(kind)
    points = points_of(shape["points"], size, least=wanted or (3 if kind == "polygon" else 2))
    if wanted and len(points) != wanted:
        raise BadFileError(Kind.ANNOTATION, f"{len(points)} points, where a {kind} has {wanted}")
    if kind in ("polygon", "oriented_rectangle"):
        return pillow_mask(size, "polygon", canvas.outline(points), outline=1)
    if kind == "circle":
        radius = math.dist(*points)
        return pillow_mask(size, "ellipse", np.array([points[0] - radius, points[0] + radius]), outline=1)
    if kind == "rectangle":
        return pillow_mask(size, "rectangle", np.array([points.min(axis=0), points.max(axis=0)]), outline=1)
    if kind in ("line", "linestrip"):
        return pillow_mask(size, "line", points, width=LINE_WIDTH)
    if kind == "point":
        return pillow_mask(size, "ellipse", np.array([points[0] - POINT_SIZE, points[0] + POINT_SIZE]), outline=1)
    if kind == "mask":
        return _inset(shape["mask"], points, size)
    raise BadFileError(Kind.ANNOTATION, f"a {kind!r}; read are polygon, linestrip, {', '.join(POINTS)}")


def _inset(encoded: str, corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Place a mask, a PNG in base 64, between its corners, which are in it."""
    with open_image(base64.b64decode(encoded)) as image, raise_damage():
        inset = np.asarray(image).astype(bool)
    (x1, y1), (x2, y2) = corners.astype(int).tolist()
    if inset.shape != (y2 - y1 + 1, x2 - x1 + 1) or min(x1, y1) < 0 or x2 >= size[1] or y2 >= size[0]:
        shape = "x".join(map(str, inset.shape))
        raise BadFileError(Kind.ANNOTATION, f"a mask of {shape} does not fit its corners {corners.tolist()}")
    mask = np.zeros(size, bool)
    mask[y1 : y2 + 1, x1 : x2 + 1] = inset
    return mask
