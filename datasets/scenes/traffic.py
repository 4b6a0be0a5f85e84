"""Vehicles, riders and people on the road and its pavements."""

import math

import numpy as np

from datasets.scenes import furniture
from datasets.scenes.ground import Side
from datasets.scenes.people import paint_pedestrian
from datasets.scenes.riders import paint_bicyclist, paint_motorcyclist, paint_parked_bicycle
from datasets.scenes.roadside import put_tree
from datasets.scenes.stage import Stage
from datasets.scenes.vehicles import paint_vehicle, random_vehicle

CLEARANCE = 4.0
"""Depth up to which there are no vehicles, metres."""

POSTS = (furniture.paint_lamp, furniture.paint_sign, furniture.paint_traffic_light)


def put_vehicles(stage: Stage) -> None:
    """Put parked and moving cars in four rows, as on a British street, and sometimes a crossing car."""
    left, right, middle = stage.road.left.kerb, stage.road.right.kerb, stage.road.middle
    rows = (
        (left + 1.1, 0.0, stage.rng.choice([0.02, 0.1, 0.6])),
        ((left + middle) / 2 + 0.3, 0.0, 0.14),
        ((right + middle) / 2, math.pi, 0.16),
        (right - 1.1, math.pi, stage.rng.choice([0.02, 0.1, 0.6])),
    )
    free = [0.0] * len(rows)
    for depth in np.arange(7.5, 100, 5.8):
        for row, (x, yaw, odds) in enumerate(rows):
            if not stage.chance(odds) or free[row] > depth:
                continue
            ahead = float(depth) + stage.uniform(-0.6, 0.6)
            place = x + stage.road.shift(ahead) + stage.rng.normal(0, 0.12)
            car = random_vehicle(stage.rng, stage.style.fleet, place, ahead, yaw + stage.rng.normal(0, 0.04))
            if ahead - car.body.length / 2 < CLEARANCE:
                continue
            for other, (beside, _, _) in enumerate(rows):
                if abs(beside - x) < 2.3:
                    free[other] = depth + car.body.length + 1
            stage.put(ahead - car.body.length / 2, paint_vehicle, car, stage.light)
    if stage.chance(0.15):
        ahead, way = stage.uniform(12, 35), stage.rng.choice([-1, 1])
        car = random_vehicle(
            stage.rng, stage.style.fleet, stage.uniform(-4, 6), ahead, way * math.pi / 2 + stage.rng.normal(0, 0.2)
        )
        stage.put(ahead, paint_vehicle, car, stage.light)


def put_riders(stage: Stage) -> None:
    """Put people on bicycles and motorcycles, and cones, on the road."""
    left, right = stage.road.left.kerb, stage.road.right.kerb
    for ahead in stage.rng.uniform(6, 35, stage.rng.poisson(1.3)):
        x = stage.uniform(left + 0.6, right - 0.6) + stage.road.shift(ahead)
        motor = stage.style.motorcycles and stage.chance(stage.style.motorcycles)
        stage.put(ahead, paint_motorcyclist if motor else paint_bicyclist, x, ahead, stage.rng)
    for ahead in stage.rng.uniform(6, 25, stage.rng.poisson(0.4)):
        stage.put(ahead, furniture.paint_cone, left + 0.4, ahead)


def put_pavement(stage: Stage, side: Side) -> None:
    """Put posts, trees, people, bins and bollards on one pavement."""
    inner, outer = side.kerb + side.sign * 0.45, side.back - side.sign * 0.3
    for ahead in np.arange(stage.uniform(6, 14), 110, stage.uniform(14, 26)):
        paint = POSTS[stage.rng.choice(3, p=[0.42, 0.43, 0.15])]
        stage.put(ahead, paint, inner + stage.road.shift(ahead), float(ahead), stage.rng)
    if stage.chance(0.3):
        for ahead in np.arange(stage.uniform(5, 20), 70, stage.uniform(6, 10)):
            put_tree(stage, inner + stage.road.shift(ahead), float(ahead))
    for ahead in stage.rng.uniform(4.5, 45, stage.rng.poisson(3.2)):
        x = stage.uniform(min(inner, outer), max(inner, outer)) + stage.road.shift(ahead)
        stage.put(ahead, paint_pedestrian, x, ahead, stage.rng)
    for ahead in stage.rng.uniform(6, 40, stage.rng.poisson(0.9)):
        paint = furniture.paint_bin if stage.chance(0.6) else furniture.paint_bollard
        stage.put(ahead, paint, outer + stage.road.shift(ahead), ahead, stage.rng)
    for ahead in stage.rng.uniform(5, 30, stage.rng.poisson(stage.style.parked) if stage.style.parked else 0):
        stage.put(ahead, paint_parked_bicycle, outer + stage.road.shift(ahead), ahead, stage.rng)
