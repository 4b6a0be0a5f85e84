"""A street: its layout, and the order in which it is painted."""

from typing import NamedTuple

import numpy as np

from datasets.scenes import ground, roadside, traffic
from datasets.scenes.canvas import Camera, Canvas
from datasets.scenes.furniture import paint_bonnet
from datasets.scenes.light import Light, develop
from datasets.scenes.noise import Noise
from datasets.scenes.roadside import Lot
from datasets.scenes.stage import Stage
from datasets.scenes.style import BRITISH, Style

LINES = (None, None, (196, 170, 70), (214, 214, 210))
"""Colours of the lines along the kerbs."""


class Scene(NamedTuple):
    """A drawn street.

    Attributes:
        image: uint8 [H, W, 3].
        mask: Surface of each pixel, uint8 [H, W].
        things: Instance number of each pixel, uint16 [H, W]; 0 is sky and ground.
    """

    image: np.ndarray
    mask: np.ndarray
    things: np.ndarray


class Plan(NamedTuple):
    """The layout of a street, before it is painted, and mirrored where traffic keeps right.

    Attributes:
        camera: The camera.
        noise: The textures.
        road: The road.
        lots: {-1 left, 1 right: the lots of the side}.
    """

    camera: Camera
    noise: Noise
    road: ground.Road
    lots: dict[int, list[Lot]]


def plan(size: tuple[int, int], light: Light, rng: np.random.Generator, *, style: Style = BRITISH) -> Plan:
    """Lay out a street; arguments as of `draw`."""
    return Plan(_camera(size, rng, style), Noise(rng), *_street(light, rng, style))


def draw(
    size: tuple[int, int], light: Light, rng: np.random.Generator, *, style: Style = BRITISH, laid: Plan | None = None
) -> Scene:
    """Draw a scene.

    Args:
        size: Height and width, pixels.
        light: The light of the scene.
        rng: Source of all other choices: equal generators give equal scenes.
        style: The style of the street.
        laid: The layout, from `plan` with the same arguments; None: it is made here.

    >>> from datasets.scenes import weather
    >>> rng = np.random.default_rng(0)
    >>> scene = draw((32, 64), weather(rng), rng)
    >>> scene.image.shape, scene.mask.shape
    ((32, 64, 3), (32, 64))
    """
    camera, noise, road, lots = laid or plan(size, light, rng, style=style)
    canvas = Canvas(*ground.paint(size, camera, road, light, noise, rng), camera, light.horizon, light.clear)
    stage = Stage(canvas, road, style, light, noise, rng)
    roadside.put_backdrop(stage)
    stage.paint()
    for side in (road.left, road.right):
        roadside.put_side(stage, side.back, lots[side.sign])
    stage.paint()
    traffic.put_vehicles(stage)
    traffic.put_riders(stage)
    for side in (road.left, road.right):
        traffic.put_pavement(stage, side)
    stage.paint()
    if stage.chance(style.bonnet):
        canvas.thing += 1
        paint_bonnet(canvas, rng)
    way = -1 if style.keep_right else 1
    parts = (develop(canvas.image, light, rng), canvas.mask, canvas.things)
    return Scene(*(np.ascontiguousarray(part[:, ::way]) for part in parts))


def _camera(size: tuple[int, int], rng: np.random.Generator, style: Style) -> Camera:
    height, width = size
    if style.wide:  # KITTI's: 721 pixels of 1242, 1.65 m above the road
        return Camera(0.58 * width, 1.65 + rng.normal(0, 0.02), width * rng.uniform(0.47, 0.51), height * 0.46)
    return Camera(
        focal=width * rng.uniform(0.85, 1.15),
        height=rng.uniform(1.25, 1.75),
        x=width * rng.uniform(0.36, 0.64),
        y=height * rng.uniform(0.4, 0.54),
    )


def _street(light: Light, rng: np.random.Generator, style: Style) -> tuple[ground.Road, dict[int, list[Lot]]]:
    """Lay out a road and {-1 left, 1 right: the lots of the side}."""
    bend, wide, middle = rng.normal(0, 9), rng.uniform(3.0, 4.6), rng.uniform(1.2, 2.2)
    leafy = rng.choice([0.08, 0.35, 0.85])
    half = wide * max(1, style.lanes)
    lots, sides = {}, []
    for sign in (-1, 1):
        kerb = middle + sign * half
        back = kerb + sign * rng.uniform(1.8, 3.6)
        leaves = rng.uniform(12, 60)
        gap = (leaves, leaves + rng.uniform(6, 9)) if rng.random() < 0.35 else (0.0, 0.0)
        lots[sign] = roadside.line_up(back, bend, gap, float(np.clip(leafy + rng.normal(0, 0.15), 0, 1)), light, rng)
        sides.append(ground.Side(kerb, back, bool(rng.random() < leafy), gap, roadside.skyline(lots[sign])))
    crossing = rng.uniform(7, 30) if rng.random() < 0.25 and style.lanes else 0.0
    line = LINES[rng.integers(len(LINES))] if style.lanes else None
    slabs = rng.choice([0.0, 0.15, 0.28])
    dashes = tuple(middle + lane * wide for lane in range(1 - style.lanes, style.lanes))
    phase = rng.uniform(0, 50)
    return ground.Road(sides[0], sides[1], bend, middle, phase, line, crossing, slabs, dashes), lots
