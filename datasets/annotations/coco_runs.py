"""Polygons and run-length codes of COCO as the lengths of runs, as pycocotools decodes them."""

from typing import Any

import numpy as np
import pycocotools.mask

from datasets.annotations.canvas import Canvas
from datasets.audit import BadFileError, Kind


def decode(segmentation: Any, canvas: Canvas) -> np.ndarray:
    """Return the runs of polygons, as pycocotools fills them, or of a run-length code. Raises BadFileError."""
    height, width = canvas.size
    if not segmentation:
        raise BadFileError(Kind.ANNOTATION, "has no segmentation; a box is not enough")
    if isinstance(segmentation, list):
        for polygon in segmentation:
            canvas.outline(polygon)
        codes = pycocotools.mask.frPyObjects(segmentation, height, width)
        return _runs(pycocotools.mask.merge(codes)["counts"])
    if list(segmentation["size"]) != [height, width]:
        detail = f"a run-length code of {'x'.join(map(str, segmentation['size']))} on an image of {height}x{width}"
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
