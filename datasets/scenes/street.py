"""A street: its course, and the order in which it is painted."""

import numpy as np

from datasets.scenes import ground, roadside, traffic
from datasets.scenes.canvas import Camera, Canvas
from datasets.scenes.furniture import paint_bonnet
from datasets.scenes.light import Light, develop
from datasets.scenes.noise import Noise
from datasets.scenes.roadside import Lot
from datasets.scenes.stage import Stage

LINES = (None, None, (196, 170, 70), (214, 214, 210))
"""Colours of the lines along the kerbs."""


def draw(size: tuple[int, int], light: Light, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a scene.

    Args:
        size: Height and width, pixels.
        light: How it is lit.
        rng: Decides all else: equal generators give equal scenes.

    Returns:
        Image uint8 [H,W,3], and its mask uint8 [H,W] of Surface.
    """
    camera, noise = _camera(size, rng), Noise(rng)
    road, lots = _street(light, rng)
    canvas = Canvas(*ground.paint(size, camera, road, light, noise, rng), camera, light.horizon, light.clear)
    stage = Stage(canvas, road, light, noise, rng)
    roadside.put_backdrop(stage)
    stage.paint()
    for side in (road.left, road.right):
        roadside.put_side(stage, side.back, lots[side.sign])
    stage.paint()
    traffic.put_vehicles(stage)
    traffic.put_bicyclists(stage)
    for side in (road.left, road.right):
        traffic.put_pavement(stage, side)
    stage.paint()
    if stage.chance(0.3):
        paint_bonnet(canvas, rng)
    return develop(canvas.image, light, rng), np.array(canvas.mask)


def _camera(size: tuple[int, int], rng: np.random.Generator) -> Camera:
    height, width = size
    return Camera(
        focal=width * rng.uniform(0.85, 1.15),
        height=rng.uniform(1.25, 1.75),
        x=width * rng.uniform(0.36, 0.64),
        y=height * rng.uniform(0.4, 0.54),
    )


def _street(light: Light, rng: np.random.Generator) -> tuple[ground.Road, dict[int, list[Lot]]]:
    """Lay out a road, and the lots of its sides, -1 left and 1 right."""
    bend, wide, middle = rng.normal(0, 9), rng.uniform(3.0, 4.6), rng.uniform(1.2, 2.2)
    leafy = rng.choice([0.08, 0.35, 0.85])
    lots, sides = {}, []
    for sign in (-1, 1):
        kerb = middle + sign * wide
        back = kerb + sign * rng.uniform(1.8, 3.6)
        leaves = rng.uniform(12, 60)
        gap = (leaves, leaves + rng.uniform(6, 9)) if rng.random() < 0.35 else (0.0, 0.0)
        lots[sign] = roadside.line_up(back, bend, gap, float(np.clip(leafy + rng.normal(0, 0.15), 0, 1)), light, rng)
        sides.append(ground.Side(kerb, back, bool(rng.random() < leafy), gap, roadside.skyline(lots[sign])))
    crossing = rng.uniform(7, 30) if rng.random() < 0.25 else 0.0
    line = LINES[rng.integers(len(LINES))]
    slabs = rng.choice([0.0, 0.15, 0.28])
    return ground.Road(sides[0], sides[1], bend, middle, rng.uniform(0, 50), line, crossing, slabs), lots
