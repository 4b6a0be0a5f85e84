"""Houses along the street, and the fences between them."""

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
"""Brick, buff, concrete, render, and some as green or blue as what stands beside them."""

SHOPS = ((150, 32, 36), (28, 62, 120), (30, 92, 60), (36, 36, 40), (196, 168, 60), (120, 50, 110), (210, 210, 205))


@dataclass(frozen=True)
class House:
    """A box with windows.

    Attributes:
        x: Metres from the camera's line to its front, signed.
        near, far: Depths of its ends.
        deep: Metres from front to back.
        height: Of its walls.
        wall, trim, roof: Colours.
        storey, bay: Height of a floor and width of a window's share of the wall, metres.
        window: Share of a bay and of a storey that is window.
        rough: Strength of the wall's texture.
        glass: Brightness of each window, [8,16] in 0..1.
        shop: Colour of the ground floor's sign; None for no shop.
        pitch: Height of the roof's ridge over the walls; 0 for a flat roof.
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
        """Which side of the street it stands on: -1 left, 1 right."""
        return -1 if self.x < 0 else 1


def house(rng: np.random.Generator, light: Light, x: float, near: float, far: float) -> House:
    """Draw a house at a place."""
    storeys = int(rng.choice([2, 3, 3, 4, 5]))
    storey = rng.uniform(2.8, 3.5)
    wall = np.asarray(WALLS[rng.integers(len(WALLS))], float) * rng.uniform(0.75, 1.12) + rng.normal(0, 5, 3)
    glass = rng.uniform(0.12, 0.5, (8, 16))
    glass[rng.random((8, 16)) < light.lit] = 1.0
    return House(
        x=x,
        near=near,
        far=far,
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
    """Paint the end that looks to the camera, the front, and the roof."""
    camera, back = canvas.camera, house.x + house.side * house.deep
    near, far, height = max(house.near, NEAREST), house.far, house.height
    middle, ridge = (house.x + back) / 2, height + house.pitch
    end = [(house.x, 0.0, near), (house.x, height, near), (back, height, near), (back, 0.0, near)]
    if house.pitch:
        end.insert(2, (middle, ridge, near))
        slope = [(house.x, height, near), (middle, ridge, near), (middle, ridge, far), (house.x, height, far)]
        canvas.polygon(slope, np.asarray(house.roof) * light.facing(-house.side), Surface.BUILDING)

    def paint_end(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray | Surface]:
        across = np.abs((x - camera.x) * near / camera.focal - house.x)
        colours, _ = _wall(house, across, camera.height - (y - camera.y) * near / camera.focal, near, noise, street=False)
        return canvas.fade(colours * 0.92, near), Surface.BUILDING

    def paint_front(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray | Surface]:
        ahead = house.x * camera.focal / np.where(np.abs(x - camera.x) < 1, house.side, x - camera.x)
        ahead = np.clip(ahead, near, far)
        up = camera.height - (y - camera.y) * ahead / camera.focal
        colours, surfaces = _wall(house, ahead - house.near, up, ahead, noise, street=True)
        return canvas.fade(colours * light.facing(-house.side), np.broadcast_to(ahead, up.shape)), surfaces

    if house.near > NEAREST:
        canvas.face(end, paint_end)
    front = [(house.x, 0.0, near), (house.x, height, near), (house.x, height, far), (house.x, 0.0, far)]
    canvas.face(front, paint_front)


def _wall(
    house: House, along: np.ndarray, up: np.ndarray, ahead: np.ndarray | float, noise: Noise, *, street: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Give colours [h,w,3] and surfaces [h,w] of a wall, by metres along it [1,w] and above the ground [h,w]."""
    near = np.clip(14 / ahead, 0, 1)
    along = np.broadcast_to(along, np.broadcast_shapes(along.shape, up.shape))
    up = np.broadcast_to(up, along.shape)
    course = 1 - 0.12 * near * ((up % 0.3) < 0.06)
    texture = 1 + house.rough * noise.at(noise.fine, along * 9, up * 18) + 0.05 * noise.at(noise.soft, along * 4, up * 3)
    colours = np.asarray(house.wall, np.float32) * (course * texture)[..., None]
    bay, storey = along / house.bay, up / house.storey
    x, y = bay % 1 - 0.5, storey % 1 - 0.5
    wide, tall = house.window
    whole = (up < house.height - 0.3) & (up > 0.4)
    if house.shop is not None and street:
        whole &= up > house.storey
    frame = (np.abs(x) < wide / 2 + 0.05) & (np.abs(y) < tall / 2 + 0.05) & whole
    pane = (np.abs(x) < wide / 2) & (np.abs(y) < tall / 2) & (np.abs(x) > 0.018) & (np.abs(y - 0.05) > 0.014) & whole
    shine = house.glass[storey.astype(int) % 8, bay.astype(int) % 16].astype(np.float32)
    colours[frame] = house.trim
    glass = np.stack([shine * 150 + 15, shine * 165 + 18, shine * 185 + 22], -1) * (0.9 + 0.35 * y[..., None])
    lit = np.float32([250, 214, 140]) * (0.85 + 0.1 * y[..., None])
    colours = np.where(pane[..., None], np.where((shine >= 1)[..., None], lit, glass), colours)
    colours[(up > house.height - 0.35) | ((up < 0.5) & (house.shop is None))] *= 0.8
    surfaces = np.full(up.shape, Surface.BUILDING, np.uint8)
    if house.shop is not None and street:
        _shop(house, colours, surfaces, along, up, x)
    return colours, surfaces


