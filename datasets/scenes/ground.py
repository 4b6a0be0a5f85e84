"""The sky, and the ground with its road."""

from dataclasses import dataclass

import numpy as np

from datasets.scenes.canvas import Camera
from datasets.scenes.light import Light
from datasets.scenes.noise import Noise
from datasets.scenes.surface import Surface

KERB = 0.16
"""Width of a kerb stone, metres."""


@dataclass(frozen=True)
class Side:
    """One side of the road.

    Attributes:
        kerb: Lateral position of the road's edge, metres; left is negative.
        back: Lateral position of the pavement's outer edge, metres.
        green: Whether the ground behind the pavement is grass instead of paving.
        junction: Depths between which a side road branches off, metres; (0, 0): none.
        skyline: (depth, height, lateral distance) of each house, metres, float [n, 3], sorted by depth: the shadows.
    """

    kerb: float
    back: float
    green: bool
    junction: tuple[float, float]
    skyline: np.ndarray

    @property
    def sign(self) -> int:
        """-1 left, 1 right."""
        return -1 if self.kerb < 0 else 1


@dataclass(frozen=True)
class Road:
    """The road's course and paint.

    Attributes:
        left, right: Its sides.
        bend: Lateral shift at a depth of 100 m, metres.
        middle: Lateral position of the centre line, metres.
        phase: Shift of dashes and slabs along the road, metres.
        edge: Colour of the lines along the kerbs; None: no lines.
        crossing: Depth of a zebra crossing, metres; 0: none.
        slabs: Darkness of the joints between paving stones; 0: asphalt.
        dashes: Lateral positions of the dashed lines, metres.
    """

    left: Side
    right: Side
    bend: float
    middle: float
    phase: float
    edge: tuple[float, float, float] | None
    crossing: float
    slabs: float
    dashes: tuple[float, ...]

    def shift(self, ahead: float) -> float:
        """Return the lateral shift of the road at the depth `ahead`, metres."""
        return float(self.bend * (ahead / 100) ** 2)


