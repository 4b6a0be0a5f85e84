"""Choose among several folders that may hold the masks, by what they hold, and name those that are not chosen."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from datasets.audit import BadFileError, lift_pillow_limit
from datasets.image_folder import encodings, files
from datasets.image_folder.names import Match
from datasets.image_folder.sampling import read_each, sample
from datasets.image_folder.tally import Tally, pack, unpack
from datasets.raw import RawFolder
from datasets.spec import IGNORE

SAMPLED, FEWEST = 12, 3  # Number of masks that are compared, evenly spaced; of fewer than FEWEST nothing is said
SIDE = 64  # Masks are compared at this height and width, pixels
SAME = 0.95  # Masks are nearly the same if each area has this IoU, on average, with that of most masks

EQUAL, MOST = 0.995, 0.5
"""Where there are no others, masks are said to be no labels if they are as good as equal, or if that which is nearly
the same in all fills most of the image: objects in one place look alike too."""

SHARE = 0.25  # A way to pair is a rival if it has this share of the pairs of the best
FEW_COLOURS = 40  # A mask that no name calls so holds at most this number of colours
FEW_VALUES, NOISE = 8, 16  # Blur and JPEG leave more values than this, and JPEG those within NOISE of an area's own

THIN, LARGE = 0.02, 0.01
"""A colour fills areas if this share of its pixels are inner ones; or of all pixels, where there are many colours."""

PURE = 0.9  # Share of an object's pixels that are of one class

REGION = "one and the same shape in nearly every file, as a region of interest has, not labels"


def choose(raw: RawFolder, matches: Sequence[Match]) -> tuple[Match, list[str]]:
    """Return the match whose masks are labels, and notes on its rivals; of at least one, the best first."""
    best = matches[0]
    images = set(best.image_examples)
    others = [match for match in matches[1:] if _is_rival(match, best, images)]
    is_region = is_one_shape(raw, best.examples)
    others = [match for match in others if match.is_named or _may_be_labels(raw, match, best, is_region=is_region)]
    regions = {match.masks: is_one_shape(raw, match.examples) for match in others} | {best.masks: is_region}
    chosen = next((match for match in (best, *others) if not regions[match.masks]), best)
    rest = [match for match in others if match is not chosen and not regions[match.masks]]
    chosen = next((match for match in rest if _number_objects(raw, chosen.examples, match.examples)), chosen)
    notes = []
    for match in (best, *others):
        if match is not chosen:
            why = f" They hold {REGION}" if regions[match.masks] else " If these are the labels, name them instead"
            notes.append(f"{match.pairs} masks are not used: {' and '.join(match.masks)}.{why}")
    if regions[chosen.masks] and (
        is_one_shape(raw, chosen.examples, same=EQUAL) or is_one_shape(raw, chosen.examples, least=MOST)
    ):
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
    return (is_region or not best.is_named) and bool(of_few_colours(raw, [match]))


def of_few_colours(
    raw: RawFolder, matches: Sequence[Match], of: Callable[[Match], Sequence[str]] = lambda match: match.examples
) -> list[Match]:
    """Return the matches whose masks, or other files, hold so few colours that they may be labels."""

    def has_few_colours(content: bytes) -> bool:
        return len(np.unique(files.read_rgb(content, "apply").reshape(-1, 3), axis=0)) <= FEW_COLOURS

    def are_few(names: Sequence[str]) -> bool:
        return [few for _, few in read_each(raw, names, FEWEST, has_few_colours)] == [True] * len(names)

    return [match for match in matches if are_few(of(match)[:FEWEST])]


def _number_objects(raw: RawFolder, names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether the ids of masks number the objects of the classes that other masks of the same names hold.

    Then each id is of one class in a file, and of different classes in different files; and not the other way round.
    Or they have more ids, and only the others hold void.
    """
    if [PurePosixPath(name).stem for name in names] != [PurePosixPath(name).stem for name in others]:
        return False
    pairs = []
    with suppress(BadFileError), lift_pillow_limit():
        for pair in zip(sample(names, SAMPLED), sample(others, SAMPLED), strict=True):
            one, other = (encodings.read_ids(raw.read(name)) for name in pair)
            if one is None or other is None or one.shape != other.shape:
                return False
            pairs.append((one, other))
        turned = [(other, one) for one, other in pairs]
        return _have_fewer_ids_and_void(pairs) or (_refines(pairs) and not _refines(turned))
    return False


def _have_fewer_ids_and_void(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether the second masks hold 255 beside two or more small ids, and the first more small ids and no 255."""
    one, other = (set().union(*(np.unique(pair[side]).tolist() for pair in pairs)) for side in (0, 1))
    small = max(one | other - {IGNORE}, default=0) < FEW_COLOURS
    return small and IGNORE in other - one and 2 < len(other - {IGNORE}) < len(one)


def _refines(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether each first id is of one second id in a file, and one of them of different ids in different files."""
    classes_of: dict[int, set[int]] = defaultdict(set)
    for objects, classes in pairs:
        for value in set(np.unique(objects).tolist()) - {0, IGNORE}:
            values, counts = np.unique(classes[objects == value], return_counts=True)
            if counts.max() < PURE * counts.sum():
                return False
            classes_of[value].add(int(values[counts.argmax()]))
    return any(len(classes - {0, IGNORE}) > 1 for classes in classes_of.values())


def is_one_shape(raw: RawFolder, names: Sequence[str], *, same: float = SAME, least: float = 0) -> bool:
    """Whether masks of two values are nearly the same, with both values in most of them.

    Args:
        raw: The raw folder.
        names: Names of the masks.
        same: IoU of each area, on average, with that of most masks.
        least: Share of the pixels that the shape fills at least.
    """
    shapes = []
    for _, bright in read_each(raw, names, SAMPLED, shape):
        if bright is None:
            return False
        shapes.append(bright)
    if len(shapes) < FEWEST:
        return False
    stack = np.stack(shapes)
    usual = stack.mean(0) > 0.5
    if usual.all() or not usual.any() or usual.mean() < least:
        return False
    agreement = [min(_iou(one, usual), _iou(~one, ~usual)) for one in stack]
    return float(np.mean(agreement)) >= same


def shape(content: bytes) -> np.ndarray | None:
    """Return where a mask is bright, bool [SIDE, SIDE]; None if it is no picture of two values, but for blur."""
    with lift_pillow_limit():
        rgb = files.read_rgb(content, "apply")
    if _areas(rgb) > 2:
        return None
    grey = rgb.max(axis=2)
    low, high = int(grey.min()), int(grey.max())
    bright = grey > (low + high) / 2
    near = np.minimum(grey - low, high - grey) <= (high - low) / 8
    if near.mean() < 0.9:
        return None
    return np.asarray(Image.fromarray(bright.astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.NEAREST)) > 0


def _areas(rgb: np.ndarray) -> int:
    """Count the colours that fill areas, up to the noise of JPEG; among many colours, as of blur, only large areas."""
    tally = Tally()
    tally.add(pack(rgb))
    share = LARGE * tally.total if len(tally.pixels) > FEW_VALUES else 0
    filled = [code for code, inner in tally.inner.items() if inner > max(share, THIN * tally.pixels[code])]
    if not share:
        return len(filled)
    apart: list[np.ndarray] = []
    for code in sorted(filled, key=lambda code: -tally.inner[code]):
        colour = np.array(unpack(code))
        if all(abs(colour - other).max() > NOISE for other in apart):
            apart.append(colour)
    return len(apart)


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0
