"""A street and what is on it: where everything stands, and in which order it is painted."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from datasets.scenes import buildings, furniture, ground, people, plants, vehicles
from datasets.scenes.canvas import Camera, Canvas
from datasets.scenes.light import Light, develop
from datasets.scenes.noise import Noise

SIGHT = 130.0
"""Metres to which the street is furnished."""

Stroke = tuple[float, Callable[[], None]]
"""A depth, and what paints something there."""


def draw(size: tuple[int, int], light: Light, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a scene.

    Args:
        size: Height and width, pixels.
        light: How it is lit.
        rng: Decides all else: equal generators give equal scenes.

    Returns:
        Image uint8 [H,W,3], and its mask uint8 [H,W] of Surface.
    """
    height, width = size
    camera = Camera(
        focal=width * rng.uniform(0.85, 1.15),
        height=rng.uniform(1.25, 1.75),
        x=width * rng.uniform(0.36, 0.64),
        y=height * rng.uniform(0.4, 0.54),
    )
    scene = _Scene(rng, light, Noise(rng))
    colours, surfaces = ground.paint(size, camera, scene.road, light, scene.noise, rng)
    canvas = Canvas(colours, surfaces, camera, light.horizon, light.clear)
    for layer in (scene.backdrop(canvas), scene.sides(canvas), scene.things(canvas)):
        for _, paint in sorted(layer, key=lambda stroke: -stroke[0]):
            paint()
    if rng.random() < 0.3:
        furniture.paint_bonnet(canvas, rng.uniform(0.03, 0.09), tuple(np.full(3, rng.uniform(15, 80))))
    return develop(canvas.image, light, rng), np.asarray(canvas.mask)


@dataclass(frozen=True)
class _Lot:
    """A stretch of one side: depths, and what stands there ("house", "park" or "gap")."""

    kind: str
    near: float
    far: float
    house: buildings.House | None = None


