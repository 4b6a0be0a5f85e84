"""People, made of flat upright parts that face the camera."""

import math

import numpy as np

from datasets.scenes.canvas import Canvas, Colour, Point
from datasets.scenes.surface import Surface

SKIN = ((222, 184, 156), (196, 150, 120), (148, 104, 76), (92, 64, 50))


class Figure:
    """A pen that paints flat upright parts at one position.

    Args:
        canvas: The canvas.
        x, ahead: Lateral position and depth, metres.
        size: Factor on all lengths.
        way: Direction that it faces: -1 left, 1 right.
        surface: Its id in the mask.
    """

    def __init__(self, canvas: Canvas, x: float, ahead: float, size: float, way: int, surface: Surface) -> None:
        self.canvas, self.x, self.ahead, self.size, self.way, self.surface = canvas, x, ahead, size, way, surface

    def at(self, across: float, up: float) -> Point:
        """Return the position of a point, metres in front of the figure's middle and above the ground."""
        return (self.x + self.way * across * self.size, up * self.size, self.ahead)

    def part(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """Paint a filled outline."""
        self.canvas.polygon([self.at(*point) for point in points], colour, self.surface)

    def limb(self, points: list[tuple[float, float]], width: float, colour: Colour) -> None:
        """Paint a polyline; `width` is in metres."""
        self.canvas.line([self.at(*point) for point in points], width * self.size, colour, self.surface)

    def disc(self, across: float, up: float, wide: float, high: float, colour: Colour) -> None:
        """Paint an ellipse with the radii `wide` and `high`, metres."""
        turns = np.linspace(0, 2 * math.pi, 12, endpoint=False)
        self.part([(across + wide * math.cos(t), up + high * math.sin(t)) for t in turns], colour)


def random_colour(rng: np.random.Generator) -> Colour:
    """Return a random colour of clothes; dark and dull ones are more frequent, as on a street."""
    colour = rng.uniform(15, 235, 3)
    return tuple(colour.mean() + (colour - colour.mean()) * rng.uniform(0.1, 1) * rng.uniform(0.4, 1))


def paint_pedestrian(canvas: Canvas, x: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a person who stands or walks."""
    size = rng.uniform(0.88, 1.08) if rng.random() < 0.85 else rng.uniform(0.6, 0.75)
    canvas.shade(
        [(x - 0.3, 0, ahead - 0.2), (x + 0.3, 0, ahead - 0.2), (x + 0.3, 0, ahead + 0.3), (x - 0.3, 0, ahead + 0.3)],
        0.55,
    )
    figure = Figure(canvas, x, ahead, size, int(rng.choice([-1, 1])), Surface.PEDESTRIAN)
    skin = np.asarray(SKIN[rng.integers(len(SKIN))]) * rng.uniform(0.85, 1.1)
    top, trousers, hair = random_colour(rng), random_colour(rng), np.full(3, rng.uniform(20, 120))
    stride, wide = rng.uniform(0.02, 0.36), rng.uniform(0.19, 0.26)
    for foot, shade in ((-stride, 0.8), (stride, 1.0)):
        figure.limb([(foot * 0.15, 0.86), (foot * 0.7, 0.45), (foot, 0.05)], 0.15, np.asarray(trousers) * shade)
        figure.limb([(foot - 0.03, 0.03), (foot + 0.13, 0.03)], 0.08, (30, 28, 28))
    coat = 0.62 if rng.random() < 0.3 else 0.84
    swing = rng.uniform(-0.25, 0.25)
    figure.limb(
        [(-wide * 0.9, 1.38), (-wide - 0.04 - swing * 0.4, 1.1), (-wide + swing, 0.85)], 0.1, np.asarray(top) * 0.75
    )
    side = [(-0.08, 1.5), (-wide, 1.42), (-wide * 0.75, 1.0), (-wide * 0.95, coat)]
    figure.part([*side, *[(-x, y) for x, y in reversed(side)]], top)
    figure.limb(
        [(wide * 0.9, 1.38), (wide + 0.04 + swing * 0.4, 1.1), (wide - swing, 0.85)], 0.1, np.asarray(top) * 0.88
    )
    if rng.random() < 0.35:
        figure.part(
            [(-wide - 0.12, 1.4), (-wide - 0.14, 0.98), (-wide * 0.5, 0.98), (-wide * 0.5, 1.4)], random_colour(rng)
        )
    figure.limb([(0, 1.46), (0, 1.58)], 0.1, skin * 0.9)
    figure.disc(0, 1.66, 0.095, 0.13, skin)
    figure.part([(-0.1, 1.64), (-0.1, 1.74), (-0.03, 1.81), (0.06, 1.8), (0.1, 1.73), (0.02, 1.74), (-0.05, 1.7)], hair)
