"""What a pixel of a scene shows."""

from enum import IntEnum


class Surface(IntEnum):
    """Ids of the masks that scenes are drawn with; a dataset maps them to its own."""

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
    BICYCLIST = 10
    VOID = 11