class _Scene:
    """Where everything stands."""

    def __init__(self, rng: np.random.Generator, light: Light, noise: Noise) -> None:
        self.rng, self.light, self.noise = rng, light, noise
        bend = rng.normal(0, 9)
        wide = rng.uniform(3.0, 4.6)
        middle = rng.uniform(1.2, 2.2)
        kerbs = (middle - wide, middle + wide)
        leafy = rng.choice([0.08, 0.35, 0.85])
        self.lots: dict[int, list[_Lot]] = {}
        sides = []
        for sign, kerb in zip((-1, 1), kerbs, strict=True):
            back = kerb + sign * rng.uniform(1.8, 3.6)
            junction = rng.uniform(12, 60) if rng.random() < 0.35 else 0.0
            gap = (junction, junction + rng.uniform(6, 9)) if junction else (0.0, 0.0)
            self.lots[sign] = self._line_up(back, bend, gap, float(np.clip(leafy + rng.normal(0, 0.15), 0, 1)))
            houses = [lot.house for lot in self.lots[sign] if lot.house]
            skyline = np.array([[house.near, house.height, abs(house.x)] for house in houses]).reshape(-1, 3)
            sides.append(ground.Side(kerb, back, bool(rng.random() < leafy), gap, skyline))
        edge = [None, None, (196, 170, 70), (214, 214, 210)][rng.integers(4)]
        crossing = rng.uniform(7, 30) if rng.random() < 0.25 else 0.0
        self.road = ground.Road(sides[0], sides[1], bend, middle, rng.uniform(0, 50), edge, crossing)

    def _line_up(self, back: float, bend: float, gap: tuple[float, float], leafy: float) -> list[_Lot]:
        """Fill a side with houses and gardens, except where a side road leaves."""
        rng, sign = self.rng, -1 if back < 0 else 1
        lots, at, setback = [], rng.uniform(-12, 2), rng.choice([0.0, 0.0, 3.0])
        while at < SIGHT:
            end = at + rng.uniform(7, 20)
            if at < gap[1] and end > gap[0] > 0:
                if at < gap[0] - 4:
                    end = gap[0]
                else:
                    lots.append(_Lot("gap", gap[0], gap[1]))
                    at = gap[1]
                    continue
            kind = "park" if rng.random() < leafy else "house"
            house = None
            if kind == "house":
                x = back + sign * (setback + rng.choice([0.0, 0.0, 0.6, 2.0])) + bend * (max(at, 0) / 100) ** 2
                house = buildings.house(rng, self.light, x if x * sign > 2 else 2.0 * sign, at, end)
                if lots and lots[-1].house and rng.random() < 0.3:
                    house = replace(lots[-1].house, near=at, far=end, x=house.x)
            if end > 1:
                lots.append(_Lot(kind, at, end, house))
            at = end + (rng.uniform(1, 5) if rng.random() < 0.2 else 0.0)
        return lots

    def backdrop(self, canvas: Canvas) -> list[Stroke]:
        """What closes the view: far houses and trees."""
        strokes: list[Stroke] = []
        for x in np.arange(-130, 130, 9.0) + self.rng.uniform(-3, 3):
            ahead = self.rng.uniform(140, 190)
            if self.rng.random() < 0.45:
                house = buildings.house(self.rng, self.light, x, ahead, ahead + 12)
                strokes.append((ahead, lambda house=house: buildings.paint_house(canvas, house, self.light, self.noise)))
            else:
                strokes.append((ahead, self._crown(canvas, x, ahead, self.rng.uniform(3.5, 6.5))))
        return strokes

    def sides(self, canvas: Canvas) -> list[Stroke]:
        """What lines the street."""
        strokes: list[Stroke] = []
        for sign, side in ((-1, self.road.left), (1, self.road.right)):
            for lot in self.lots[sign]:
                shift = float(self.road.shift(max(lot.near, 0)))
                if lot.house is not None:
                    strokes.append((lot.near, self._house(canvas, lot.house)))
                if lot.kind == "park":
                    strokes += self._park(canvas, side.back + shift, sign, lot)
                elif abs(lot.house.x if lot.house else 0) > abs(side.back + shift) + 1.5:
                    strokes += self._border(canvas, side.back + shift, lot, sign)
        return strokes

    def things(self, canvas: Canvas) -> list[Stroke]:
        """What stands and moves on road and pavement."""
        return [*self._traffic(canvas), *self._pavements(canvas)]

    def _house(self, canvas: Canvas, house: buildings.House) -> Callable[[], None]:
        return lambda: buildings.paint_house(canvas, house, self.light, self.noise)

    def _crown(self, canvas: Canvas, x: float, ahead: float, radius: float) -> Callable[[], None]:
        centre, radii = (x, radius * 0.75, ahead), (radius * 1.2, radius)
        return lambda: plants.paint_crown(canvas, centre, radii, self.light, self.noise, self.rng)

    def _park(self, canvas: Canvas, x: float, sign: int, lot: _Lot) -> list[Stroke]:
        rng = self.rng
        strokes: list[Stroke] = []
        for ahead in np.arange(max(lot.near, 3), lot.far, 2.5):
            strokes.append((ahead + 1, self._crown(canvas, x + sign * rng.uniform(7, 16), ahead + 1, rng.uniform(2.5, 5))))
            if rng.random() < 0.5:
                strokes.append((ahead, self._tree(canvas, x + sign * rng.uniform(2, 6), float(ahead))))
        return strokes + self._border(canvas, x, lot, sign)

    def _border(self, canvas: Canvas, x: float, lot: _Lot, sign: int) -> list[Stroke]:
        rng, near, far = self.rng, max(lot.near, 1.0), lot.far
        x += sign * 0.1
        kind = rng.choice(["fence", "hedge", "open"], p=[0.5, 0.25, 0.25])
        if kind == "hedge":
            height = rng.uniform(0.9, 2)
            return [(near, lambda: plants.paint_hedge(canvas, x, near, far, height, self.noise, rng))]
        if kind == "fence":
            height, gap = rng.uniform(0.9, 2.1), float(rng.choice([0.0, 0.62]))
            colour = [(112, 84, 60), (92, 92, 88), (46, 52, 50), (176, 174, 166), (70, 86, 64), (132, 118, 100)][rng.integers(6)]
            return [(near, lambda: buildings.paint_fence(canvas, x, near, far, height, colour, gap, self.noise))]
        return []

    def _tree(self, canvas: Canvas, x: float, ahead: float) -> Callable[[], None]:
        if self.rng.random() < 0.25:
            return lambda: plants.paint_bare_tree(canvas, x, ahead, self.rng)
        return lambda: plants.paint_tree(canvas, x, ahead, self.light, self.noise, self.rng)

    def _traffic(self, canvas: Canvas) -> list[Stroke]:
        rng, road = self.rng, self.road
        lanes = [
            (road.left.kerb + 1.1, 0.0, rng.choice([0.02, 0.1, 0.6])),
            ((road.middle + road.left.kerb) / 2 + 0.3, 0.0, 0.14),
            ((road.middle + road.right.kerb) / 2, math.pi, 0.16),
            (road.right.kerb - 1.1, math.pi, rng.choice([0.02, 0.1, 0.6])),
        ]
        strokes: list[Stroke] = []
        taken = [0.0] * len(lanes)
        for ahead in np.arange(7.5, 100, 5.8):
            for lane, (x, yaw, odds) in enumerate(lanes):
                if rng.random() > odds or taken[lane] > ahead:
                    continue
                place = float(ahead + rng.uniform(-0.6, 0.6))
                car = vehicles.vehicle(rng, x + float(road.shift(place)) + rng.normal(0, 0.12), place, yaw + rng.normal(0, 0.04))
                for other in (lane - 1, lane, lane + 1):
                    if 0 <= other < len(lanes) and abs(lanes[other][0] - x) < 2.3:
                        taken[other] = ahead + car.body.length + 1
                strokes.append((place - car.body.length / 2, lambda car=car: vehicles.paint_vehicle(canvas, car, self.light)))
        if rng.random() < 0.15:
            place = rng.uniform(12, 35)
            car = vehicles.vehicle(rng, rng.uniform(-4, 6), place, math.pi / 2 * rng.choice([-1, 1]) + rng.normal(0, 0.2))
            strokes.append((place, lambda: vehicles.paint_vehicle(canvas, car, self.light)))
        return strokes

    def _pavements(self, canvas: Canvas) -> list[Stroke]:
        rng, strokes = self.rng, []
        for side in (self.road.left, self.road.right):
            inner, outer = side.kerb + side.sign * 0.45, side.back - side.sign * 0.3
            for ahead in np.arange(rng.uniform(6, 14), 110, rng.uniform(14, 26)):
                strokes.append((ahead, self._post(canvas, inner + self.road.shift(ahead), float(ahead))))
            if rng.random() < 0.3:
                for ahead in np.arange(rng.uniform(5, 20), 70, rng.uniform(5, 9)):
                    strokes.append((ahead, self._tree(canvas, inner + self.road.shift(ahead), float(ahead))))
            for ahead in rng.uniform(4.5, 45, rng.poisson(3.2)):
                x = rng.uniform(min(inner, outer), max(inner, outer)) + self.road.shift(ahead)
                strokes.append((ahead, lambda x=x, ahead=ahead: people.paint_pedestrian(canvas, x, ahead, rng)))
            for ahead in rng.uniform(6, 40, rng.poisson(0.9)):
                x = outer + self.road.shift(ahead)
                if rng.random() < 0.6:
                    strokes.append((ahead, lambda x=x, ahead=ahead: furniture.paint_bin(canvas, x, ahead, rng)))
                else:
                    strokes.append((ahead, lambda x=x, ahead=ahead: furniture.paint_bollard(canvas, x, ahead, rng)))
        for ahead in rng.uniform(6, 35, rng.poisson(1.3)):
            x = rng.uniform(self.road.left.kerb + 0.6, self.road.right.kerb - 0.6) + self.road.shift(ahead)
            strokes.append((ahead, lambda x=x, ahead=ahead: people.paint_bicyclist(canvas, x, ahead, rng)))
        for ahead in rng.uniform(6, 25, rng.poisson(0.4)):
            x = self.road.left.kerb + 0.4
            strokes.append((ahead, lambda x=x, ahead=ahead: furniture.paint_cone(canvas, x, ahead)))
        return strokes

    def _post(self, canvas: Canvas, x: float, ahead: float) -> Callable[[], None]:
        rng = self.rng
        kinds = [furniture.paint_lamp, furniture.paint_sign, furniture.paint_traffic_light]
        kind = kinds[rng.choice(3, p=[0.42, 0.43, 0.15])]
        return lambda: kind(canvas, x, ahead, rng)
