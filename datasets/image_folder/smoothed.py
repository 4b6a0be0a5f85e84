"""What masks mean between whose classes smoothing or JPEG has left other values."""

from collections.abc import Mapping

from datasets.audit import join_names
from datasets.image_folder import exact, spikes
from datasets.image_folder.meaning import BY_HAND, MAX_CLASSES, Meaning, Sampled
from datasets.image_folder.palettes import Colour
from datasets.image_folder.spikes import Judged, Point
from datasets.image_folder.tally import Tally

SHOWN = 5  # Number of values that a note names
SPREAD = 16  # Values over which blur spreads at least


def is_binary(tally: Tally, judged: Judged) -> bool:
    """Whether 0 and 255 are blurred: values cluster at both ends, spread over the middle, and none there is a class."""
    middle = [value for value in tally.pixels if 8 < value < 247]
    if max(tally.pixels) > 255 or (len(middle) < SPREAD and not judged.edges):
        return False
    if any(8 < value < 247 for value in judged.classes if tally.inner[value] >= spikes.THIN * tally.pixels[value]):
        return False
    if any(8 < value < 247 and value in judged.classes for value in judged.small):
        return False
    low = sum(pixels for value, pixels in tally.pixels.items() if value <= 8)
    high = sum(pixels for value, pixels in tally.pixels.items() if value >= 247)
    return low + high > 0.9 * tally.total and min(low, high) > 0.005 * tally.total


def of_two_levels(sampled: Sampled, judged: Judged) -> Meaning:
    """Return the meaning of two grey levels with others between them: a threshold in the middle."""
    low, high = judged.classes
    wide = max(sampled.tally.pixels) > 255
    at = max(1, round((low + high) / 2 / 257) if wide else (low + high + 1) // 2)
    note = (
        f"masks are {sampled.kind} of {low} and {high}, and of {len(judged.edges)} other values from smoothing or "
        f"compression: the threshold is {at}"
    )
    return Meaning({"read": "threshold", "at": at}, [(None, None), (None, None)], notes=[note])


def of_edges(sampled: Sampled, judged: Judged, points: Mapping[int, Colour]) -> Meaning:
    """Return the meaning of colours with smoothed edges between them."""
    number = len(judged.edges)
    notes = [f"masks are {sampled.kind} with {len(judged.classes)} colours that fill areas"]
    passed = spikes.crossed([points[value] for value in judged.classes])
    if passed:
        first, second, third = (str(list(colour)) for colour in passed)
        notes.append(
            f"{number} other colours lie between these, on edges that were smoothed; they are ignored, as those from "
            f"{first} to {second} come near {third}"
        )
        return exact.of_colours(judged.classes, points, notes, others="ignore")
    notes.append(f"{number} other colours lie between these, on edges that were smoothed: each is read as the nearest "
                 "class")  # fmt: skip
    return exact.of_colours(judged.classes, points, notes, nearest=True)


def of_jpeg(sampled: Sampled, judged: Judged, points: Mapping[int, Colour]) -> Meaning:
    """Return the meaning of masks whose values JPEG has changed: the nearest class, if classes are far apart."""
    if not judged.classes:
        raise sampled.refuse(
            f"hold {len(points)} values, none of which fills areas. Are these the masks? If so, {BY_HAND}"
        )
    if judged.close or not 2 <= len(judged.classes) <= MAX_CLASSES:
        close = " and ".join(str(_shown(points[value])) for value in judged.close)
        what = f"areas of {close}" if close else f"{len(points)} values, of which {len(judged.classes)} fill areas"
        raise sampled.refuse(
            f"hold {what}. Lossy compression has changed the values, and they are no longer distinct. Export the masks "
            "again, as PNG; converting these files does not restore them."
        )
    number = len(judged.classes)
    notes = [
        f"masks are {sampled.kind}, whose compression changes values: {number} of {len(points)} fill areas and are "
        "classes, the others go to the nearest: check the list"
    ]
    passed = spikes.crossed([points[value] for value in judged.classes])
    if passed:
        first, second, third = (_shown(colour) for colour in passed)
        notes.append(f"edges between {first} and {second} are read as {third}, which lies between: better export PNG")
    return exact.of_colours(judged.classes, points, notes, nearest=True)


def note_small(sampled: Sampled, judged: Judged, points: Mapping[int, Colour]) -> list[str]:
    """Return a note on values of JPEG masks that stand out and are no class."""
    few = [value for value in judged.small if value not in judged.classes]
    if not few:
        return []
    shown = join_names([str(_shown(points[value])) for value in few], SHOWN)
    example = f"a few pixels near {shown} stand out in {max(sampled.tally.files[value] for value in few)} masks"
    return [f"{example}, and JPEG does not tell whether they are a class: they go to the nearest. If they are a class, "
            "export the masks as PNG"]  # fmt: skip


def _shown(point: Point) -> int | list[int]:
    return point[0] if len(set(point)) == 1 else list(point)
