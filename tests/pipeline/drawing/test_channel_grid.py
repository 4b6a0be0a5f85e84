"""Grids of a layer's filters and activations."""

import numpy as np

from models import catalog
from pipeline.drawing import channel_grid


def test_a_grid_holds_every_picture_scaled_and_numbered() -> None:
    pictures = np.linspace(0, 1, 10)[:, None, None, None] * np.ones((1, 5, 6, 1))
    drawn = channel_grid.grid(pictures, "layer")
    shades = {round(255 * value) for value in np.linspace(0, 1, 10)}
    assert drawn.dtype == np.uint8 and shades <= set(np.unique(drawn))
    wide = channel_grid.grid(np.zeros((2, 100, 700, 3)), "layer")
    assert wide.shape[1] <= 2 * channel_grid.WIDEST + 2


def test_pictures_for_tensorboard() -> None:
    model = catalog.build("fast", 3, {"width": 8})
    pictures = channel_grid.training_pictures(
        model, ["stem_a_conv", "stem_a_relu"], None, np.zeros((32, 48, 3), np.uint8)
    )
    assert list(pictures) == [
        "inspect/stem_a_conv/activations", "inspect/stem_a_conv/filters", "inspect/stem_a_relu/activations"
    ]  # fmt: skip
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in pictures.values())
