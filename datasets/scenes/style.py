"""The styles of streets, which differ by country."""

from dataclasses import dataclass

from datasets.scenes.bodies import BUS, HATCHBACK, LORRY, SALOON, TRAM, VAN, Body


@dataclass(frozen=True)
class Style:
    """The style of a street.

    Attributes:
        fleet: The kinds of vehicles.
        walls: Share of open gardens and of fences that are walls instead, 0..1.
        motorcycles: Share of riders on a motorcycle, 0..1.
        parked: Mean number of parked bicycles per pavement.
        bonnet: Share of images that show the bonnet of the camera's car, 0..1.
        keep_right: Traffic keeps right: the image is mirrored.
        lanes: Lanes per direction, separated by dashed lines; 0: a road without markings.
        wide: The camera sees a wide, low strip, as KITTI's does.
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
