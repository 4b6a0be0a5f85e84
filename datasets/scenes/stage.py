"""A stage that collects things and paints them from far to near."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from datasets.scenes.canvas import Canvas
from datasets.scenes.ground import Road
from datasets.scenes.light import Light
from datasets.scenes.noise import Noise
from datasets.scenes.style import Style


@dataclass
class Stage:
    """One layer of a scene.

    Attributes:
        canvas: The canvas.
        road: The road, to place things.
        style, light, noise, rng: Settings of the scene.
    """

    canvas: Canvas
    road: Road
    style: Style
    light: Light
    noise: Noise
    rng: np.random.Generator
    _strokes: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def put(self, ahead: float, paint: Callable[..., None], *arguments: Any) -> None:
        """Schedule `paint(canvas, *arguments)` after everything that is farther than `ahead` metres."""
        self._strokes.append((ahead, partial(paint, self.canvas, *arguments)))

    def paint(self) -> None:
        """Paint everything that was put, from far to near."""
        for _, stroke in sorted(self._strokes, key=lambda stroke: -stroke[0]):
            self.canvas.thing += 1
            stroke()
        self._strokes.clear()

    def uniform(self, low: float, high: float) -> float:
        """Return a uniformly distributed random number."""
        return float(self.rng.uniform(low, high))

    def chance(self, odds: float) -> bool:
        """Return True with the probability `odds`."""
        return bool(self.rng.random() < odds)
