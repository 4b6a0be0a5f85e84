"""Recognise masks in a folder for each class, such as masks/road/a.png and masks/car/a.png of images/a.jpg."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import PurePosixPath

import numpy as np

from datasets.annotations import class_masks
from datasets.audit import BadFileError
from datasets.image_folder.families import MASK_SUFFIXES, MASK_WORDS, SPLIT_WORDS
from datasets.raw import RawFolder

SAMPLED = 3
"""Number of masks of each class that are opened."""

COMPARED = 12
"""Number of images whose masks of two folders are compared."""

SAME, SAME_NUMBERED = 0.65, 0.5
"""Mean IoU from which on the masks of two folders are rivals; where their names differ in a number or letter only."""


def recognise(raw: RawFolder, files: Sequence[str]) -> tuple[dict[str, list[str]], dict[str, str], list[str]] | None:
    """Return {label: its masks}, {image: one of its masks} and the patterns of masks; None where it is no such folder.

    The masks of one image are in several folders beside each other, below one that is called masks or the like, hold 0
    and one other value, and the image is elsewhere.
    """
    by_root: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    rest = []
    for file in files:
        path = PurePosixPath(file)
        if path.suffix.lower() not in MASK_SUFFIXES or path.suffix.lower() == ".mat":
            continue
        root, label = path.parent.parent, path.parent.name
        if root.name.lower() in MASK_WORDS and label.lower() not in SPLIT_WORDS:
            by_root[str(root)][label][path.stem] = file
        else:
            rest.append(file)
    stems: dict[str, list[str]] = defaultdict(list)
    for file in rest:
        stems[PurePosixPath(file).stem].append(file)
    if len(by_root) != 1:
        return None
    ((place, labels),) = by_root.items()
    names = [name for masks in labels.values() for name in masks]
    if len(set(names)) == len(names) or any(len(stems.get(name, [])) != 1 for name in names):
        return None
    if any(not _is_binary(raw, file) for masks in labels.values() for file in list(masks.values())[:SAMPLED]):
        return None
    if _are_rivals(raw, labels):
        return None
    paired = {stems[name][0]: file for masks in labels.values() for name, file in masks.items()}
    suffixes = sorted({PurePosixPath(file).suffix for masks in labels.values() for file in masks.values()})
    patterns = [f"{place}/{{label}}/{{id}}{suffix}" for suffix in suffixes]
    return {label: list(masks.values()) for label, masks in sorted(labels.items())}, paired, patterns


def _are_rivals(raw: RawFolder, labels: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether masks of two folders are nearly the same: several people's masks of one class, not those of classes."""
    for first, second in combinations(labels, 2):
        shared = sorted(labels[first].keys() & labels[second].keys())
        number = min(COMPARED, len(shared))
        ious = []
        for index in range(number):
            name = shared[index * len(shared) // number]
            with suppress(BadFileError):  # ingest reports it
                one, other = (class_masks.read(raw.read(labels[label][name])) for label in (first, second))
                if one.shape == other.shape and one.any() and other.any():
                    ious.append(np.count_nonzero(one & other) / np.count_nonzero(one | other))
        are_numbered = len({re.sub(r"\d+|(?<![A-Za-z])[A-Za-z]$", "", label) for label in (first, second)}) == 1
        if ious and sum(ious) / len(ious) >= (SAME_NUMBERED if are_numbered else SAME):
            return True
    return False


def _is_binary(raw: RawFolder, file: str) -> bool:
    try:
        class_masks.read(raw.read(file))
    except BadFileError:
        return False
    return True
