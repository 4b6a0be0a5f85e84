"""Recognise masks that number or colour every object, and so name no class."""

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise

from datasets.audit import join_names
from datasets.image_folder.tally import Tally
from datasets.spec import IGNORE

FEWEST_MASKS, FEWEST_OBJECTS = 3, 6
"""With fewer masks or objects, each may show classes of its own by chance."""

FEWEST_NUMBERS, HIGHEST_NUMBER = 4, 8
"""With fewer different numbers of objects, or a smaller one, classes may look counted by chance."""

FILLED = 0.2
"""Share of the pixels of an object that lie inside it, at least."""

ADVICE = """\
Such masks say where objects are, but not of which class. Use the masks of classes: tools often write both, such as
SegmentationClass beside SegmentationObject, or labelIds beside instanceIds. If all objects are of one class, say so:
  mask: {{read: {read}, others: object}}
  classes: [{{name: background, raw: {background}}}, {{name: object}}]"""


def describe(tally: Tally, values: Sequence[int], show: Callable[[int], str], read: str) -> str | None:
    """Say why the values of masks are those of objects; return None where they may be classes.

    Args:
        tally: Counts of the masks.
        values: Those of its values that may be classes.
        show: Formats a value.
        read: The layout's `mask.read`.

    Returns:
        What the masks hold, and what to do.
    """
    why = _each_in_one_mask(tally, values, show) or _are_in_order(tally, read)
    if not why and read == "ids":
        why = _are_coded(values)
    if not why:
        return None
    background = max(values, key=lambda value: (tally.files[value], tally.pixels[value]))
    return f"instances, not classes: {why}.\n{ADVICE.format(read=read, background=show(background))}"


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
