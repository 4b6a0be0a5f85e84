"""What masks of ids or of exact colours mean: which values are classes, which are ignored."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from datasets.audit import join_names
from datasets.errors import DatasetError
from datasets.image_folder import void
from datasets.image_folder.meaning import Meaning
from datasets.image_folder.palettes import Colour
from datasets.image_folder.tally import Tally
from datasets.palette import pascal_voc
from datasets.spec import IGNORE

LARGEST = 65535  # The largest raw id; beside small ids it is -1 in 16 bits
STEP = 32  # Ids of classes are less than this apart; grey levels that are meant to be seen are further apart
SIMILAR = 8  # Colours that differ by no more in each channel may have been meant to be the same


def of_ids(values: Sequence[int], mask: dict[str, Any], kind: str, palette: Mapping[int, Colour]) -> Meaning:
    """Return the meaning of masks of ids, which are sorted; raise DatasetError if there is only one class."""
    require_ids(values, kind)
    ignore = [value for value in values if value in (IGNORE, LARGEST) and _is_beside_ids(value, values)]
    kept = [value for value in values if value not in ignore]
    if len(kept) < 2:
        only = f"nothing but {kept[0]}" if kept else "no value"
        raise DatasetError(f"The sampled masks ({kind}) hold {only}. Write the layout by hand.")
    notes = [f"masks are {kind} with the values {join_names([str(value) for value in values])}"]
    notes += [f"{value} is ignored, as is usual beside other ids" for value in ignore]
    if values[-1] == IGNORE and not ignore and len(values) > 2:
        notes.append(f"{IGNORE} is a class, as the others are levels of grey up to it, not ids")
    # ids from 1 on have no class 0: a mask that holds it after all is a bad file, named
    gaps = sorted(set(range(kept[0], kept[-1])) - set(kept))
    if gaps and len(kept) > 2 and kept[-1] < 64 and len(gaps) < kept[-1] / 2:
        notes.append(f"{', '.join(map(str, gaps))} are in no sampled mask, and are taken for rare classes")
        kept = list(range(kept[-1] + 1))
    return _ignore_void(Meaning(mask, [(value, palette.get(value)) for value in kept], list(ignore), notes))


def of_colours(values: Sequence[int], points: Mapping[int, Colour], notes: list[str], **mask: Any) -> Meaning:
    """Return the meaning of colours, in the order of PASCAL VOC's map where all are of it, else by red, green, blue."""
    voc = {colour: index for index, colour in enumerate(pascal_voc(256))}
    colours = sorted(points[value] for value in values)
    ordered = all(colour in voc for colour in colours)
    if ordered:
        colours.sort(key=lambda colour: voc[colour])
    classes = [(list(colour), None) for colour in colours]
    return _ignore_void(Meaning({"read": "colours", **mask}, classes, notes=notes, ordered=ordered))


def note_similar(tally: Tally, points: Mapping[int, Colour]) -> Iterator[str]:
    """Yield a note for a colour so similar to one in many more masks that they may be meant as one."""
    for pair in combinations(points, 2):
        rare, other = sorted(pair, key=lambda value: tally.files[value])
        if 2 * tally.files[rare] > tally.files[other]:
            continue
        if max(abs(one - two) for one, two in zip(points[rare], points[other], strict=True)) <= SIMILAR:
            yield (
                f"{list(points[rare])}, in {tally.files[rare]} of {tally.masks} masks, is like {list(points[other])}: "
                "list both in the `raw` of one class if they mean the same"
            )


def require_ids(values: Iterable[int], kind: str) -> None:
    """Raise DatasetError for values that no layout can hold."""
    wrong = sorted(value for value in values if not 0 <= value <= LARGEST)
    if wrong:
        raise DatasetError(
            f"The sampled masks ({kind}) hold {join_names([str(value) for value in wrong])}; ids are 0 to {LARGEST}. "
            f"Save them with other numbers; {IGNORE} is usual for pixels without a class."
        )


def _is_beside_ids(last: int, values: Sequence[int]) -> bool:
    """Whether the others are ids, close together and far below, rather than grey levels that lead up to the last."""
    others = [value for value in values if value < last and value != IGNORE]
    if len(others) < 2:
        return False
    widest = max(second - first for first, second in zip([0, *others], others, strict=False))
    return widest < STEP and last - others[-1] > 2 * widest


def _ignore_void(meaning: Meaning) -> Meaning:
    """Ignore the colours by which tools mean pixels without a class."""
    by_colour = meaning.mask["read"] == "colours"
    shown = [raw if by_colour else colour for raw, colour in meaning.classes]
    marked = [place for place, colour in enumerate(shown) if tuple(colour or ()) in void.COLOURS]
    if not marked or len(shown) - len(marked) < 2:
        return meaning
    ignored = [meaning.classes[place][0] for place in marked]
    notes = [f"{list(shown[place])} is ignored: it marks borders in PASCAL VOC" for place in marked]
    classes = [class_ for place, class_ in enumerate(meaning.classes) if place not in marked]
    return replace(meaning, classes=classes, ignore=[*meaning.ignore, *ignored], notes=[*meaning.notes, *notes])
