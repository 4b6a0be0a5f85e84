"""Grids of numbered tiles: the filters of a layer, or its activations on an image."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from models import inspect
from models.fit import Fit
from pipeline.drawing import render

if TYPE_CHECKING:
    import keras

NARROWEST, WIDEST = 96, 320
"""Limits of a tile's width, pixels: its number must fit, and a screen should hold many tiles."""


def grid(pictures: np.ndarray, title: str) -> np.ndarray:
    """Lay out pictures as numbered tiles in a grid that is about square.

    Args:
        pictures: float [N,h,w,1 or 3] in 0..1.
        title: Written above, followed by N.

    Returns:
        uint8 [H,W,3].
    """
    count, height, width, _ = pictures.shape
    factor = max(1, -(-NARROWEST // width))
    columns = max(1, round(math.sqrt(count * height / width)))
    tiles = []
    for number, picture in enumerate(pictures):
        tile = np.round(255 * np.broadcast_to(picture, (height, width, 3))).astype(np.uint8)
        tile = tile.repeat(factor, axis=0).repeat(factor, axis=1)
        tiles.append(render.caption(render.fit(tile, min(tile.shape[1], WIDEST)), str(number)))
    rows = [render.side_by_side(tiles[first : first + columns], 2) for first in range(0, count, columns)]
    return render.caption(render.stack(rows, 2), f"{title}: {count}")


def training_pictures(
    model: "keras.Model", layers: Sequence[str], fit: Fit | None, image: np.ndarray
) -> dict[str, np.ndarray]:
    """Draw the activations of layers, and the filters of convolutional ones, for TensorBoard.

    Args:
        model: The model in training.
        layers: Names of its layers.
        fit: How the image is resized for the model; None: it is not.
        image: uint8 [H,W,3], the same in every call, so that steps can be compared.

    Returns:
        {"inspect/<layer>/activations" or "inspect/<layer>/filters": uint8 [H,W,3]}.
    """
    pictures = {}
    for layer in layers:
        pictures[f"inspect/{layer}/activations"] = grid(inspect.activations(model, layer, image, fit), layer)
        if inspect.has_filters(model, layer):
            pictures[f"inspect/{layer}/filters"] = grid(inspect.filters(model, layer), layer)
    return pictures
