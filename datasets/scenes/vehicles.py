"""Cars, vans, lorries, buses and trams: side views, extruded to the vehicle's width."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.scenes.bodies import Body
from datasets.scenes.canvas import Canvas, Colour, Point
from datasets.scenes.light import Light

PAINTS = (
    (196, 198, 200), (150, 153, 158), (104, 107, 112), (42, 44, 50), (24, 25, 28), (226, 226, 222), (140, 26, 30),
    (32, 50, 104), (58, 88, 138), (40, 74, 58), (150, 132, 106), (112, 52, 44), (186, 160, 60), (128, 138, 146),
)  # fmt: skip

GLASS = (34, 40, 48)


@dataclass(frozen=True)
class Vehicle:
    """A vehicle at `x`, `ahead`, metres. `yaw`, radians: 0 drives away from the camera, pi / 2 to the right."""

    body: Body
    x: float
    ahead: float
    yaw: float
    paint: Colour

    def point(self, along: float, across: float, up: float) -> Point:
        """Return the position of a point of the vehicle, metres forwards and right of its middle, and up."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return (self.x + along * sin + across * cos, up, self.ahead + along * cos - across * sin)

    def rim(self, share: tuple[float, float], side: int) -> Point:
        """Return the position of a point of the outline on one side, -1 left or 1 right."""
        body = self.body
        lean = max(0.0, share[1] - body.waist) / (1 - body.waist)
        return self.point(share[0] * body.length, side * body.width / 2 * (1 - 0.16 * lean), share[1] * body.height)


def random_vehicle(rng: np.random.Generator, fleet: Sequence[Body], x: float, ahead: float, yaw: float) -> Vehicle:
    """Return a random vehicle of a fleet at a position."""
    odds = np.array([body.likelihood for body in fleet])
    paint = np.asarray(PAINTS[rng.integers(len(PAINTS))]) * rng.uniform(0.8, 1.15) + rng.normal(0, 5, 3)
    return Vehicle(fleet[rng.choice(len(fleet), p=odds / odds.sum())], x, ahead, yaw, tuple(paint))


