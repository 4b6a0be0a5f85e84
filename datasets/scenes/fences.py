"""Fences and walls along the street."""

import numpy as np

from datasets.scenes.canvas import NEAREST, Canvas, Colour
from datasets.scenes.noise import Noise
from datasets.scenes.surface import Surface


def paint_fence(
    canvas: Canvas, x: float, near: float, far: float, height: float, colour: Colour, gap: float, noise: Noise
) -> None:
    """Paint a fence along the street. The gaps between its bars are fence too, as in hand-made masks.

    Args:
        canvas: The canvas.
        x: Lateral position, metres; left is negative.
        near: Depth of its near end, metres.
        far: Depth of its far end, metres.
        height: Height, metres.
        colour: Colour of its wood or metal.
        gap: Open share between bars; 0: boards.
        noise: Grain of the wood.
    """
    near = max(near, NEAREST)
    behind = np.asarray(canvas.image)

    def paint(px: np.ndarray, py: np.ndarray) -> tuple[np.ndarray, np.ndarray | Surface]:
        ahead, up = canvas.camera.along(x, px, py, near, far)
        board = (ahead * (5 if gap else 6.5)) % 1
        grain = 1 + 0.12 * noise.at(noise.fine, ahead * 30, up * 8) - 0.35 * (board < 0.12)
        colours = canvas.fade(np.asarray(colour, np.float32) * grain[..., None], ahead)
        if gap:
            rail = (np.abs(up - height + 0.06) < 0.05) | (np.abs(up - 0.18) < 0.05)
            seen = behind[py.astype(int), px.astype(int)]
            colours = np.where(((board < gap) & ~rail)[..., None], np.float32(0.8) * seen, colours)
        return colours, Surface.FENCE

    canvas.face([(x, 0.0, near), (x, height, near), (x, height, far), (x, 0.0, far)], paint)


def paint_wall(canvas: Canvas, x: float, near: float, far: float, height: float, colour: Colour, noise: Noise) -> None:
    """Paint a wall of brick or concrete with a coping; arguments as of `paint_fence`."""
    near = max(near, NEAREST)

    def paint(px: np.ndarray, py: np.ndarray) -> tuple[np.ndarray, np.ndarray | Surface]:
        ahead, up = canvas.camera.along(x, px, py, near, far)
        row = np.floor(up / 0.24)
        joint = ((up % 0.24) < 0.03) | (((ahead + 0.3 * (row % 2)) % 0.6) < 0.03)
        shade = 1 + 0.09 * noise.at(noise.fine, ahead * 12, up * 12) + 0.05 * noise.at(noise.soft, ahead * 5, up * 5)
        shade = shade * np.where(joint, 0.86, 1) * np.where(up > height - 0.12, 1.25, 1) * np.where(up < 0.15, 0.8, 1)
        return canvas.fade(np.asarray(colour, np.float32) * shade[..., None], ahead), Surface.WALL

    canvas.face([(x, 0.0, near), (x, height, near), (x, height, far), (x, 0.0, far)], paint)
