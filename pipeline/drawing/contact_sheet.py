"""Contact sheets: image, mask and overlay of many examples, with a legend."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from datasets.spec import DatasetSpec
from pipeline.drawing import render

WIDTH = 320
"""Pixels across of each picture; smaller ones are enlarged by a whole factor."""

ROWS = 8
"""Examples on a sheet."""

Pair = tuple[np.ndarray, np.ndarray]
"""image uint8 [H,W,3] and mask uint8 [H,W]."""


def strip(image: np.ndarray, mask: np.ndarray, title: str, spec: DatasetSpec) -> np.ndarray:
    """Draw image, mask and overlay side by side under a title."""
    parts = [image, render.colour(mask, spec.colours), render.overlay(image, mask, spec.colours)]
    return render.caption(render.side_by_side([render.fit(part, WIDTH) for part in parts]), title)


def before_and_after(original: Pair, changed: Sequence[Pair], title: str, spec: DatasetSpec) -> np.ndarray:
    """Draw an original and what became of it side by side: images above, overlays below."""
    pairs = [original, *changed]
    images = [render.fit(image, WIDTH) for image, _ in pairs]
    overlays = [render.fit(render.overlay(image, mask, spec.colours), WIDTH) for image, mask in pairs]
    return render.caption(render.stack([render.side_by_side(images), render.side_by_side(overlays)]), title)


def sheets(strips: Iterable[np.ndarray], spec: DatasetSpec) -> Iterator[np.ndarray]:
    """Put strips below each other, so many a sheet, the legend under each."""
    waiting: list[np.ndarray] = []
    for drawn in strips:
        waiting.append(drawn)
        if len(waiting) == ROWS:
            yield _sheet(waiting, spec)
            waiting = []
    if waiting:
        yield _sheet(waiting, spec)


def _sheet(strips: Sequence[np.ndarray], spec: DatasetSpec) -> np.ndarray:
    width = max(drawn.shape[1] for drawn in strips)
    return render.stack([*strips, render.legend(spec.classes, spec.colours, width)], gap=8)
