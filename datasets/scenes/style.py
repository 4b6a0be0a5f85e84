"""What differs between the streets of one country and another."""

from dataclasses import dataclass

from datasets.scenes.bodies import BUS, HATCHBACK, LORRY, SALOON, TRAM, VAN, Body


@dataclass(frozen=True)
class Style:
    """What is met in a street, besides what is met in all of them.

    Attributes:
        fleet: The kinds of vehicles.
        walls: Share of open gardens and of fences, 0..1, that are walls instead.
        motorcycles: Share of riders on a motorcycle, 0..1.
        parked: Mean number of bicycles that lean on a pavement.
        bonnet: Share of pictures with the bonnet of the camera's own car in it, 0..1.
        keep_right: Whether traffic drives on the right: the picture is mirrored.
        lanes: Lanes of each direction that dashes part; 0: a road without marks.
        wide: Whether the camera sees a wide, low strip, as KITTI's does.
    """

    fleet: tuple[Body, ...]
    walls: float
    motorcycles: float
    parked: float
    bonnet: float
    keep_right: bool
    lanes: int = 1
    wide: bool = False


BRITISH = Style((HATCHBACK, SALOON, VAN, BUS), walls=0, motorcycles=0, parked=0, bonnet=0.3, keep_right=False)

GERMAN = Style(
    (HATCHBACK, SALOON, VAN, BUS, LORRY, TRAM), walls=0.35, motorcycles=0.25, parked=0.6, bonnet=0.9, keep_right=True
)
