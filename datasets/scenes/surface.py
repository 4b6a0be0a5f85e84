"""What a pixel of a scene shows."""

from enum import IntEnum


class Surface(IntEnum):
    """Ids of the masks that scenes are drawn with; a dataset maps them to its own, and joins what it does not part."""

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
    """Of the car that carries the camera."""
