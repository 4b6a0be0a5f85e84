"""Shapes of vehicles, as side views."""

from dataclasses import dataclass

from datasets.scenes.surface import Surface


@dataclass(frozen=True)
class Body:
    """The shape of a kind of vehicle.

    Attributes:
        length, width, height: Metres.
        outline: Side view: (share of the length, -0.5 rear to 0.5 front; share of the height), from the bottom of the
            rear over the roof to the bottom of the front.
        glazed: Indices of the outline's edges that are glass.
        windows: Outlines of the side windows, in the same shares.
        waist: Share of the height above which it narrows.
        wheels: Positions of the wheels, shares of the length.
        likelihood: Relative frequency.
        surface: Its id in the mask.
    """

    length: float
    width: float
    height: float
    outline: tuple[tuple[float, float], ...]
    glazed: tuple[int, ...]
    windows: tuple[tuple[tuple[float, float], ...], ...]
    waist: float
    wheels: tuple[float, ...]
    likelihood: float
    surface: Surface = Surface.CAR


HATCHBACK = Body(
    length=3.9,
    width=1.7,
    height=1.48,
    outline=(
        (-0.5, 0.18), (-0.5, 0.58), (-0.42, 0.98), (0.04, 1.0), (0.24, 0.62), (0.47, 0.52), (0.5, 0.4), (0.5, 0.18),
    ),
    glazed=(1, 3),
    windows=(
        ((-0.41, 0.62), (-0.36, 0.92), (-0.15, 0.94), (-0.15, 0.62)),
        ((-0.12, 0.62), (-0.12, 0.94), (0.03, 0.93), (0.19, 0.62)),
    ),
    waist=0.6,
    wheels=(-0.32, 0.32),
    likelihood=0.4,
)  # fmt: skip

SALOON = Body(
    length=4.5,
    width=1.78,
    height=1.42,
    outline=(
        (-0.5, 0.18), (-0.5, 0.58), (-0.33, 0.64), (-0.2, 0.99), (0.07, 1.0), (0.24, 0.63), (0.47, 0.53), (0.5, 0.4),
        (0.5, 0.18),
    ),
    glazed=(2, 4),
    windows=(
        ((-0.29, 0.65), (-0.19, 0.93), (-0.05, 0.94), (-0.05, 0.65)),
        ((-0.03, 0.65), (-0.03, 0.94), (0.06, 0.93), (0.19, 0.65)),
    ),
    waist=0.62,
    wheels=(-0.31, 0.32),
    likelihood=0.35,
)  # fmt: skip

VAN = Body(
    length=5.2,
    width=2.0,
    height=2.3,
    outline=((-0.5, 0.14), (-0.5, 0.96), (-0.47, 1.0), (0.2, 1.0), (0.36, 0.58), (0.48, 0.48), (0.5, 0.14)),
    glazed=(3,),
    windows=(((0.1, 0.58), (0.1, 0.88), (0.2, 0.88), (0.31, 0.58)),),
    waist=0.6,
    wheels=(-0.3, 0.32),
    likelihood=0.17,
)

BUS = Body(
    length=9.5,
    width=2.5,
    height=3.1,
    outline=((-0.5, 0.12), (-0.5, 0.97), (-0.49, 1.0), (0.49, 1.0), (0.5, 0.42), (0.5, 0.12)),
    glazed=(3,),
    windows=tuple(
        ((at, 0.48), (at, 0.82), (at + 0.13, 0.82), (at + 0.13, 0.48))
        for at in (-0.47, -0.32, -0.17, -0.02, 0.13, 0.28)
    ),
    waist=0.9,
    wheels=(-0.28, 0.3),
    likelihood=0.08,
    surface=Surface.BUS,
)

LORRY = Body(
    length=7.6,
    width=2.45,
    height=3.3,
    outline=(
        (-0.5, 0.24), (-0.5, 1.0), (0.2, 1.0), (0.2, 0.84), (0.24, 0.84), (0.44, 0.82), (0.5, 0.48), (0.5, 0.12),
        (0.22, 0.12), (0.2, 0.24),
    ),
    glazed=(5,),
    windows=(((0.32, 0.5), (0.32, 0.74), (0.43, 0.74), (0.47, 0.5)),),
    waist=0.95,
    wheels=(-0.36, -0.22, 0.36),
    likelihood=0.12,
    surface=Surface.TRUCK,
)  # fmt: skip

TRAM = Body(
    length=19.0,
    width=2.4,
    height=3.4,
    outline=((-0.5, 0.1), (-0.5, 0.5), (-0.485, 1.0), (0.485, 1.0), (0.5, 0.5), (0.5, 0.1)),
    glazed=(1, 3),
    windows=tuple(
        ((at, 0.42), (at, 0.8), (at + 0.09, 0.8), (at + 0.09, 0.42))
        for at in (-0.46, -0.36, -0.26, -0.16, -0.04, 0.06, 0.16, 0.26, 0.36)
    ),
    waist=0.9,
    wheels=(-0.38, -0.3, 0.3, 0.38),
    likelihood=0.06,
    surface=Surface.TRAM,
)
