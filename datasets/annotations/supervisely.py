"""Supervisely: a JSON for each image, with `objects`. Drawn as its SDK does; a later object lies on top."""

import base64
import zlib
from contextlib import suppress
from typing import Any

import numpy as np

from datasets.annotations import fill
from datasets.annotations.canvas import Canvas
from datasets.annotations.json_spans import parse_list
from datasets.annotations.labels import Labels
from datasets.annotations.outlines import points_of
from datasets.audit import BadFileError, Kind, open_image, raise_damage
from datasets.reader import Drawing

PNG_BYTES = 2**26  # Of a bitmap's PNG at most, decompressed once; its pixels are limited as those of any image


def draw(drawing: Drawing, labels: Labels) -> np.ndarray:
    """Draw the objects in the order of the file: uint8 [H, W]. Raises BadFileError."""
    ((_, content),) = drawing.files
    tree, objects = parse_list(content, "objects", "Supervisely")
    canvas = Canvas(drawing, labels)
    size = tree.get("size") or {}
    canvas.require_size(size.get("width"), size.get("height"))
    for number, figure in enumerate(objects):
        with canvas.shape(f"object {figure.get('id', number)} ({figure.get('classTitle')})"):
            canvas.paint(_mask(figure, canvas), figure["classTitle"])
    return canvas.finish()


def _mask(figure: Any, canvas: Canvas) -> np.ndarray:
    kind, size = figure["geometryType"], canvas.size
    if kind == "bitmap":
        return _bitmap(figure["bitmap"], size)
    if kind == "rectangle":
        corners = np.floor(points_of(figure["points"]["exterior"], size, least=2)).astype(int)
        (left, top), (right, bottom) = np.maximum(corners.min(axis=0), 0).tolist(), corners.max(axis=0).tolist()
        mask = np.zeros(size, bool)
        mask[top : bottom + 1, left : right + 1] = True
        return mask
    if kind == "polygon":
        points = figure["points"]
        mask = fill.polygons(size, [_corners(points["exterior"], canvas)])
        if points.get("interior"):
            mask &= ~fill.polygons(size, [_corners(hole, canvas) for hole in points["interior"]])
        return mask
    raise BadFileError(Kind.ANNOTATION, f"a {kind} has no area; read are bitmap, polygon and rectangle")


def _corners(points: Any, canvas: Canvas) -> np.ndarray:
    return np.floor(canvas.outline(points)).astype(int)  # as its PointLocation


def _bitmap(bitmap: Any, size: tuple[int, int]) -> np.ndarray:
    """Place a bitmap, a PNG, compressed once more or not, in base 64, at its origin; beyond the image it is cut off."""
    content = base64.b64decode(bitmap["data"])
    with suppress(zlib.error):  # some are the PNG itself
        content = zlib.decompressobj().decompress(content, PNG_BYTES)
    with open_image(content) as image, raise_damage():
        inset = np.asarray(image.getchannel("A") if "A" in image.getbands() else image.convert("L")).astype(bool)
    (left, top), (height, width) = bitmap["origin"], inset.shape
    if left >= size[1] or top >= size[0] or left + width <= 0 or top + height <= 0:
        raise BadFileError(Kind.ANNOTATION, f"its bitmap at {left},{top} lies outside the image")
    mask = np.zeros(size, bool)
    below, right = max(0, top), max(0, left)
    part = mask[below : top + height, right : left + width]
    part[:] = inset[below - top :, right - left :][: part.shape[0], : part.shape[1]]
    return mask
