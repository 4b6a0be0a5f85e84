"""The roadside: houses, gardens, fences, and the backdrop."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from datasets.scenes.buildings import WALLS, House, paint_house, random_house
from datasets.scenes.fences import paint_fence, paint_wall
from datasets.scenes.light import Light
from datasets.scenes.plants import paint_bare_tree, paint_crown, paint_hedge, paint_tree
from datasets.scenes.stage import Stage

SIGHT = 130.0
"""Depth up to which there are houses and gardens, metres."""

FENCE_COLOURS = ((112, 84, 60), (92, 92, 88), (46, 52, 50), (176, 174, 166), (70, 86, 64), (132, 118, 100))


@dataclass(frozen=True)
class Lot:
    """A stretch of one side of the street.

    Attributes:
        kind: Its kind; a gap is where a side road branches off.
        near, far: Depths of its ends, metres.
        house: The house, for that kind.
    """

    kind: Literal["house", "park", "gap"]
    near: float
    far: float
    house: House | None = None


def line_up(
    back: float, bend: float, gap: tuple[float, float], leafy: float, light: Light, rng: np.random.Generator
) -> list[Lot]:
    """Return random lots with houses and gardens for one side of the street, sorted by depth.

    Args:
        back: Lateral position where lots begin, metres; left is negative.
        bend: Lateral shift of the road at a depth of 100 m, metres.
        gap: Depths between which a side road branches off, metres; (0, 0): none.
        leafy: Share of gardens, 0..1.
        light: The light of the scene: its share of lit windows.
        rng: Source of all choices.
    """
    lots: list[Lot] = []
    sign, at, setback = (-1 if back < 0 else 1), rng.uniform(-12, 2), rng.choice([0.0, 0.0, 3.0])
    while at < SIGHT:
        end = at + rng.uniform(7, 20)
        if at < gap[1] and end > gap[0] > 0:
            if at >= gap[0] - 4:
                lots.append(Lot("gap", *gap))
                at = gap[1]
                continue
            end = gap[0]
        if rng.random() < leafy:
            lots.append(Lot("park", at, end))
        else:
            x = abs(back) + setback + rng.choice([0.0, 0.0, 0.6, 2.0]) + sign * bend * (max(at, 0) / 100) ** 2
            neighbour = lots[-1].house if lots and rng.random() < 0.3 else None
            new = random_house(rng, light, sign * max(2.0, x), at, end)
            lots.append(Lot("house", at, end, replace(neighbour, near=at, far=end) if neighbour else new))
        at = end + (rng.uniform(1, 5) if rng.random() < 0.2 else 0.0)
    return [lot for lot in lots if lot.far > 1]


def skyline(lots: list[Lot]) -> np.ndarray:
    """Return (depth, height, lateral distance) of each house, metres, float [n, 3]: houses cast the shadows."""
    houses = [lot.house for lot in lots if lot.house]
    return np.array([[house.near, house.height, abs(house.x)] for house in houses]).reshape(-1, 3)


def put_backdrop(stage: Stage) -> None:
    """Put distant houses and trees at the end of the street."""
    for x in np.arange(-130, 130, 10.0) + stage.uniform(-3, 3):
        ahead = stage.uniform(140, 190)
        if stage.chance(0.45):
            far = random_house(stage.rng, stage.light, float(x), ahead, ahead + 12)
            stage.put(ahead, paint_house, far, stage.light, stage.noise)
        else:
            _put_crown(stage, float(x), ahead, stage.uniform(3.5, 6.5))


def put_side(stage: Stage, back: float, lots: list[Lot]) -> None:
    """Put houses, trees and borders on the lots of one side, which begin at the lateral position `back`, metres."""
    sign = -1 if back < 0 else 1
    for lot in lots:
        edge = back + stage.road.shift(max(lot.near, 0))
        if lot.house is not None:
            stage.put(lot.near, paint_house, lot.house, stage.light, stage.noise)
            if sign * (lot.house.x - edge) > 1.5:
                _put_border(stage, edge + 0.1 * sign, lot)
        elif lot.kind == "park":
            _put_park(stage, edge, sign, lot)
            _put_border(stage, edge + 0.1 * sign, lot)


def put_tree(stage: Stage, x: float, ahead: float) -> None:
    """Put a tree, in leaf or bare."""
    if stage.chance(0.22):
        stage.put(ahead, paint_bare_tree, x, ahead, stage.rng)
    else:
        stage.put(ahead, paint_tree, x, ahead, stage.light, stage.noise, stage.rng)


def _put_park(stage: Stage, edge: float, sign: int, lot: Lot) -> None:
    ahead = max(lot.near, 3.0)
    while ahead < lot.far:
        _put_crown(stage, edge + sign * stage.uniform(7, 15), ahead + 1, stage.uniform(3, 5.5))
        if stage.chance(0.5):
            put_tree(stage, edge + sign * stage.uniform(2, 6), ahead)
        ahead += 3 + 0.06 * ahead  # sparser with distance, as distant gardens are seen edge-on


def _put_border(stage: Stage, x: float, lot: Lot) -> None:
    near, far = max(lot.near, 1.0), lot.far
    walls = stage.style.walls
    kind = stage.rng.choice(
        ["fence", "hedge", "open", "wall"], p=[0.5 * (1 - walls), 0.25, 0.25 * (1 - walls), 0.75 * walls]
    )
    if kind == "wall":
        colour = WALLS[stage.rng.integers(len(WALLS))]
        stage.put(near, paint_wall, x, near, far, stage.uniform(0.8, 2.4), colour, stage.noise)
    elif kind == "hedge":
        stage.put(near, paint_hedge, x, near, far, stage.uniform(0.9, 2), stage.noise, stage.rng)
    elif kind == "fence":
        colour = FENCE_COLOURS[stage.rng.integers(len(FENCE_COLOURS))]
        gap = 0.62 if stage.chance(0.5) else 0.0
        stage.put(near, paint_fence, x, near, far, stage.uniform(0.9, 2.1), colour, gap, stage.noise)


def _put_crown(stage: Stage, x: float, ahead: float, radius: float) -> None:
    centre, radii = (x, radius * 0.75, ahead), (radius * 1.2, radius)
    stage.put(ahead, paint_crown, centre, radii, stage.light, stage.noise, stage.rng)
