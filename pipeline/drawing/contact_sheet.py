"""Contact sheets: image, mask and overlay of many examples, with a legend."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from datasets.spec import DatasetSpec
from pipeline.drawing import render

WIDTH = 320
"""Largest width of each picture, pixels; smaller ones are enlarged by an integer factor."""

ROWS = 8
"""Examples per sheet."""

Pair = tuple[np.ndarray, np.ndarray]
"""image uint8 [H,W,3] and mask uint8 [H,W]."""


def strip(image: np.ndarray, mask: np.ndarray, title: str, spec: DatasetSpec) -> np.ndarray:
    """Draw image uint8 [H,W,3], mask uint8 [H,W] in colours, and overlay side by side under a title."""
    parts = [image, render.colour(mask, spec.colours), render.overlay(image, mask, spec.colours)]
    return render.caption(render.side_by_side([render.fit(part, WIDTH) for part in parts]), title)


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
