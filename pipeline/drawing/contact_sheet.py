"""Contact sheets: image, mask and overlay of many examples, with a legend."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from PIL import Image

from datasets.spec import IGNORE, DatasetSpec
from pipeline.drawing import render

WIDTH = 320
"""Largest width of each picture, pixels; smaller ones are enlarged by an integer factor."""

ROWS = 8
"""Examples per sheet."""

CELL = (200, 240)
"""Height and width of each of the two pictures of a cell at most, pixels."""

COLUMNS = 3
"""Cells beside one another in a grid."""

LEGEND = "Classes: share of the pixels of these images, and how many of the images show it"

MARGIN = (246, 247, 249)
"""Colour around a picture in its cell."""

STRENGTH = 0.75
"""Weight of the colours in a cell: a wrong colour shows over a bright image too."""

Pair = tuple[np.ndarray, np.ndarray]
"""image uint8 [H,W,3] and mask uint8 [H,W]."""


def strip(image: np.ndarray, mask: np.ndarray, title: str, spec: DatasetSpec) -> np.ndarray:
    """Draw image uint8 [H,W,3], mask uint8 [H,W] in colours, and overlay side by side under a title."""
    image, mask = render.fit(image, WIDTH), render.fit(mask, WIDTH)
    parts = [image, render.colour(mask, spec.colours), render.overlay(image, mask, spec.colours)]
    return render.caption(render.side_by_side(parts), title)


def before_and_after(original: Pair, changed: Sequence[Pair], title: str, spec: DatasetSpec) -> np.ndarray:
    """Draw an example and its augmented versions side by side: images above, overlays below."""
    pairs = [original, *changed]
    images = [render.fit(image, WIDTH) for image, _ in pairs]
    overlays = [render.fit(render.overlay(image, mask, spec.colours), WIDTH) for image, mask in pairs]
    return render.caption(render.stack([render.side_by_side(images), render.side_by_side(overlays)]), title)


def sheets(strips: Iterable[np.ndarray], spec: DatasetSpec) -> Iterator[np.ndarray]:
    """Stack strips into sheets of ROWS strips, each with a legend below."""
    pending = iter(strips)
    while rows := list(islice(pending, ROWS)):
        legend = render.legend(spec.classes, spec.colours, max(row.shape[1] for row in rows))
        yield render.stack([*rows, legend], gap=8)


def cell(image: np.ndarray, mask: np.ndarray, title: str, spec: DatasetSpec) -> np.ndarray:
    """Draw image uint8 [H,W,3] and overlay with mask uint8 [H,W] side by side under a title.

    Ignored pixels are hatched.

    Returns:
        uint8 [h,w,3], the same for images of any size.
    """
    painted = render.overlay(image, mask, spec.colours, STRENGTH)
    pictures = [_into_cell(picture, Image.Resampling.BOX) for picture in (image, painted)]
    pictures[1] = render.hatch(pictures[1], _into_cell(mask, Image.Resampling.NEAREST) == IGNORE)
    parts = [_centred(picture) for picture in pictures]
    size = f"{image.shape[0]}x{image.shape[1]}"
    return render.caption(render.side_by_side(parts, gap=2), f"{title}   {size}")


def grid(cells: Sequence[np.ndarray], title: str, legend: Iterable[render.Entry]) -> np.ndarray:
    """Lay out cells of one size in rows of COLUMNS under a title, above a legend: uint8 [H,W,3]."""
    gap = 12
    rows = [render.side_by_side(cells[first : first + COLUMNS], gap) for first in range(0, len(cells), COLUMNS)]
    width = max(row.shape[1] for row in rows)
    rows = [
        render.side_by_side([row, np.full((1, width - row.shape[1], 3), render.PAPER, np.uint8)], 0) for row in rows
    ]
    head = render.caption(np.zeros((0, width, 3), np.uint8), title)
    below = render.caption(render.entries(legend, width), LEGEND)
    sheet = render.stack([head, *rows, below], gap)
    return np.pad(sheet, ((gap, gap), (gap, gap), (0, 0)), constant_values=255)


def _into_cell(picture: np.ndarray, method: Image.Resampling) -> np.ndarray:
    """Scale a picture or a mask to fill CELL in one direction: larger ones by `method`, others with sharp pixels."""
    zoom = min(limit / length for limit, length in zip(CELL, picture.shape[:2], strict=True))
    height, width = (max(1, round(length * zoom)) for length in picture.shape[:2])
    return np.asarray(
        Image.fromarray(picture).resize((width, height), method if zoom < 1 else Image.Resampling.NEAREST)
    )


def _centred(picture: np.ndarray) -> np.ndarray:
    cell_, (height, width) = np.full((*CELL, 3), MARGIN, np.uint8), picture.shape[:2]
    top, left = (CELL[0] - height) // 2, (CELL[1] - width) // 2
    cell_[top : top + height, left : left + width] = picture
    return cell_