def paint(
    size: tuple[int, int], camera: Camera, road: Road, light: Light, noise: Noise, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paint sky and ground.

    Returns:
        Colours, float32 [H, W, 3] in 0..255, and surfaces, uint8 [H, W].
    """
    height, width = size
    horizon = int(np.clip(np.ceil(camera.y + 0.5), 1, height - 1))
    colours = np.empty((height, width, 3), np.float32)
    surfaces = np.full((height, width), Surface.SKY, np.uint8)
    colours[:horizon] = _sky(horizon, width, light, noise, rng)
    across, ahead = positions(size, camera, road, horizon)
    colours[horizon:], surfaces[horizon:] = _ground(across, ahead, road, light, noise, rng)
    share = np.exp(-ahead / light.clear)[..., None]
    colours[horizon:] = colours[horizon:] * share + np.asarray(light.horizon, np.float32) * (1 - share)
    return colours, surfaces


def positions(size: tuple[int, int], camera: Camera, road: Road, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ground position of the pixels in row `top` and below, ignoring occlusion.

    Returns:
        Lateral position relative to the bent road [h, W], and depth [h, 1], metres.
    """
    height, width = size
    ahead = camera.focal * camera.height / (np.arange(top, height, dtype=np.float32)[:, None] + 0.5 - camera.y)
    across = (np.arange(width, dtype=np.float32)[None] + 0.5 - camera.x) / camera.focal * ahead
    return across - road.bend * (ahead / 100) ** 2, ahead


def _sky(height: int, width: int, light: Light, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    down = (np.arange(height, dtype=np.float32) / height)[:, None, None] ** 1.5
    sky = np.asarray(light.zenith, np.float32) * (1 - down) + np.asarray(light.horizon, np.float32) * down
    x = np.arange(width, dtype=np.float32)[None] * (200 / width) + rng.integers(256)
    y = (np.arange(height, dtype=np.float32)[:, None] / width * 480) ** 1.15 + rng.integers(256)
    cover = np.clip(noise.at(noise.soft, x, y) * 0.6 + (light.clouds - 0.45) * 3, 0, 1)[..., None]
    bright = 222 + 22 * noise.at(noise.soft, x + 90, y * 1.3)[..., None]
    return sky * (1 - 0.8 * cover) + bright * np.array([0.98, 0.99, 1.0], np.float32) * (0.8 * cover)


def _ground(
    across: np.ndarray, ahead: np.ndarray, road: Road, light: Light, noise: Noise, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    left, right = road.left, road.right
    zones = np.searchsorted([left.back, left.kerb, right.kerb, right.back], across.ravel()).reshape(across.shape)
    for side, outer in ((left, zones < 2), (right, zones > 2)):
        zones[outer & (ahead > side.junction[0]) & (ahead < side.junction[1])] = 2
    backs = [Surface.GRASS if side.green else Surface.PAVEMENT for side in (left, right)]
    surfaces = np.array([backs[0], Surface.PAVEMENT, Surface.ROAD, Surface.PAVEMENT, backs[1]], np.uint8)[zones]
    asphalt, paving = rng.uniform(70, 125), rng.uniform(85, 165)
    warm = rng.uniform(-8, 14)
    table = np.zeros((len(Surface), 3), np.float32)
    table[Surface.ROAD] = asphalt + np.array([0, 0, rng.uniform(-4, 8)])
    table[Surface.PAVEMENT] = paving + np.array([warm, warm / 2, -warm / 2])
    table[Surface.GRASS] = np.array([rng.uniform(70, 125), rng.uniform(100, 135), rng.uniform(45, 75)])
    colours = table[surfaces]
    near = np.clip(9 / ahead, 0, 1)
    along = ahead + road.phase
    grit = noise.at(noise.fine, across * 40, along * 40) * near
    stain = noise.at(noise.soft, across * 6, along * 3)
    colours *= (1 + 0.09 * grit + 0.06 * stain)[..., None]
    grass = surfaces == Surface.GRASS
    colours[grass] *= 1 + 0.12 * noise.at(noise.fine, across * 25, along * 12)[grass][:, None]
    joint = ((across % 0.7) < 0.03) | ((along % 0.9) < 0.05)
    colours *= (1 - road.slabs * near * (joint & (surfaces == Surface.PAVEMENT)))[..., None]
    _marks(colours, across, ahead, along, road, stain, surfaces == Surface.ROAD)
    kerbs = ((across > left.kerb - KERB) & (zones == 1)) | ((across < right.kerb + KERB) & (zones == 3))
    colours[kerbs] = colours[kerbs] * 0.4 + rng.uniform(85, 115)
    _shadows(colours, across, ahead, road, light)
    return colours, surfaces


def _marks(
    colours: np.ndarray,
    across: np.ndarray,
    ahead: np.ndarray,
    along: np.ndarray,
    road: Road,
    stain: np.ndarray,
    surface: np.ndarray,
) -> None:
    on = np.zeros_like(surface)
    for line in road.dashes:
        on |= (np.abs(across - line) < 0.07) & ((along % 6) < 3.2)
    if road.crossing:
        on |= (ahead > road.crossing) & (ahead < road.crossing + 2.6) & ((across % 1.1) < 0.55)
        stop = road.crossing - 1.2
        on |= (ahead > stop - 0.25) & (ahead < stop) & (across < road.middle)
    worn = np.clip(0.75 + 0.25 * stain, 0.25, 0.95)
    on &= surface
    colours[on] += (225 - colours[on]) * worn[on][:, None]
    if road.edge is not None:
        lines = np.zeros_like(surface)
        for kerb, inward in ((road.left.kerb, 1), (road.right.kerb, -1)):
            inside = (across - kerb) * inward
            lines |= ((inside > 0.25) & (inside < 0.35)) | ((inside > 0.48) & (inside < 0.58))
        lines &= surface
        colours[lines] = colours[lines] * 0.4 + 0.6 * np.array(road.edge)


def _shadows(colours: np.ndarray, across: np.ndarray, ahead: np.ndarray, road: Road, light: Light) -> None:
    side = road.right if light.sun > 0 else road.left
    if light.direct < 0.25 or not len(side.skyline):
        return
    depths, heights, distances = side.skyline.T
    row = np.clip(np.searchsorted(depths, ahead[:, 0]) - 1, 0, len(depths) - 1)
    reach = (heights[row] * 0.75)[:, None]
    dark = (distances[row][:, None] - across * side.sign) < reach
    colours[dark] *= 1 - 0.5 * light.direct
