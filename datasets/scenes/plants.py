"""Trees, bushes and hedges."""

import math

import numpy as np

from datasets.scenes.canvas import NEAREST, Canvas, Colour
from datasets.scenes.light import Light
from datasets.scenes.noise import Noise
from datasets.scenes.surface import Surface

BARK = ((74, 62, 52), (92, 84, 74), (58, 52, 50))


def random_leaf_colour(rng: np.random.Generator) -> Colour:
    """Return a random colour of leaves: mostly green, sometimes brown or olive."""
    base = [(62, 86, 38), (84, 104, 50), (48, 66, 40), (112, 98, 48), (104, 74, 44)][
        rng.choice(5, p=[0.3, 0.25, 0.25, 0.1, 0.1])
    ]
    return tuple(np.asarray(base) * rng.uniform(0.7, 1.25) + rng.normal(0, 5, 3))


def paint_tree(canvas: Canvas, x: float, ahead: float, light: Light, noise: Noise, rng: np.random.Generator) -> None:
    """Paint a tree in leaf."""
    height, trunk = rng.uniform(5, 10), rng.uniform(0.12, 0.28)
    crown = height * rng.uniform(0.28, 0.42)
    bark = np.asarray(BARK[rng.integers(len(BARK))]) * rng.uniform(0.7, 1.3)
    foot = [(x - trunk, 0.0, ahead), (x - trunk * 0.6, height - crown, ahead), (x + trunk * 0.6, height - crown, ahead)]
    canvas.polygon([*foot, (x + trunk, 0.0, ahead)], bark, Surface.TREE)
    paint_crown(canvas, (x, height - crown, ahead), (crown * rng.uniform(0.8, 1.1), crown), light, noise, rng)


def paint_crown(
    canvas: Canvas,
    centre: tuple[float, float, float],
    radii: tuple[float, float],
    light: Light,
    noise: Noise,
    rng: np.random.Generator,
) -> None:
    """Paint leaves within a ragged ellipse; `radii` are half its width and height, metres."""
    colour, (dx, dy) = np.asarray(random_leaf_colour(rng), np.float32), rng.uniform(0, 256, 2)

    def paint(across: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray, Surface]:
        clump = noise.at(noise.soft, across * 22 + dx, up * 22 + dy)
        leaf = noise.at(noise.fine, across * 26 + dx, up * 26 + dy)
        round_ = (across / radii[0]) ** 2 + (up / radii[1]) ** 2
        inside = round_ + 0.22 * clump + 0.10 * leaf < 0.85
        lean = 0.22 * light.direct * (across / radii[0]) * light.sun + 0.22 * up / radii[1]
        bright = 0.95 + lean + 0.16 * clump + 0.2 * leaf
        return colour * np.clip(bright, 0.25, 1.9)[..., None], inside, Surface.TREE

    canvas.cutout(centre, (radii[0] * 2.6, radii[1] * 2.6), paint)


def paint_bare_tree(canvas: Canvas, x: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a bare tree: trunk and branches."""
    bark = np.asarray(BARK[rng.integers(len(BARK))]) * rng.uniform(0.6, 1.2)
    limbs = [(x, 0.0, rng.uniform(2, 3), math.pi / 2 + rng.normal(0, 0.05), rng.uniform(0.25, 0.4), 0)]
    while limbs:
        x0, y0, length, angle, width, order = limbs.pop()
        x1, y1 = x0 + length * math.cos(angle), y0 + length * math.sin(angle)
        canvas.line([(x0, y0, ahead), (x1, y1, ahead)], width, bark, Surface.TREE)
        if order < 5:
            for turn in rng.normal(0, 0.2, 2) + np.array([-0.45, 0.45]):
                limbs.append((x1, y1, length * rng.uniform(0.6, 0.9), angle + turn, width * 0.62, order + 1))


def paint_hedge(
    canvas: Canvas, x: float, near: float, far: float, height: float, noise: Noise, rng: np.random.Generator
) -> None:
    """Paint a hedge along the street."""
    colour, near = np.asarray(random_leaf_colour(rng), np.float32), max(near, NEAREST)

    def paint(px: np.ndarray, py: np.ndarray) -> tuple[np.ndarray, np.ndarray | Surface]:
        ahead, up = canvas.camera.along(x, px, py, near, far)
        leaf = 0.25 * noise.at(noise.fine, ahead * 24, up * 24) + 0.12 * noise.at(noise.soft, ahead * 16, up * 16)
        return canvas.fade(colour * np.clip(0.7 + 0.3 * up / height + leaf, 0.2, 2)[..., None], ahead), Surface.TREE

    steps = np.linspace(near, far, 2 + int(far - near))
    top = [(x, float(height + rng.normal(0, 0.12)), float(step)) for step in steps]
    canvas.face([(x, 0.0, near), *top, (x, 0.0, far)], paint)
