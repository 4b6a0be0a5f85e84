"""Where things are put before they are painted, so that the far ones are painted first."""

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
        canvas: What it is painted on.
        road: The road, by which things are placed.
        style, light, noise, rng: What the scene is made with.
    """

    canvas: Canvas
    road: Road
    style: Style
    light: Light
    noise: Noise
    rng: np.random.Generator
    _strokes: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def put(self, ahead: float, paint: Callable[..., None], *arguments: Any) -> None:
        """Have `paint(canvas, *arguments)` called when all that is farther than `ahead` metres is there."""
        self._strokes.append((ahead, partial(paint, self.canvas, *arguments)))

    def paint(self) -> None:
        """Paint what was put, from far to near."""
        for _, stroke in sorted(self._strokes, key=lambda stroke: -stroke[0]):
            self.canvas.thing += 1
            stroke()
        self._strokes.clear()

    def uniform(self, low: float, high: float) -> float:
        """Draw a number between two."""
        return float(self.rng.uniform(low, high))

    def chance(self, odds: float) -> bool:
        """Draw whether something with these odds happens."""
        return bool(self.rng.random() < odds)
