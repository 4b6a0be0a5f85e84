"""Published data sets that people keep as a folder: recognised by names and values of masks; their classes."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from datasets.audit import BadFileError
from datasets.image_folder import files, masks
from datasets.image_folder.meaning import Meaning
from datasets.image_folder.names import Match
from datasets.image_folder.sampling import read_each
from datasets.image_folder.tally import pack, unpack
from datasets.raw import RawFolder

SAMPLED = 8  # Masks whose values are compared with the published ones, evenly spaced

DECLARED = 0.999
"""Share of the pixels of each that must have a published value; a few off-colour pixels are in Potsdam's own labels."""

OBJECT_INFO = "objectInfo150.txt"
"""ADE20K's list of classes: a number, shares and counts, and the names of a class with commas, in each line."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class PublishedSet:
    """A published data set.

    Attributes:
        title: Its name, for the user.
        masks: What the names of all masks hold: a regular expression.
        names: The names of its classes.
        raws: The value of each class, numbers or colours; empty: the two values that the masks hold, the smaller first.
        colours: The colour of each class, where the values are numbers and colours are published.
        ignore: {value that is no class: what it means}.
    """

    title: str
    masks: str
    names: tuple[str, ...]
    raws: tuple[int, ...] | tuple[Colour, ...] = ()
    colours: tuple[Colour, ...] = ()
    ignore: Mapping[int | Colour, str] | None = None


# The benchmark's classes (Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017): objectInfo150.txt, the first
# name of each. 0 is what is none of them.
ADE20K = tuple(
    """wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door,
    table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field,
    armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard,
    chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway,
    case, pool table, pillow, screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower,
    book, hill, bench, countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine,
    hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight, booth, television receiver, airplane,
    dirt track, apparel, pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship,
    fountain, conveyer belt, canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag,
    minibike, cradle, oven, ball, food, step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher,
    screen, blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate,
    monitor, bulletin board, shower, radiator, glass, clock, flag""".replace("\n    ", " ").split(", ")
)  # fmt: skip

VESSELS = r"\d_manual[12]\.|(^|/)manual1/\d+_(dr|g|h)\.|labels-(ah|vk)/im\d+\.|Image_\d+[LR]_(1st|2nd)HO\."
"""Names of the masks of DRIVE (Staal 2004), HRF (Budai 2013), STARE (Hoover 2000) and CHASE DB1 (Fraz 2012)."""

SETS = (
    PublishedSet(
        "ADE20K's scene parsing benchmark",
        r"(^|/)ADE_(train|val)_\d{8}\.png$",
        ADE20K,
        tuple(range(1, 151)),
        ignore={0: "none of the 150 classes"},
    ),
    # Wang et al., LoveDA, NeurIPS 2021, and the colours of its repository.
    PublishedSet(
        "LoveDA",
        r"(Rural|Urban)/masks_png/\d+\.png$",
        ("background", "building", "road", "water", "barren", "forest", "agriculture"),
        (1, 2, 3, 4, 5, 6, 7),
        ((255, 255, 255), (255, 0, 0), (255, 255, 0), (0, 0, 255), (159, 129, 183), (0, 255, 0), (255, 195, 128)),
        ignore={0: "no data"},
    ),
    # ISPRS Test Project on Urban Classification and 3D Building Reconstruction: 2D semantic labelling contest. The
    # labels "noBoundary" are black along the borders of objects, which are not evaluated.
    PublishedSet(
        "the ISPRS benchmark (Potsdam, Vaihingen)",
        r"top_(potsdam|mosaic)_\w*\.(tif|png)$",
        ("impervious surfaces", "building", "low vegetation", "tree", "car", "clutter"),
        ((255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0)),
        ignore={(0, 0, 0): "the border of an object"},
    ),
    # Waqas Zamir et al., iSAID, CVPR Workshops 2019, and the colours of its development kit.
    PublishedSet(
        "iSAID",
        r"P\d{4}\w*_instance_color_RGB\w*\.png$",
        ("background", "ship", "storage tank", "baseball diamond", "tennis court", "basketball court",
         "ground track field", "bridge", "large vehicle", "small vehicle", "helicopter", "swimming pool", "roundabout",
         "soccer ball field", "plane", "harbor"),
        ((0, 0, 0), (0, 0, 63), (0, 63, 63), (0, 63, 0), (0, 63, 127), (0, 63, 191), (0, 63, 255), (0, 127, 63),
         (0, 127, 127), (0, 0, 127), (0, 0, 191), (0, 0, 255), (0, 191, 127), (0, 127, 191), (0, 127, 255),
         (0, 100, 155)),
    ),
    # Parkhi et al., Cats and Dogs, CVPR 2012: annotations/README says what 1, 2 and 3 are.
    PublishedSet(
        "the Oxford-IIIT Pets",
        r"(^|/)trimaps/\w+_\d+\.png$",
        ("background", "pet"),
        (2, 1),
        ignore={3: "not classified, around the pet"},
    ),
    PublishedSet("the retinas of DRIVE, HRF, STARE or CHASE", VESSELS, ("background", "vessel")),
    # Al-Dhabyani et al., Dataset of breast ultrasound images, 2020.
    PublishedSet("BUSI", r"(benign|malignant|normal) \(\d+\)_mask\.png$", ("background", "lesion")),
)  # fmt: skip


def first(matches: Sequence[Match]) -> list[Match]:
    """Return the matches, first those whose masks are of a published set by their names."""
    return sorted(matches, key=lambda match: _named(match.examples) is None)


def meaning(raw: RawFolder, names: Sequence[str]) -> Meaning:
    """Return what masks mean: as published where names and values are those of a published set, else as guessed.

    Raises:
        DatasetError: No mask can be read, or the masks hold no classes.
    """
    known = _named(names)
    if known is None or (known.raws and not _is_of_values(raw, names, known)):
        return masks.guess(raw, names)
    if known.raws:
        return _of_values(raw, known)
    guessed = masks.guess(raw, names)
    if len(guessed.classes) == len(known.names) and guessed.ordered:
        guessed.names = known.names
        guessed.notes.append(f"the masks are those of {known.title}: the second class is {known.names[1]}")
    return guessed


def _named(examples: Sequence[str]) -> PublishedSet | None:
    """Return the published set whose masks have such names."""
    return next((one for one in SETS if all(re.search(one.masks, name) for name in examples)), None)


def _of_values(raw: RawFolder, known: PublishedSet) -> Meaning:
    names, notes = known.names, [f"the masks are those of {known.title}, whose classes are published"]
    if known.names is ADE20K and (own := _object_info(raw)):
        names, notes = own, [f"the masks are those of {known.title}: the classes are those of {OBJECT_INFO}"]
    by_colour = not isinstance(known.raws[0], int)
    plain: Any = list if by_colour else int
    ignore = known.ignore or {}
    notes += [f"{plain(value)} is ignored: {what}" for value, what in ignore.items()]
    classes = [
        (plain(value), known.colours[place] if known.colours else None) for place, value in enumerate(known.raws)
    ]
    return Meaning(
        {"read": "colours" if by_colour else "ids"}, classes, [plain(value) for value in ignore], notes, names=names
    )


def _is_of_values(raw: RawFolder, names: Sequence[str], known: PublishedSet) -> bool:
    """Whether nearly all pixels of the sampled masks have published values, at least two of which are classes."""
    allowed, shown = {*known.raws, *(known.ignore or {})}, set[Any]()
    count = partial(_count, by_colour=not isinstance(known.raws[0], int))
    for _, counts in read_each(raw, names, SAMPLED, count):
        if sum(number for value, number in counts.items() if value in allowed) < DECLARED * counts.total():
            return False
        shown |= counts.keys() & {*known.raws}
    return len(shown) > 1


def _count(content: bytes, *, by_colour: bool) -> Counter[Any]:
    """Return the number of pixels of each value of a mask. Raises BadFileError."""
    pixels = pack(files.read_rgb(content, "ignore")) if by_colour else files.read_ids(content, "ignore")
    values, counts = (array.tolist() for array in np.unique(pixels, return_counts=True))
    return Counter(dict(zip(map(unpack, values) if by_colour else values, counts, strict=True)))


def _object_info(raw: RawFolder) -> tuple[str, ...]:
    """Return the names of ADE20K's own list, the first of each class if that tells all apart; () of another list."""
    names: dict[int, str] = {}
    for file in raw.files(f"**/{OBJECT_INFO}")[:1]:
        with suppress(BadFileError):
            for line in raw.lines(file):
                if row := re.fullmatch(r"(\d+)\s+[\d.]+\s+\d+\s+\d+\s+(?:[01]\s+)?(\D.*)", line.strip()):
                    names[int(row[1])] = row[2].strip()
    if sorted(names) != list(range(1, len(ADE20K) + 1)):
        return ()
    ordered = tuple(names[number] for number in sorted(names))
    short = tuple(re.split("[,;]", name)[0].strip() for name in ordered)
    return short if len(set(short)) == len(short) else ordered
