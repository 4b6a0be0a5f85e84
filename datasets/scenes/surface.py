"""The surfaces of a scene."""

from enum import IntEnum


class Surface(IntEnum):
    """Ids in the masks of scenes. Each dataset maps them to its own labels, several to one where need be."""

    SKY = 0
    BUILDING = 1
    POLE = 2
    ROAD = 3
    PAVEMENT = 4
    TREE = 5
    SIGN = 6
    FENCE = 7
    CAR = 8
    PEDESTRIAN = 9
    BICYCLE = 10
    VOID = 11
    RIDER = 12
    GRASS = 13
    WALL = 14
    TRAFFIC_LIGHT = 15
    LETTERING = 16
    TRUCK = 17
    BUS = 18
    TRAM = 19
    MOTORCYCLE = 20
    BONNET = 21
    """The bonnet of the car that carries the camera."""
