"""Recognise masks that are a file for each class of an image: car/a.png and road/a.png, or a_car.png and a_road.png."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import PurePosixPath

import numpy as np

from datasets.annotations import class_masks
from datasets.audit import BadFileError, Kind
from datasets.image_folder import rivals
from datasets.image_folder.families import SPLIT_WORDS, means_images, means_masks
from datasets.image_folder.matching import match_files
from datasets.image_folder.names import Match
from datasets.image_folder.sampling import read_each, sample
from datasets.raw import RawFolder

SAMPLED = 3  # Number of masks of each class that are opened
COMPARED = 12  # Number of images whose masks of two classes are compared

SAME, SAME_NUMBERED = 0.65, 0.5
"""Mean IoU from which on the masks of two folders are rivals; where their names differ in a number or letter only."""

LOSSY = (".jpg", ".jpeg", ".webp")  # Suffixes of masks whose values are not exact: `class_masks.read` takes any picture

_NUMBER = re.compile(r"\d+|(?<![A-Za-z])[A-Za-z]$")

Context = tuple[tuple[str, ...], str, str]
"""Patterns of the images, and what stands before and after the name of the class in those of the masks."""


@dataclass(frozen=True)
class ClassMasks:
    """Masks of a class each.

    Attributes:
        labels: Names of the classes; where masks overlap, those of larger areas come first.
        match: The images that have any, and the patterns of the masks, with `{label}` in place of the class.
        has_overlap: Whether masks of two classes overlap.
    """

    labels: list[str]
    match: Match
    has_overlap: bool


def recognise(raw: RawFolder, matches: Sequence[Match]) -> ClassMasks | None:
    """Return the masks of classes among the ways to pair files; None where there are none.

    The masks of one image differ in one word of their path, which means neither masks nor images nor a split. They hold
    0 and one other value, and differ in shape.
    """
    contexts: dict[Context, dict[str, Match]] = defaultdict(dict)
    for match in matches:
        stems = {str(PurePosixPath(pattern).with_suffix("")) for pattern in match.masks}
        for before, label, after in _places(stems.pop()) if len(stems) == 1 and not match.further else ():
            contexts[match.images, before, after].setdefault(label, match)
    several = [context for context, labels in contexts.items() if len(labels) > 1]
    for context in sorted(several, key=lambda one: (-len(contexts[one]), -len(one[1] + one[2]), one)):
        labels = contexts[context]
        if _may_be_classes(context, labels) and all(_are_binary(raw, match) for match in labels.values()):
            return _describe(raw, context, labels)
    return None


def _places(stem: str) -> list[tuple[str, str, str]]:
    """Return (before, word or words, after) of a pattern, for every part of it that may name a class."""
    tokens = re.split(r"([-_. /])", stem)
    return [
        ("".join(tokens[:begin]), label, "".join(tokens[end:]))
        for begin in range(0, len(tokens), 2)
        for end in range(begin + 1, len(tokens) + 1, 2)
        if (label := "".join(tokens[begin:end])) and not {"/", "{", "*"} & {*label}
    ]


def _may_be_classes(context: Context, labels: Mapping[str, Match]) -> bool:
    _, before, after = context
    words = [label.lower() for label in labels]
    if any(means_masks(word) or means_images(word) or word in SPLIT_WORDS for word in words):
        return False
    is_folder = before.endswith("/") or not before
    if not (is_folder and after.startswith("/")) and len({_NUMBER.sub("", word) for word in words} - {""}) < len(words):
        return False  # numbered: further masks of one class
    if any(one != other and one.endswith(other) for one in words for other in words):
        return False  # where a_traffic_light is that of a_traffic and the class light, too
    images = [image for match in labels.values() for image in match.image_examples]
    return len(set(images)) < len(images)


def _are_binary(raw: RawFolder, match: Match) -> bool:
    """Whether masks hold 0 and one other value, those of JPEG nearly so; damaged ones are passed over."""
    for name in sample(match.examples, SAMPLED):
        try:
            content = raw.read(name)
            class_masks.read(content)
            if name.lower().endswith(LOSSY) and rivals.shape(content) is None:
                return False
        except BadFileError as error:
            if error.kind is Kind.LABEL_RANGE:
                return False  # of other kinds ingest reports it
    return True


def _describe(raw: RawFolder, context: Context, labels: Mapping[str, Match]) -> ClassMasks | None:
    by_image = {label: dict(zip(match.image_examples, match.examples, strict=True)) for label, match in labels.items()}
    overlap = _compare(raw, by_image)
    if overlap is None or any(rivals.is_one_shape(raw, match.examples, least=rivals.MOST) for match in labels.values()):
        return None
    patterns, before, after = context
    paired = {image for masks in by_image.values() for image in masks}
    masks = frozenset(mask for of in by_image.values() for mask in of.values())
    images = [image for image in match_files(raw, patterns, masks) if image.file in paired]
    suffixes = sorted({PurePosixPath(pattern).suffix for match in labels.values() for pattern in match.masks})
    match = replace(
        next(iter(labels.values())),
        masks=tuple(f"{before}{{label}}{after}{suffix}" for suffix in suffixes),
        parts=dict(Counter(image.part for image in images)),
        groups=dict(Counter(image.group for image in images)),
        names=tuple(f"{image.group}/{image.id}" if image.group else image.id for image in images),
        image_examples=tuple(image.file for image in images),
    )
    return ClassMasks(_order(raw, by_image) if overlap else sorted(by_image), match, overlap)


def _compare(raw: RawFolder, by_image: Mapping[str, Mapping[str, str]]) -> bool | None:
    """Return whether masks of two classes overlap; None where they are nearly the same, as several people's of one."""
    overlap = False
    for first, second in combinations(by_image, 2):
        ious = []
        for image in sample(sorted(by_image[first].keys() & by_image[second].keys()), COMPARED):
            with suppress(BadFileError):  # ingest reports it
                one, other = (class_masks.read(raw.read(by_image[label][image])) for label in (first, second))
                if one.shape == other.shape and one.any() and other.any():
                    ious.append(np.count_nonzero(one & other) / np.count_nonzero(one | other))
        are_numbered = len({_NUMBER.sub("", label) for label in (first, second)}) == 1
        if ious and sum(ious) / len(ious) >= (SAME_NUMBERED if are_numbered else SAME):
            return None
        overlap |= any(ious)
    return overlap


def _order(raw: RawFolder, by_image: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Sort classes by the share of the pixels that their masks fill, large ones first: small ones lie on top."""
    shares = dict.fromkeys(by_image, 0.0)
    for label, masks in by_image.items():
        read = [float(mask.mean()) for _, mask in read_each(raw, sorted(masks.values()), COMPARED, class_masks.read)]
        shares[label] = sum(read) / max(1, len(read))
    return sorted(by_image, key=lambda label: (-shares[label], label))