def _shop(
    house: House, colours: np.ndarray, surfaces: np.ndarray, along: np.ndarray, up: np.ndarray, x: np.ndarray
) -> None:
    """Give the ground floor windows, and a board over them whose lettering is a sign."""
    ground = up < house.storey
    window = ground & (up > 0.5) & (up < house.storey - 0.8) & (np.abs(x) < 0.45)
    colours[window] = np.float32([52, 56, 62]) * (0.6 + 0.5 * (np.abs(x[window, None]) * 3 % 1))
    board = ground & (up > house.storey - 0.7) & (up < house.storey - 0.1)
    colours[board] = house.shop
    extent = house.far - house.near
    lettering = board & (along > 0.25 * extent) & (along < 0.7 * extent)
    letters = lettering & (np.abs(up - house.storey + 0.4) < 0.18) & ((along * 2.2 % 1) < 0.6)
    colours[letters] = 235 - 0.8 * np.asarray(house.shop, np.float32)
    surfaces[lettering] = Surface.SIGN


def paint_fence(
    canvas: Canvas, x: float, near: float, far: float, height: float, colour: Colour, gap: float, noise: Noise
) -> None:
    """Paint boards (`gap` 0) or railings (`gap`: share between the bars) along the street. All of it is fence."""
    camera, side = canvas.camera, -1 if x < 0 else 1
    near = max(near, NEAREST)
    behind = np.asarray(canvas.image)

    def paint(px: np.ndarray, py: np.ndarray) -> tuple[np.ndarray, np.ndarray | Surface]:
        ahead = np.clip(x * camera.focal / np.where(np.abs(px - camera.x) < 1, side, px - camera.x), near, far)
        up = camera.height - (py - camera.y) * ahead / camera.focal
        ahead = np.broadcast_to(ahead, up.shape)
        board = (ahead * (5 if gap else 6.5)) % 1
        grain = 1 + 0.12 * noise.at(noise.fine, ahead * 30, up * 8) - 0.35 * (board < 0.12)
        colours = canvas.fade(np.asarray(colour, np.float32) * grain[..., None], ahead)
        if gap:
            rail = (np.abs(up - height + 0.06) < 0.05) | (np.abs(up - 0.18) < 0.05)
            see_through = (board < gap) & ~rail
            seen = behind[py.astype(int), px.astype(int)]
            colours = np.where(see_through[..., None], 0.8 * seen, colours)
        return colours, Surface.FENCE

    canvas.face([(x, 0.0, near), (x, height, near), (x, height, far), (x, 0.0, far)], paint)
