"""Recognise masks that number or colour every object, and so name no class."""

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from math import factorial

from datasets.audit import join_names
from datasets.image_folder.tally import Tally
from datasets.spec import IGNORE

FEWEST_MASKS, FEWEST_OBJECTS = 3, 6  # With fewer masks or objects, each may show classes of its own by chance

FEWEST_NUMBERS, HIGHEST_NUMBER = 4, 8
"""With fewer different numbers of objects, or a smaller one, classes may look counted by chance."""

WHOLE, MOSTLY = 0.97, 0.9
"""Share of the values of all masks that are one connected area each: of a note, and of counted objects."""

FEWEST_VALUES, FEWEST_TIMES, USUAL = 5, 15, 0.8
"""Different values, and times that masks show any, of a note; of values that not more than this share of masks show."""

BY_CHANCE = 0.01  # Probability below which ids are not in order by chance
FILLED = 0.2  # Share of the pixels of an object that lie inside it, at least

ADVICE = """\
Such masks say where objects are, but not of which class. Use the masks of classes: tools often write both, such as
SegmentationClass beside SegmentationObject, or labelIds beside instanceIds. If all objects are of one class, say so:
  mask: {{read: {read}, others: object}}
  classes: [{{name: background, raw: {background}}}, {{name: object}}]"""


def describe(tally: Tally, values: Sequence[int], show: Callable[[int], str], read: str) -> str | None:
    """Say why the values of masks are those of objects, and what to do; None where they may be classes.

    Values are formatted by `show`; `read` is the layout's `mask.read`.
    """
    why = _each_in_one_mask(tally, values, show) or _are_in_order(tally, read) or _are_counted(tally, values)
    if not why and read == "ids":
        why = _are_coded(values)
    if not why:
        return None
    background = max(values, key=lambda value: (tally.files[value], tally.pixels[value]))
    return f"instances, not classes: {why}.\n{ADVICE.format(read=read, background=show(background))}"


def notes(tally: Tally) -> list[str]:
    """Return a note where values may be those of objects: each is one connected area in whatever mask shows it."""
    objects = _objects(tally)
    rare = [value for value, number in tally.files.items() if number < USUAL * tally.masks]
    times = sum(map(len, objects))
    if len(rare) < FEWEST_VALUES or times < FEWEST_TIMES or not _are_whole(tally, objects, WHOLE):
        return []
    return [
        f"look at the masks: each value is one connected area in the {len(objects)} that were looked at, as those of "
        "single objects are. If a value does not mean the same class in all masks, they are instances, not classes"
    ]


def _objects(tally: Tally) -> list[tuple[int, ...]]:
    """Return the values of each mask whose areas were counted, by their first pixels, without the background."""
    background = max(tally.pixels, key=lambda value: (tally.files[value], tally.pixels[value]), default=0)
    counted = tally.order[: max(tally.areas.values(), default=0)]
    return [tuple(value for value in shown if value not in (background, 0, IGNORE)) for shown in counted]


def _are_whole(tally: Tally, objects: Sequence[Collection[int]], share: float) -> bool:
    values = {value for shown in objects for value in shown}
    areas = sum(tally.areas[value] for value in values)
    return areas > 0 and sum(tally.whole[value] for value in values) >= share * areas


def _are_counted(tally: Tally, values: Sequence[int]) -> str | None:
    """Recognise objects that are counted from 1 on in every mask: 1 to 3 here, 1 to 5 there, each one area.

    Ids of classes that happen to be nested are not in the order of their first pixels, in which tools count, and seldom
    of as many different numbers.
    """
    objects = [shown for shown in _objects(tally) if shown]
    numbers = {len(shown) for shown in objects}
    if len(objects) < FEWEST_MASKS or len(numbers) < 2 or max(values) > IGNORE:
        return None
    if any(set(shown) != set(range(1, len(shown) + 1)) for shown in objects) or not _are_whole(tally, objects, MOSTLY):
        return None
    chance = 1.0
    for shown in objects:
        chance *= 1 / factorial(len(shown)) if list(shown) == sorted(shown) else 1
    in_order = all(list(shown) == sorted(shown) for shown in objects) and chance < BY_CHANCE
    if not in_order and (len(numbers) < 3 or max(numbers) < FEWEST_NUMBERS):
        return None
    return f"every mask counts from 1, to {min(numbers)} or up to {max(numbers)}, and each number is one connected area"


def _each_in_one_mask(tally: Tally, values: Sequence[int], show: Callable[[int], str]) -> str | None:
    """Recognise random colours: apart from a background, nearly every value is in a single mask."""
    rest = [value for value in values if tally.files[value] < max(2, 0.5 * tally.masks)]
    single = [value for value in rest if tally.files[value] == 1]
    masks = sum(not shown.isdisjoint(single) for shown in tally.shown)
    if (
        not _fill_areas(tally, single)
        or masks < FEWEST_MASKS
        or len(single) < max(FEWEST_OBJECTS, masks, 0.9 * len(rest))
    ):
        return None
    if len(values) - len(rest) > 0.25 * len(values):
        return None
    examples = join_names([show(value) for value in sorted(single)[:3]])
    return f"{len(single)} of {len(values)} values, such as {examples}, are in one mask each"


def _fill_areas(tally: Tally, values: Collection[int]) -> bool:
    """Whether most values fill areas, unlike those of smooth edges, noise or photos."""
    return 2 * sum(tally.inner[value] > FILLED * tally.pixels[value] for value in values) > len(values)


def _are_in_order(tally: Tally, read: str) -> str | None:
    """Recognise objects that are numbered in every mask, or coloured in one order: each mask has the first few."""
    masks = [shown - ({0} if read == "colours" or 254 in shown else {0, IGNORE}) for shown in tally.shown]
    objects = sorted((shown for shown in masks if shown), key=len)
    numbers = {len(one) for one in objects}
    if len(numbers) < FEWEST_NUMBERS or max(numbers) < HIGHEST_NUMBER:
        return None
    nested = all(first <= second for first, second in pairwise(objects))
    if not nested or not _fill_areas(tally, objects[-1]):
        return None
    return f"every mask begins with the same values, one has {min(numbers)}, another {max(numbers)}"


def _are_coded(values: Sequence[int]) -> str | None:
    """Recognise Cityscapes' instanceIds: class * 1000 + number."""
    coded = [value for value in values if 1000 <= value < 65000 and value % 1000 < 200]
    classes = {value // 1000 for value in coded}
    if not classes or len(coded) < max(HIGHEST_NUMBER, 2 * len(classes), 0.5 * len(values)) or min(values) >= 1000:
        return None
    return f"values such as {max(coded)} are a class ({max(coded) // 1000}) times 1000 and a number"