def paint_vehicle(canvas: Canvas, car: Vehicle, light: Light) -> None:
    """Paint a vehicle and its shadow."""
    body = car.body
    half, wide = body.length / 2, body.width / 2
    spread = 1.15 + 0.5 * light.direct
    corners = [(x * half * 1.04, y * wide * 1.15) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    canvas.shade([car.point(along, across, 0) for along, across in corners], 0.4)
    if light.direct > 0.3:
        cast = -light.sun * body.height * 0.8
        ground = [car.point(along, across * spread, 0) for along, across in corners]
        canvas.shade(
            [(x + (cast if index in (1, 2) else cast * 0.9), y, z) for index, (x, y, z) in enumerate(ground)], 0.6
        )
    for along in body.wheels:
        for side in (-1, 1):
            _tyre(canvas, car, along * body.length, side)
    edges = list(zip(body.outline, body.outline[1:], strict=False))
    faces = [
        ([car.rim(a, -1), car.rim(b, -1), car.rim(b, 1), car.rim(a, 1)], index) for index, (a, b) in enumerate(edges)
    ]
    for quad, index in sorted(faces, key=lambda face: -sum(point[2] for point in face[0])):
        if _faces_camera(canvas, quad):
            _panel(canvas, car, quad, index, light)
    for side in (-1, 1):
        _flank(canvas, car, side, light)


def _panel(canvas: Canvas, car: Vehicle, quad: list[Point], index: int, light: Light) -> None:
    """Paint one edge of the outline over the width of the vehicle: bumper, glass, roof, bonnet."""
    flat = abs(quad[0][1] - quad[1][1]) < 0.2 * car.body.height
    bright = 1.1 + 0.2 * light.direct if flat else 0.92
    canvas.polygon(quad, np.asarray(car.paint) * bright, car.body.surface)
    last = len(car.body.outline) - 2
    if index in car.body.glazed:
        pane = _inset(quad, 0.08, 0.92, 0.06, 0.94)
        canvas.polygon(pane, GLASS, car.body.surface)
        canvas.polygon(_inset(quad, 0.55, 0.92, 0.06, 0.94), np.asarray(GLASS) * 1.0 + 26, car.body.surface)
    elif index == 0:
        _back(canvas, car, quad)
    elif index == last:
        _front(canvas, car, quad, light)


def _back(canvas: Canvas, car: Vehicle, quad: list[Point]) -> None:
    tall = car.body.outline[1][1] > 0.9
    if tall:
        canvas.polygon(_inset(quad, 0.55, 0.9, 0.1, 0.9), GLASS, car.body.surface)
    low, high = (0.3, 0.45) if tall else (0.62, 0.95)
    for left, right in ((0.02, 0.16), (0.84, 0.98)):
        canvas.polygon(_inset(quad, low, high, left, right), (168, 22, 20), car.body.surface)
    canvas.polygon(_inset(quad, 0.0, 0.22, 0.0, 1.0), np.asarray(car.paint) * 0.45, car.body.surface)
    canvas.polygon(
        _inset(quad, 0.25 if tall else 0.35, 0.33 if tall else 0.55, 0.36, 0.64), (216, 190, 70), car.body.surface
    )


def _front(canvas: Canvas, car: Vehicle, quad: list[Point], light: Light) -> None:
    lamp = (255, 248, 220) if light.lit > 0.2 else (212, 216, 220)
    canvas.polygon(_inset(quad, 0.0, 0.9, 0.22, 0.78), (40, 40, 42), car.body.surface)
    for left, right in ((0.03, 0.2), (0.8, 0.97)):
        canvas.polygon(_inset(quad, 0.05, 0.5, left, right), lamp, car.body.surface)
    canvas.polygon(_inset(quad, 0.55, 0.8, 0.36, 0.64), (225, 225, 220), car.body.surface)


def _flank(canvas: Canvas, car: Vehicle, side: int, light: Light) -> None:
    outline = [car.rim(share, side) for share in car.body.outline]
    if side < 0:
        outline.reverse()
    if not _faces_camera(canvas, outline):
        return
    bright = light.facing(1 if math.cos(car.yaw) * side > 0 else -1) * 0.9
    canvas.polygon(outline, np.asarray(car.paint) * bright, car.body.surface)
    sill = [(-0.5, 0.18), (-0.5, 0.3), (0.5, 0.3), (0.5, 0.18)]
    canvas.polygon([car.rim(share, side) for share in sill], np.asarray(car.paint) * bright * 0.7, car.body.surface)
    for window in car.body.windows:
        canvas.polygon([car.rim(share, side) for share in window], np.asarray(GLASS) + 12, car.body.surface)
    for along in car.body.wheels:
        radius = 0.31 if car.body.height < 2.5 else 0.5
        for size, colour in ((1.0, (22, 22, 24)), (0.58, (142, 144, 148)), (0.2, (60, 60, 62))):
            canvas.polygon(_disc(car, along * car.body.length, side, radius, size), colour, car.body.surface)


def _tyre(canvas: Canvas, car: Vehicle, along: float, side: int) -> None:
    """Paint a wheel, from the front or the rear."""
    outer, inner = side * car.body.width * 0.49, side * car.body.width * 0.36
    for at in (along - 0.28, along + 0.28):
        foot = [car.point(at, across, up) for across, up in ((outer, 0), (inner, 0), (inner, 0.45), (outer, 0.45))]
        canvas.polygon(foot, (20, 20, 22), car.body.surface)


def _disc(car: Vehicle, along: float, side: int, radius: float, size: float) -> list[Point]:
    turns = np.linspace(0, 2 * math.pi, 14, endpoint=False)
    across = side * car.body.width * 0.503
    return [car.point(along + radius * size * math.cos(t), across, radius + radius * size * math.sin(t)) for t in turns]


def _inset(quad: Sequence[Point], bottom: float, top: float, left: float, right: float) -> list[Point]:
    """Return the part of a panel between shares of its extent, from bottom to top and from left to right."""
    a, b, c, d = (np.asarray(point) for point in quad)

    def at(up: float, across: float) -> Point:
        point = (a * (1 - up) + b * up) * (1 - across) + (d * (1 - up) + c * up) * across
        return (float(point[0]), float(point[1]), float(point[2]))

    return [at(bottom, left), at(top, left), at(top, right), at(bottom, right)]


def _faces_camera(canvas: Canvas, points: Sequence[Point]) -> bool:
    pixels = canvas.camera.project(points)
    following = pixels[1:] + pixels[:1]
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(pixels, following, strict=True)) > 0
