"""Bicycles, motorcycles and their riders. The inside of a wheel is part of the vehicle, as in hand-made masks."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datasets.scenes.canvas import Canvas, Colour
from datasets.scenes.people import SKIN, Figure, random_colour
from datasets.scenes.surface import Surface

BLACK = (28, 28, 30)


@dataclass(frozen=True)
class Ride:
    """A rider and a vehicle at one position.

    Attributes:
        rider, vehicle: Their pens.
        skin, top, trousers, frame: Colours.
        rng: Source of all other choices.
    """

    rider: Figure
    vehicle: Figure
    skin: np.ndarray
    top: Colour
    trousers: Colour
    frame: Colour
    rng: np.random.Generator


def paint_bicyclist(canvas: Canvas, x: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a cyclist, from the side or from the front."""
    _paint_rider(canvas, x, ahead, Surface.BICYCLE, (_ride_past, _ride_along), rng)


def paint_motorcyclist(canvas: Canvas, x: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a motorcyclist, from the side or from the front."""
    _paint_rider(canvas, x, ahead, Surface.MOTORCYCLE, (_motor_past, _motor_along), rng)


def paint_parked_bicycle(canvas: Canvas, x: float, ahead: float, rng: np.random.Generator) -> None:
    """Paint a parked bicycle."""
    _shade(canvas, x, ahead)
    bicycle = Figure(canvas, x, ahead, rng.uniform(0.92, 1.06), int(rng.choice([-1, 1])), Surface.BICYCLE)
    _wheels(bicycle)
    _frame(bicycle, random_colour(rng))
    bicycle.limb([(-0.32, 0.93), (-0.1, 0.95)], 0.06, BLACK)


def _paint_rider(
    canvas: Canvas,
    x: float,
    ahead: float,
    kind: Surface,
    views: tuple[Callable[[Ride], None], ...],
    rng: np.random.Generator,
) -> None:
    _shade(canvas, x, ahead)
    size, way = rng.uniform(0.92, 1.06), int(rng.choice([-1, 1]))
    skin = np.asarray(SKIN[rng.integers(len(SKIN))]) * rng.uniform(0.85, 1.1)
    rider = Figure(canvas, x, ahead, size, way, Surface.RIDER)
    vehicle = Figure(canvas, x, ahead, size, way, kind)
    ride = Ride(rider, vehicle, skin, random_colour(rng), random_colour(rng), random_colour(rng), rng)
    views[0 if rng.random() < 0.5 else 1](ride)


def _shade(canvas: Canvas, x: float, ahead: float) -> None:
    corners = [(-0.7, -0.2), (0.7, -0.2), (0.7, 0.2), (-0.7, 0.2)]
    canvas.shade([(x + across, 0, ahead + along) for across, along in corners], 0.7)


def _wheels(bicycle: Figure) -> None:
    for hub in (-0.52, 0.52):
        bicycle.disc(hub, 0.34, 0.34, 0.34, (32, 32, 34))
        bicycle.disc(hub, 0.34, 0.29, 0.29, (112, 112, 112))
        for turn in np.linspace(0, math.pi, 5, endpoint=False):
            dx, dy = 0.29 * math.cos(turn), 0.29 * math.sin(turn)
            bicycle.limb([(hub - dx, 0.34 - dy), (hub + dx, 0.34 + dy)], 0.01, (60, 60, 62))


def _frame(bicycle: Figure, colour: Colour) -> None:
    bicycle.limb([(-0.52, 0.34), (-0.12, 0.34), (0.4, 0.8), (-0.2, 0.8), (-0.12, 0.34)], 0.05, colour)
    bicycle.limb([(-0.52, 0.34), (-0.2, 0.82), (-0.22, 0.92)], 0.04, colour)
    bicycle.limb([(0.52, 0.34), (0.4, 0.95), (0.5, 1.02)], 0.04, colour)


def _ride_past(ride: Ride) -> None:
    rider, trousers = ride.rider, np.asarray(ride.trousers)
    _wheels(ride.vehicle)
    knee = ride.rng.uniform(0.0, 0.2)
    rider.limb([(-0.15, 0.95), (0.12, 0.78 - knee), (-0.02, 0.3)], 0.13, trousers * 0.7)
    _frame(ride.vehicle, ride.frame)
    rider.limb([(-0.15, 0.95), (0.16, 0.72 + knee), (0.02, 0.25)], 0.14, trousers)
    rider.part([(-0.3, 0.92), (-0.08, 0.88), (0.26, 1.34), (0.2, 1.5), (0.04, 1.5), (-0.22, 1.2)], ride.top)
    rider.limb([(0.15, 1.42), (0.26, 1.12), (0.48, 1.04)], 0.1, np.asarray(ride.top) * 0.82)
    _head(ride, 0.22, 1.63)


def _ride_along(ride: Ride) -> None:
    rider, vehicle = ride.rider, ride.vehicle
    vehicle.disc(0, 0.35, 0.035, 0.35, BLACK)
    vehicle.limb([(0, 0.35), (0, 0.9)], 0.05, ride.frame)
    lift = ride.rng.uniform(0.05, 0.25)
    rider.limb([(-0.1, 0.92), (-0.15, 0.62 + lift), (-0.12, 0.2 + lift)], 0.14, np.asarray(ride.trousers) * 0.85)
    rider.limb([(0.1, 0.92), (0.15, 0.62), (0.12, 0.2)], 0.14, ride.trousers)
    vehicle.limb([(-0.3, 1.02), (0.3, 1.02)], 0.05, (40, 40, 42))
    _front_of_rider(ride)
    _head(ride, 0, 1.62)


def _motor_past(ride: Ride) -> None:
    rider, vehicle = ride.rider, ride.vehicle
    for hub in (-0.68, 0.68):
        vehicle.disc(hub, 0.32, 0.32, 0.32, BLACK)
        vehicle.disc(hub, 0.32, 0.19, 0.19, (122, 122, 124))
    vehicle.part([(-0.4, 0.25), (-0.5, 0.6), (0.42, 0.62), (0.36, 0.25)], (62, 62, 66))
    vehicle.part([(-0.85, 0.82), (-0.6, 0.6), (0.34, 0.62), (0.52, 0.98), (0.16, 1.02), (-0.1, 0.82)], ride.frame)
    vehicle.limb([(-0.75, 0.3), (-0.1, 0.28)], 0.1, (156, 156, 160))
    vehicle.limb([(0.68, 0.32), (0.46, 0.98), (0.36, 1.12)], 0.09, (88, 88, 92))
    vehicle.disc(0.6, 0.92, 0.11, 0.11, (222, 222, 214))
    rider.limb([(-0.22, 0.88), (0.2, 0.72), (0.02, 0.32)], 0.17, ride.trousers)
    rider.part([(-0.38, 0.84), (-0.1, 0.84), (0.2, 1.28), (0.14, 1.46), (-0.04, 1.46), (-0.3, 1.15)], ride.top)
    rider.limb([(0.06, 1.38), (0.2, 1.1), (0.38, 1.1)], 0.12, np.asarray(ride.top) * 0.82)
    _helmet(ride, 0.14, 1.6)


def _motor_along(ride: Ride) -> None:
    rider, vehicle = ride.rider, ride.vehicle
    vehicle.disc(0, 0.32, 0.09, 0.32, BLACK)
    vehicle.part([(-0.16, 0.45), (-0.26, 0.75), (-0.15, 1.1), (0.15, 1.1), (0.26, 0.75), (0.16, 0.45)], ride.frame)
    for side in (-1, 1):
        rider.limb([(side * 0.14, 0.88), (side * 0.3, 0.7), (side * 0.24, 0.3)], 0.17, ride.trousers)
    _front_of_rider(ride)
    vehicle.limb([(-0.4, 1.08), (0.4, 1.08)], 0.06, BLACK)
    vehicle.disc(0, 0.92, 0.1, 0.1, (232, 230, 218))
    _helmet(ride, 0, 1.58)


def _front_of_rider(ride: Ride) -> None:
    torso = [(-0.22, 1.4), (-0.17, 0.88), (0.17, 0.88), (0.22, 1.4), (0.08, 1.5), (-0.08, 1.5)]
    ride.rider.part(torso, ride.top)
    for side in (-1, 1):
        arm = [(side * 0.21, 1.38), (side * 0.3, 1.18), (side * 0.28, 1.03)]
        ride.rider.limb(arm, 0.1, np.asarray(ride.top) * 0.82)


def _head(ride: Ride, across: float, up: float) -> None:
    ride.rider.disc(across, up, 0.095, 0.125, ride.skin)
    hat = random_colour(ride.rng) if ride.rng.random() < 0.6 else (40, 32, 28)
    brim = [(-0.12, 0.03), (-0.08, 0.14), (0.05, 0.16), (0.12, 0.04)]
    ride.rider.part([(across + dx, up + dy) for dx, dy in brim], hat)


def _helmet(ride: Ride, across: float, up: float) -> None:
    ride.rider.disc(across, up, 0.14, 0.16, random_colour(ride.rng))
    ride.rider.disc(across + 0.06, up, 0.08, 0.06, (30, 32, 38))
