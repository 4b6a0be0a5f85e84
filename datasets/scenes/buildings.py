"""Houses along the street."""

from dataclasses import dataclass

import numpy as np

from datasets.scenes.canvas import NEAREST, Canvas, Colour
from datasets.scenes.light import Light
from datasets.scenes.noise import Noise
from datasets.scenes.surface import Surface

WALLS = (
    (142, 84, 66), (168, 110, 84), (188, 160, 118), (205, 186, 150), (150, 146, 140), (198, 196, 190), (112, 118, 108),
    (128, 136, 112), (96, 92, 96), (172, 158, 138), (120, 134, 150), (176, 146, 140),
)  # fmt: skip
"""Brick, buff, concrete and render, and some as green as plants or as blue as the sky."""

SHOPS = ((150, 32, 36), (28, 62, 120), (30, 92, 60), (36, 36, 40), (196, 168, 60), (120, 50, 110), (210, 210, 205))


@dataclass(frozen=True)
class House:
    """A box with windows.

    Attributes:
        x: Lateral position of its front, metres; left is negative.
        near, far: Depths of its ends, metres.
        deep: Distance from front to back, metres.
        height: Height of its walls, metres.
        wall, trim, roof: Colours.
        storey, bay: Height of a storey and width of a bay, the wall per window, metres.
        window: Window's share of a bay's width and of a storey's height.
        rough: Strength of the wall's texture.
        glass: Brightness of the windows, [8, 16] in 0..1.
        shop: Colour of the shop sign; None: no shop.
        pitch: Height of the ridge above the walls, metres; 0: a flat roof.
    """

    x: float
    near: float
    far: float
    deep: float
    height: float
    wall: Colour
    trim: Colour
    roof: Colour
    storey: float
    bay: float
    window: tuple[float, float]
    rough: float
    glass: np.ndarray
    shop: Colour | None
    pitch: float

    @property
    def side(self) -> int:
        """Side of the street: -1 left, 1 right."""
        return -1 if self.x < 0 else 1


def random_house(rng: np.random.Generator, light: Light, x: float, near: float, far: float) -> House:
    """Return a random house at a position."""
    storeys = int(rng.choice([2, 3, 3, 4, 5]))
    storey = rng.uniform(2.8, 3.5)
    wall = np.asarray(WALLS[rng.integers(len(WALLS))], float) * rng.uniform(0.75, 1.12) + rng.normal(0, 5, 3)
    glass = rng.uniform(0.12, 0.5, (8, 16)).astype(np.float32)
    glass[rng.random((8, 16)) < light.lit] = 1.0
    return House(
        x=float(x),
        near=float(near),
        far=float(far),
        deep=rng.uniform(8, 14),
        height=storeys * storey + rng.uniform(0.3, 1),
        wall=tuple(wall),
        trim=tuple(np.full(3, rng.uniform(130, 230))),
        roof=tuple(np.array([88, 74, 70]) * rng.uniform(0.7, 1.3) + rng.normal(0, 6, 3)),
        storey=storey,
        bay=rng.uniform(1.8, 3.4),
        window=(rng.uniform(0.36, 0.7), rng.uniform(0.42, 0.66)),
        rough=rng.uniform(0.03, 0.1),
        glass=glass,
        shop=SHOPS[rng.integers(len(SHOPS))] if rng.random() < 0.4 else None,
        pitch=rng.uniform(1.5, 3.5) if storeys < 4 and rng.random() < 0.7 else 0.0,
    )


def paint_house(canvas: Canvas, house: House, light: Light, noise: Noise) -> None:
    """Paint the roof, the end that faces the camera, and the front."""
    camera, back = canvas.camera, house.x + house.side * house.deep
    near, far, height = max(house.near, NEAREST), house.far, house.height
    middle, ridge = (house.x + back) / 2, height + house.pitch
    end = [(house.x, 0.0, near), (house.x, height, near), (back, height, near), (back, 0.0, near)]
    if house.pitch:
        end.insert(2, (middle, ridge, near))
        slope = [(house.x, height, near), (middle, ridge, near), (middle, ridge, far), (house.x, height, far)]
        canvas.polygon(slope, np.asarray(house.roof) * light.facing(-house.side), Surface.BUILDING)

    def paint_end(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray | Surface]:
        scale = near / camera.focal
        colours = _wall(house, np.abs((x - camera.x) * scale - house.x), camera.height - (y - camera.y) * scale, noise)
        return canvas.fade(colours * 0.92, near), Surface.BUILDING

    def paint_front(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray | Surface]:
        ahead, up = camera.along(house.x, x, y, near, far)
        colours = _wall(house, ahead - house.near, up, noise)
        surfaces = np.full(up.shape, Surface.BUILDING, np.uint8)
        if house.shop is not None:
            _shop(house, colours, surfaces, ahead - house.near, up)
        return canvas.fade(colours * light.facing(-house.side), ahead), surfaces

    if house.near > NEAREST:
        canvas.face(end, paint_end)
    canvas.face(
        [(house.x, 0.0, near), (house.x, height, near), (house.x, height, far), (house.x, 0.0, far)], paint_front
    )


def _wall(house: House, along: np.ndarray, up: np.ndarray, noise: Noise) -> np.ndarray:
    """Return the colours [h, w, 3] of a wall at positions, metres: along it [1, w], and up, [h, w] or [h, 1]."""
    texture = house.rough * noise.at(noise.fine, along * 9, up * 18)
    course = 1 - 0.1 * ((up % 0.3) < 0.06)
    colours = np.asarray(house.wall, np.float32) * ((1 + texture) * course)[..., None]
    bay, storey = along / house.bay, up / house.storey
    x, y = np.abs(bay % 1 - 0.5), np.abs(storey % 1 - 0.5)
    wide, tall = house.window
    whole = (up < house.height - 0.3) & (up > (house.storey if house.shop is not None else 0.4))
    colours[(x < wide / 2 + 0.05) & (y < tall / 2 + 0.05) & whole] = house.trim
    pane = (x < wide / 2) & (x > 0.018) & (y < tall / 2) & (y > 0.014) & whole
    row, column = np.nonzero(pane)
    shine = house.glass[storey.astype(np.int32) % 8, bay.astype(np.int32) % 16][row, column, None]
    glass = shine * np.array([150, 165, 185], np.float32) + np.array([15, 18, 22], np.float32)
    colours[row, column] = np.where(shine < 1, glass, np.array([250, 214, 140], np.float32))
    colours *= np.where((up > house.height - 0.35) | (up < 0.5), np.float32(0.8), np.float32(1))[..., None]
    return colours


def _shop(house: House, colours: np.ndarray, surfaces: np.ndarray, along: np.ndarray, up: np.ndarray) -> None:
    """Add shop windows to the ground floor, and a sign with lettering above them."""
    bay = np.abs(along / house.bay % 1 - 0.5)
    colours[(up > 0.5) & (up < house.storey - 0.8) & (bay < 0.45)] = (46, 50, 56)
    board = (up > house.storey - 0.7) & (up < house.storey - 0.1)
    colours[board] = house.shop
    share = along / (house.far - house.near)
    lettering = board & (share > 0.25) & (share < 0.7)
    letters = lettering & (np.abs(up - house.storey + 0.4) < 0.18) & ((along * 2.2 % 1) < 0.6)
    colours[letters] = 235 - 0.8 * np.asarray(house.shop, np.float32)
    surfaces[lettering] = Surface.LETTERING
