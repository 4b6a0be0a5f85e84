"""Choose among several folders that may hold the masks, by what they hold, and name those that are not chosen."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from PIL import Image

from datasets.audit import MAX_PIXELS, BadFileError, check_pixels, lift_pillow_limit
from datasets.image_folder import files
from datasets.image_folder.names import Match
from datasets.raw import RawFolder

SAMPLED, FEWEST = 12, 3
"""Number of masks that are compared, evenly spaced; of fewer than FEWEST nothing is said."""

SIDE = 64
"""Masks are compared at this height and width, pixels."""

SAME = 0.95
"""Masks are nearly the same if each area has this IoU, on average, with that of most masks."""

SHARE = 0.25
"""A way to pair is a rival if it has this share of the pairs of the best."""

FEW_COLOURS = 40
"""A mask that no name calls so holds at most this number of colours."""

REGION = "one and the same shape in nearly every file, as a region of interest has, not labels"


def choose(raw: RawFolder, matches: Sequence[Match]) -> tuple[Match, list[str]]:
    """Return the match whose masks are labels, and notes on its rivals.

    Args:
        raw: The raw folder.
        matches: From `names.matches`, the best first; at least one.
    """
    best = matches[0]
    images = set(best.image_examples)
    others = [match for match in matches[1:] if _is_rival(match, best, images)]
    is_region = is_one_shape(raw, best.examples)
    others = [match for match in others if match.is_named or _may_be_labels(raw, match, best, is_region=is_region)]
    regions = {match.masks: is_one_shape(raw, match.examples) for match in others} | {best.masks: is_region}
    chosen = next((match for match in (best, *others) if not regions[match.masks]), best)
    notes = []
    for match in (best, *others):
        if match is not chosen:
            why = f" They hold {REGION}" if regions[match.masks] else " If these are the labels, name them instead"
            notes.append(f"{match.pairs} masks are not used: {' and '.join(match.masks)}.{why}")
    if regions[chosen.masks]:
        notes.append(f"look at the masks: they hold {REGION}")
    return chosen, notes


def _is_rival(match: Match, best: Match, images: set[str]) -> bool:
    """Whether a match gives images of the best one masks of other files, that are no such images themselves."""
    masks = set(match.examples)
    return (
        match.pairs >= SHARE * best.pairs
        and not images.isdisjoint(match.image_examples)
        and masks.isdisjoint(best.examples)
        and masks.isdisjoint(images)
    )


def _may_be_labels(raw: RawFolder, match: Match, best: Match, *, is_region: bool) -> bool:
    """Whether masks that no name calls so come into question: they hold few colours, and the best ones are unsure."""
    if match.of_images and best.is_named:
        return False
    return (is_region or not best.is_named) and all(_has_few_colours(raw, name) for name in match.examples[:FEWEST])


def _has_few_colours(raw: RawFolder, name: str) -> bool:
    with suppress(BadFileError), lift_pillow_limit():
        content = raw.read(name)
        check_pixels(content, MAX_PIXELS)
        pixels = files.read_rgb(content, "apply").reshape(-1, 3)
        return len(np.unique(pixels, axis=0)) <= FEW_COLOURS
    return False


def is_one_shape(raw: RawFolder, names: Sequence[str]) -> bool:
    """Whether masks of two values are nearly the same, with both values in most of them."""
    number = min(SAMPLED, len(names))
    shapes = []
    for index in range(number):
        with suppress(BadFileError):  # masks.guess and ingest report it
            shape = _shape(raw.read(names[index * len(names) // number]))
            if shape is None:
                return False
            shapes.append(shape)
    if len(shapes) < FEWEST:
        return False
    stack = np.stack(shapes)
    usual = stack.mean(0) > 0.5
    if usual.all() or not usual.any():
        return False
    agreement = [min(_iou(shape, usual), _iou(~shape, ~usual)) for shape in stack]
    return float(np.mean(agreement)) >= SAME


def _shape(content: bytes) -> np.ndarray | None:
    """Return where a mask is bright, bool [SIDE, SIDE]; None if it is no picture of two values, but for blur."""
    with lift_pillow_limit():
        check_pixels(content, MAX_PIXELS)
        grey = files.read_rgb(content, "apply").max(axis=2)
    low, high = int(grey.min()), int(grey.max())
    bright = grey > (low + high) / 2
    near = np.minimum(grey - low, high - grey) <= (high - low) / 8
    if near.mean() < 0.9:
        return None
    return np.asarray(Image.fromarray(bright.astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.NEAREST)) > 0


def _iou(shape: np.ndarray, other: np.ndarray) -> float:
    union = np.count_nonzero(shape | other)
    return np.count_nonzero(shape & other) / union if union else 1.0
