"""Sorting the files of a folder, by names alone, into families: files that lie in the same kind of place."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import PurePosixPath

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
MASK_SUFFIXES = (*IMAGE_SUFFIXES, ".gif", ".mat")

SPLIT_WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

MASK_WORDS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "annots", "annot", "gt", "gts", "groundtruth",
    "ground_truth", "ground-truth", "segmentations", "segmentation", "segs", "seg", "segmentationclass", "targets",
    "target", "gt_image_2", "gtfine",
)  # fmt: skip

_WORD = "|".join(sorted(SPLIT_WORDS, key=len, reverse=True))
_SPLIT = re.compile(
    rf"(?P<before>(?:\w+[-_ ])?)(?P<split>(?:{_WORD})(?:[-_ ]?\d+)?)(?P<after>(?:[-_ ]?[A-Za-z]+)?)", re.IGNORECASE
)
_SAYS_SPLIT = re.compile(rf"(?:.*[-_ ])?(?i:{_WORD})(?![a-z])")
_IMAGES = re.compile(r"images?|imgs?|photos?|pictures|jpegimages|image_2|rgb|leftimg8bit|data|input|inputs")
_VERSION = re.compile(r"(?<![A-Za-z0-9])(?:\d+x\d*|\d+px|v\d+(?:\.\d+)*)$", re.IGNORECASE)

EXTRA = 0.1
"""So much of a folder, or one image, may be missing in another that holds the same images in another version."""

MANY = 10
"""Of more folders two may well have the same names by chance, as of scenes with frames from 000 on."""

Key = tuple[str, str, str]
"""What stands for {split}, what stands for {group}, and the name below the family's root without suffix."""


@dataclass(frozen=True)
class Family:
    """Files that lie in the same kind of place.

    Attributes:
        root: The folder, with `{split}` where a name says a split, and `{group}` in place of one that differs among
            folders that are otherwise alike, such as those of patients; empty for the raw folder itself.
        is_mask: Whether the folder's name says that masks lie there.
        files: {key: suffix}.
    """

    root: str
    is_mask: bool
    files: dict[Key, str]

    def file(self, key: Key) -> str:
        """Give the name of a file in the raw folder."""
        split, group, name = key
        place = self.root.replace("{split}", split).replace("{group}", group)
        return f"{place}/{name}{self.files[key]}" if place else f"{name}{self.files[key]}"


@dataclass(frozen=True)
class _Place:
    """A family before any are joined: the parts of its root, and whether masks lie there."""

    parts: tuple[str, ...]
    is_mask: bool


def families(files: Sequence[str]) -> list[Family]:
    """Sort files into families."""
    apart: dict[_Place, dict[Key, str]] = defaultdict(dict)
    for file in files:
        path = PurePosixPath(file)
        if path.suffix.lower() in MASK_SUFFIXES:
            place, split = _place(path.parent.parts)
            inner = PurePosixPath(*path.parts[len(place.parts) :])
            apart[place][split, "", str(inner.with_suffix(""))] = path.suffix
    groups = _groups(apart)
    found: dict[tuple[str, bool], dict[Key, str]] = defaultdict(dict)
    for place, keys in apart.items():
        root, group = _joined(place.parts, groups)
        found[root, place.is_mask] |= {(split, group, name): suffix for (split, _, name), suffix in keys.items()}
    return [Family(root, is_mask, keys) for (root, is_mask), keys in found.items()]


def split_of(part: str) -> str:
    """Give the split that a folder's name means: val for Validation, train for train2017."""
    return SPLIT_WORDS[part.lower().rstrip("0123456789").rstrip("-_ ")]


def _place(folders: tuple[str, ...]) -> tuple[_Place, str]:
    """Give a folder's root, up to the last part whose name says something, and what stands for {split} there."""
    parts, split, last, is_mask = [], "", 0, False
    for index, name in enumerate(folders):
        said = _SPLIT.fullmatch(name)
        word = _word(f"{said['before']}{said['after']}" if said else name)
        if said and not split and (not word or word in MASK_WORDS or word in ("images", "image", "imgs", "img")):
            split = said["split"]
            name = f"{said['before']}{{split}}{said['after']}"
            last = index + 1
        if word in MASK_WORDS or word in ("pixel-level",):
            is_mask, last = True, index + 1
        elif _IMAGES.fullmatch(word):
            last = index + 1
        parts.append(name)
    return _Place(tuple(parts[:last]), is_mask), split


def _word(name: str) -> str:
    return name.strip("-_ ").lower()


def _groups(apart: Mapping[_Place, Mapping[Key, str]]) -> dict[tuple[str, ...], set[str]]:
    """Find the folders that `{group}` may stand for: {parts above: names there, at least two}.

    Their names say nothing, and two at least hold images and masks, or, where none has a folder for masks, images.
    """
    held: dict[tuple[str, ...], dict[str, dict[bool, set]]] = defaultdict(dict)
    for place, keys in apart.items():
        for index, name in enumerate(place.parts):
            if not _says_something(name):
                kinds = held[place.parts[:index]].setdefault(name, {False: set(), True: set()})
                kinds[place.is_mask] |= {(place.parts[index + 1 :], split, stem) for split, _, stem in keys}
    found = {}
    for above, of_name in held.items():
        any_masks = any(kinds[True] for kinds in of_name.values())
        alike = {
            name: kinds[False] for name, kinds in of_name.items() if kinds[False] and (kinds[True] or not any_masks)
        }
        if len(alike) > 1 and not _are_versions(alike):
            found[above] = set(of_name)
    return found


def _says_something(name: str) -> bool:
    """Whether a part of a root is more than a name: images, masks, or a split, also one that `{split}` cannot be."""
    word = _word(name)
    return word in MASK_WORDS or bool(_IMAGES.fullmatch(word) or _SAYS_SPLIT.match(name) or "{split}" in name)


def _are_versions(images: Mapping[str, set]) -> bool:
    """Whether folders hold the same images in several ways, as raw/ and resized/ do, and p1/ and p2/ do not.

    Any two of them tell it, as split by lot, an image would be learnt in one version and judged in the other; of
    many folders all must. Names of one kind differ in a running number; those of scales and releases are of none.

    Args:
        images: {name of a folder: what its images are called}.
    """
    kind = {name: re.sub(r"\d+|[A-Z]$|(?<![A-Za-z])[a-z]$", "", name) for name in images}
    if len(images) > MANY:
        first = next(iter(images.values()))
        return len(set(kind.values())) > 1 and all(names == first for names in images.values())
    kind |= {name: name for name in images if _VERSION.search(name)}
    return any(kind[a] != kind[b] and _are_same(images[a], images[b]) for a, b in combinations(images, 2))


def _are_same(names: set, others: set) -> bool:
    shared, longer = len(names & others), max(len(names), len(others))
    return shared == longer or (shared > 1 and longer - shared <= max(1, EXTRA * longer))


def _joined(parts: tuple[str, ...], groups: Mapping[tuple[str, ...], set[str]]) -> tuple[str, str]:
    """Give the root with `{group}` where most folders are alike, and what stands for it; "" where none are."""
    places = [index for index, name in enumerate(parts) if name in groups.get(parts[:index], ())]
    if not places:
        return "/".join(parts), ""
    best = max(places, key=lambda index: len(groups[parts[:index]]))
    return "/".join([*parts[:best], "{group}", *parts[best + 1 :]]), parts[best]
