"""Street furniture: lamps, signs, traffic lights and bollards, and objects that belong to no class."""

import math

import numpy as np

from datasets.scenes.canvas import Canvas, Point
from datasets.scenes.surface import Surface

METAL = ((110, 114, 116), (70, 78, 74), (48, 50, 52), (150, 152, 154), (96, 84, 70))


def paint_lamp(canvas: Canvas, x: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a lamp post whose arm reaches over the road."""
    height, way = rng.uniform(6, 9), -1 if x > 0 else 1
    metal = _metal(rng)
    canvas.line([(x, 0, ahead), (x, 1.2, ahead)], 0.24, metal * 0.9, Surface.POLE)
    canvas.line([(x, 1.0, ahead), (x, height, ahead)], 0.16, metal, Surface.POLE)
    reach = way * rng.uniform(0.8, 1.8)
    canvas.line([(x, height, ahead), (x + reach, height + 0.35, ahead)], 0.1, metal, Surface.POLE)
    lamp = [(reach, 0.28), (reach, 0.45), (reach * 1.35, 0.42), (reach * 1.35, 0.3)]
    canvas.polygon([(x + dx, height + dy, ahead) for dx, dy in lamp], metal * 1.3, Surface.POLE)


def paint_sign(canvas: Canvas, x: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a road sign on its post."""
    height, radius = rng.uniform(2.1, 2.9), rng.uniform(0.28, 0.48)
    canvas.line([(x, 0, ahead), (x, height, ahead)], 0.1, _metal(rng), Surface.POLE)
    centre = (x, height + radius * 0.6, ahead)
    kind = rng.integers(4)
    if kind == 0:
        _plate(canvas, centre, radius, 14, (190, 30, 34))
        _plate(canvas, centre, radius * 0.74, 14, (236, 236, 232))
        canvas.polygon(_box(centre, radius * 0.4, radius * 0.14), (40, 40, 42), Surface.SIGN)
    elif kind == 1:
        _plate(canvas, centre, radius, 14, (34, 72, 156))
        canvas.polygon(_box(centre, radius * 0.16, radius * 0.55), (236, 236, 236), Surface.SIGN)
    elif kind == 2:
        _plate(canvas, centre, radius * 1.15, 3, (190, 30, 34))
        _plate(canvas, centre, radius * 0.7, 3, (238, 238, 232))
    else:
        colour = [(34, 72, 156), (236, 236, 230), (30, 96, 62), (222, 186, 50), (60, 60, 64)][rng.integers(5)]
        tall = radius * rng.uniform(0.6, 1.7)
        canvas.polygon(_box(centre, radius, tall), colour, Surface.SIGN)
        for line in np.linspace(-0.6, 0.6, 3):
            stripe = (x, centre[1] + line * tall, ahead)
            ink = np.asarray((235, 235, 235)) if sum(colour) < 400 else np.asarray((50, 50, 52))
            canvas.polygon(_box(stripe, radius * 0.7, tall * 0.12), ink, Surface.SIGN)


def paint_traffic_light(canvas: Canvas, x: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a traffic light."""
    canvas.line([(x, 0, ahead), (x, 2.6, ahead)], 0.13, _metal(rng), Surface.POLE)
    canvas.polygon(_box((x, 2.75, ahead), 0.24, 0.58), (26, 28, 28), Surface.TRAFFIC_LIGHT)
    on = rng.integers(3)
    for place, colour in enumerate(((50, 210, 110), (236, 170, 40), (226, 40, 36))):
        bright = np.asarray(colour) * (1.0 if place == on else 0.25)
        _plate(canvas, (x, 2.37 + 0.38 * place, ahead), 0.14, 8, bright, Surface.TRAFFIC_LIGHT)


def paint_bollard(canvas: Canvas, x: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a bollard."""
    canvas.line(
        [(x, 0, ahead), (x, rng.uniform(0.8, 1.1), ahead)], rng.uniform(0.12, 0.2), _metal(rng) * 0.8, Surface.POLE
    )


def paint_bin(canvas: Canvas, x: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a bin, which belongs to no class."""
    colour = np.asarray([(30, 62, 44), (40, 42, 46), (70, 72, 76), (34, 48, 92)][rng.integers(4)])
    high = rng.uniform(0.9, 1.2)
    body = [(-0.3, 0), (-0.36, high), (0.36, high), (0.3, 0)]
    canvas.polygon([(x + dx, up, ahead) for dx, up in body], colour, Surface.VOID)
    lid = [(-0.4, high - 0.06), (-0.34, high + 0.12), (0.34, high + 0.12), (0.4, high - 0.06)]
    canvas.polygon([(x + dx, up, ahead) for dx, up in lid], colour * 1.35, Surface.VOID)


def paint_cone(canvas: Canvas, x: float, ahead: float) -> None:
    """Paint a traffic cone, which belongs to no class."""
    for low, high, colour in ((0.0, 0.25, (214, 82, 34)), (0.25, 0.45, (235, 235, 230)), (0.45, 0.75, (214, 82, 34))):
        wide, narrow = 0.22 - 0.24 * low, 0.22 - 0.24 * high
        points = [(x - wide, low, ahead), (x - narrow, high, ahead), (x + narrow, high, ahead), (x + wide, low, ahead)]
        canvas.polygon(points, colour, Surface.VOID)


def paint_bonnet(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the bonnet of the car that carries the camera."""
    camera, ahead = canvas.camera, 1.0
    wide, high, rise = canvas.image.width / camera.focal, canvas.image.height, rng.uniform(0.04, 0.13)
    floor = camera.height - (high - camera.y) / camera.focal
    colour, centre = np.full(3, rng.uniform(15, 90)) + rng.normal(0, 8, 3), rng.uniform(-0.25, 0.25)
    edge = [(wide * t, floor + rise * (1 - 1.6 * (t - centre) ** 2), ahead) for t in np.linspace(-0.9, 0.9, 25)]
    canvas.polygon([(wide, floor - 0.2, ahead), (-wide, floor - 0.2, ahead), *edge], colour, Surface.BONNET)
    shine = [(x, y - 0.25 * rise, z) for x, y, z in edge[8:18]]
    canvas.line(shine, 0.012, colour + 45, Surface.BONNET)


def _metal(rng: np.random.Generator) -> np.ndarray:
    return np.asarray(METAL[rng.integers(len(METAL))]) * rng.uniform(0.7, 1.25)


def _box(centre: Point, wide: float, high: float) -> list[Point]:
    x, y, z = centre
    return [(x - wide, y - high, z), (x - wide, y + high, z), (x + wide, y + high, z), (x + wide, y - high, z)]


def _plate(
    canvas: Canvas,
    centre: Point,
    radius: float,
    corners: int,
    colour: tuple | np.ndarray,
    surface: Surface = Surface.SIGN,
) -> None:
    turns = math.pi / 2 + np.linspace(0, 2 * math.pi, corners, endpoint=False)
    x, y, z = centre
    canvas.polygon([(x + radius * math.cos(t), y + radius * math.sin(t), z) for t in turns], colour, surface)
