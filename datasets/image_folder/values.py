"""Judge the values of masks, numbers or colours, and say what they mean."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from datasets.audit import join_names
from datasets.image_folder import exact, instances, smoothed, spikes
from datasets.image_folder.meaning import BY_HAND, MAX_CLASSES, Meaning, Sampled
from datasets.image_folder.palettes import Colour
from datasets.image_folder.spikes import Judged
from datasets.image_folder.tally import Tally, unpack

MANY, FILLED = 32, 0.2  # With more values than this, fewer pixels inside areas than this share mean no masks
SHOWN = 5  # Number of values that a note names


def of_grey(sampled: Sampled) -> Meaning:
    """Return the meaning of masks whose pixels are numbers, or indices into a palette.

    Raises:
        DatasetError: They are no classes.
    """
    values = sampled.tally.pixels
    exact.require_ids(values, sampled.kind)
    points = {value: sampled.palette.get(value, (value, value, value)) for value in values}
    return _judge(sampled, points, _of_grey)


def of_colours(sampled: Sampled) -> Meaning:
    """Return the meaning of masks whose pixels are colours, packed.

    Raises:
        DatasetError: They are no classes.
    """
    points = {value: unpack(value) for value in sampled.tally.pixels}
    return _judge(sampled, points, smoothed.of_jpeg if sampled.lossy else _of_colours)


def _judge(
    sampled: Sampled, points: Mapping[int, Colour], mean: Callable[[Sampled, Judged, Mapping[int, Colour]], Meaning]
) -> Meaning:
    judged = (spikes.judge_lossy if sampled.lossy else spikes.judge)(sampled.tally, points)
    meaning = mean(sampled, judged, points)
    meaning.notes += smoothed.note_small(sampled, judged, points) if sampled.lossy else instances.notes(sampled.tally)
    return meaning


def _of_grey(sampled: Sampled, judged: Judged, points: Mapping[int, Colour]) -> Meaning:
    if smoothed.is_binary(sampled.tally, judged):
        note = f"masks are {sampled.kind}; nearly all pixels are close to 0 or 255, so the threshold is 128"
        return Meaning({"read": "threshold", "at": 128}, [(None, None), (None, None)], notes=[note])
    if (judged.edges or sampled.lossy) and len(judged.classes) == 2 and not (judged.close or _is_coloured(points)):
        return smoothed.of_two_levels(sampled, judged)
    if sampled.lossy:
        return smoothed.of_jpeg(sampled, judged, points)
    _refuse_instances(sampled, judged.classes, str, "ids")
    if _are_too_many(sampled.tally, judged):
        raise sampled.refuse(
            f"hold {len(judged.classes)} different values, too many for classes. Are these the masks? If they are two "
            f"classes with smooth edges: mask: {{read: threshold, at: 128}}. Otherwise {BY_HAND}"
        )
    if judged.edges and _is_coloured(points):
        return smoothed.of_edges(sampled, judged, points)
    meaning = exact.of_ids(judged.classes, {"read": "ids"}, sampled.kind, sampled.palette)
    if judged.edges:
        meaning.mask["others"] = "ignore"
        meaning.notes.append(
            f"{len(judged.edges)} other values lie between these, on edges that were smoothed, and are ignored: "
            f"{join_names([str(value) for value in judged.edges], SHOWN)}"
        )
    return meaning


def _of_colours(sampled: Sampled, judged: Judged, points: Mapping[int, Colour]) -> Meaning:
    _refuse_instances(sampled, judged.classes, lambda value: str(list(unpack(value))), "colours")
    if len(judged.classes) < 2 or _are_too_many(sampled.tally, judged):
        raise sampled.refuse(
            f"hold {len(points)} colours, which cannot be classes. If there are classes with smooth edges, list their "
            f"colours with mask: {{read: colours, nearest: true}}. Otherwise {BY_HAND}"
        )
    if judged.edges:
        return smoothed.of_edges(sampled, judged, points)
    notes = [f"masks are {sampled.kind} with {len(points)} colours", *exact.note_similar(sampled.tally, points)]
    return exact.of_colours(judged.classes, points, notes)


def _are_too_many(tally: Tally, judged: Judged) -> bool:
    """Whether values cannot be classes: more than a record holds, or many that fill no areas, as in photos."""
    number = len(judged.classes)
    thin = sum(tally.inner[value] < spikes.THIN * tally.pixels[value] for value in judged.classes)
    are_thin = thin > 0.5 * number or tally.inner.total() < FILLED * tally.total
    return number > MAX_CLASSES or (number > MANY and are_thin)


def _refuse_instances(sampled: Sampled, values: Sequence[int], show: Any, read: str) -> None:
    why = instances.describe(sampled.tally, values, show, read)
    if why and sampled.is_disputed:
        why += "\nIf the palettes are random and the indices mean classes: mask: {read: ids, palette: ignore}"
    if why:
        raise sampled.refuse(f"hold {why}")


def _is_coloured(points: Mapping[int, Colour]) -> bool:
    return any(len(set(point)) > 1 for point in points.values())
