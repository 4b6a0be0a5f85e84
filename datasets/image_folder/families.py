"""Sort the files of a folder by path into families: all images, or all masks, over all splits and groups."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations
from pathlib import PurePosixPath

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm")
MASK_SUFFIXES = (*IMAGE_SUFFIXES, ".mat")

SPLIT_WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

MASK_WORDS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "annots", "annot", "gt", "gts", "groundtruth",
    "segmentations", "segmentation", "segs", "seg", "segmentationclass",
    "segmentationclasspng", "targets", "target", "gt_image_2", "gtfine", "manual", "pixel-level",
    "segmentationobject",
)  # fmt: skip

MASK_PARTS = frozenset({
    "mask", "masks", "label", "labels", "gt", "gts", "groundtruth", "manual", "annotation", "annotations",
    "segmentation", "segmentations",
})  # fmt: skip
"""A name of several words means masks if one of these is among them: 1st_manual, labels-ah, masks_png."""

IMAGE_PARTS = frozenset({"images", "image", "imgs", "img", "input", "inputs", "rgb"})
"""A name of several words means images if it begins or ends with one of these: images_png, 2_Ortho_RGB."""

FEW_FOLDERS = 253  # A family with files in no more folders than this below its root may hold several kinds of masks

_WORD = "|".join(sorted(SPLIT_WORDS, key=len, reverse=True))
_SPLIT = re.compile(
    rf"(?P<before>(?:[\w-]+[-_ ])?)(?P<split>(?:{_WORD})(?:[-_ ]?\d+)?)(?P<after>(?:[-_ ]?[A-Za-z]+)?)", re.IGNORECASE
)
_MENTIONS_SPLIT = re.compile(rf"(?:.*[-_ ])?(?i:{_WORD})(?![a-z])")
_IMAGES = re.compile(r"images?|imgs?|photos?|pictures|frames?|jpegimages|image_2|rgb|leftimg8bit|data|inputs?|top")
_VERSION = re.compile(r"(?<![A-Za-z0-9])(?:\d+x\d*|\d+px|v\d+(?:\.\d+)*)$", re.IGNORECASE)

EXTRA = 0.1
"""Two folders still hold versions of the same images if this share of the names, or one, is in only one of them."""

MANY = 10  # Among more folders than this, two may have the same names by chance, such as scenes with frames from 000 on

Key = tuple[str, str, str]
"""(value of {split}, value of {group}, name below the family's root without suffix)."""


@dataclass(frozen=True)
class Family:
    """Files whose folders differ only in the split and in the group.

    Attributes:
        root: The folder, with `{split}` in place of the name of a split, and `{group}` in place of a name in which
            otherwise equal folders differ, such as that of a patient; empty for the raw folder itself.
        is_mask: Whether the folder's name says that it holds masks.
        files: {key: name in the raw folder}. The key, like the root, is in Unicode's composed form.
        twins: {key: further files of that name, with other suffixes}, of few.
    """

    root: str
    is_mask: bool
    files: dict[Key, str]
    twins: Mapping[Key, Sequence[str]] = field(default_factory=dict)

    def suffixes(self, keys: Iterable[Key]) -> set[str]:
        """Return the suffixes of files and of their twins."""
        files = chain.from_iterable((self.files[key], *self.twins.get(key, ())) for key in keys)
        return {os.path.splitext(file)[1] for file in files}  # noqa: PTH122 - a tenth of pathlib's time

    def suffix(self, key: Key) -> str:
        """Return the suffix of a file, as it is written."""
        return os.path.splitext(self.files[key])[1]  # noqa: PTH122 - a tenth of pathlib's time


@dataclass(frozen=True)
class _Root:
    """The root of a family before groups are merged: its parts, and whether it holds masks."""

    parts: tuple[str, ...]
    is_mask: bool


def find_families(files: Sequence[str]) -> list[Family]:
    """Sort files into families."""
    by_root: dict[_Root, dict[Key, list[str]]] = defaultdict(lambda: defaultdict(list))
    paths = {file: PurePosixPath(unicodedata.normalize("NFC", file)) for file in files}
    paths = {file: path for file, path in paths.items() if path.suffix.lower() in MASK_SUFFIXES}
    parents = {str(path.parent) for path in paths.values()}
    shared = len(PurePosixPath(os.path.commonpath(parents)).parts) if parents else 0
    for file, path in paths.items():
        root, split = _parse_folders(path.parent.parts, shared)
        inner = PurePosixPath(*path.parts[len(root.parts) :])
        by_root[root][split, "", str(inner.with_suffix(""))].append(file)
    groups = _find_groups(by_root)
    merged: dict[tuple[str, bool], dict[Key, list[str]]] = defaultdict(dict)
    for root, keys in by_root.items():
        pattern, group = _insert_group(root.parts, groups)
        merged[pattern, root.is_mask] |= {(split, group, name): named for (split, _, name), named in keys.items()}
    return [one for (pattern, is_mask), keys in merged.items() for one in _by_suffix(pattern, keys, is_mask=is_mask)]


def _by_suffix(root: str, keys: Mapping[Key, Sequence[str]], *, is_mask: bool) -> list[Family]:
    """Return a family, or one for each suffix where most names have several: a.jpg with its mask a.png."""
    several = {key: named[1:] for key, named in keys.items() if len(named) > 1}
    numbers = Counter(suffix for named in keys.values() for suffix in {_suffix(file) for file in named})
    usual = sorted(suffix for suffix, number in numbers.items() if 2 * number >= len(keys))
    if 2 * len(several) < len(keys) or len(usual) < 2:
        return [Family(root, is_mask, {key: named[0] for key, named in keys.items()}, several)]
    families = [
        Family(root, is_mask, {key: file for key, of in keys.items() for file in of[::-1] if _suffix(file) == suffix})
        for suffix in usual
    ]
    others = {key: [file for file in named if _suffix(file) not in usual] for key, named in keys.items()}
    return [replace(families[0], twins=others), *families[1:]]


def inner_families(family: Family, known: Iterable[Family]) -> list[Family]:
    """Return a family for each folder below the root of a family, of which some may hold masks: vessels, trimaps.

    Folders that differ in a group of the `known` families are one: p1/vessels and p2/vessels beside {group}/images.
    """
    grouped = [one for one in known if "{group}" in one.root]
    groups = [(one.root.partition("{group}")[0], {key[1] for key in one.files}) for one in grouped]
    by_folder: dict[str, dict[Key, str]] = defaultdict(dict)
    for (split, group, name), file in family.files.items():
        folder, _, inner = name.rpartition("/")
        if folder:
            root, own = f"{family.root}/{folder}".lstrip("/"), group
            for above, names in () if group else groups:
                first, slash, rest = root.removeprefix(above).partition("/")
                if root.startswith(above) and slash and first in names:
                    root, own = f"{above}{{group}}/{rest}", first
                    break
            by_folder[root][split, own, inner] = file
    few = by_folder if len(by_folder) <= FEW_FOLDERS else {}
    return [Family(root, family.is_mask, files) for root, files in few.items()]


def _suffix(file: str) -> str:
    return os.path.splitext(file)[1].lower()  # noqa: PTH122 - a tenth of pathlib's time


def split_of(part: str) -> str:
    """Return the split that a folder's name means: val for Validation, train for train2017."""
    return SPLIT_WORDS[part.lower().rstrip("0123456789").rstrip("-_ ")]


def _parse_folders(folders: tuple[str, ...], shared: int) -> tuple[_Root, str]:
    """Return the root, up to the last meaningful name, and the value of {split} in it; "" where it has none.

    The first `shared` folders hold all files, so that they mean neither masks nor images: Dataset_BUSI_with_GT.
    """
    parts, split, last, is_mask = [], "", 0, False
    for index, name in enumerate(folders):
        match = _SPLIT.fullmatch(name)
        word = _word(f"{match['before']}{match['after']}" if match else name)
        if match and not split and (not word or means_masks(word) or means_images(word)):
            split = match["split"]
            name = f"{match['before']}{{split}}{match['after']}"
            last = index + 1
        if index >= shared and means_masks(word):
            is_mask, last = True, index + 1
        elif means_images(word):
            last = index + 1
        parts.append(name)
    return _Root(tuple(parts[:last]), is_mask), split


def _word(name: str) -> str:
    return name.strip("-_ ").lower()


def means_masks(word: str) -> bool:
    """Whether the name of a folder or of a file, in small letters, means masks."""
    spelt = {word, word.rstrip("0123456789"), re.sub("[-_ ]", "", word)}
    return not spelt.isdisjoint(MASK_WORDS) or not MASK_PARTS.isdisjoint(_parts(word))


def means_images(word: str) -> bool:
    """Whether the name of a folder or of a file, in small letters, means images."""
    parts = _parts(word)
    return bool(_IMAGES.fullmatch(word)) or (len(parts) > 1 and not IMAGE_PARTS.isdisjoint((parts[0], parts[-1])))


def _parts(word: str) -> list[str]:
    return [part.rstrip("0123456789") for part in re.split(r"[-_ ]", word)]


def _find_groups(by_root: Mapping[_Root, Iterable[Key]]) -> dict[tuple[str, ...], set[str]]:
    """Find the folders that may be groups: {parts above: names there, at least two}.

    Their names have no meaning, and at least two hold images and masks or, if there is no folder for masks, images.
    """
    contents: dict[tuple[str, ...], dict[str, dict[bool, set]]] = defaultdict(dict)
    for root, keys in by_root.items():
        for index, name in enumerate(root.parts):
            if not _is_meaningful(name):
                kinds = contents[root.parts[:index]].setdefault(name, {False: set(), True: set()})
                kinds[root.is_mask] |= {(root.parts[index + 1 :], split, stem) for split, _, stem in keys}
    groups = {}
    for above, by_name in contents.items():
        any_masks = any(kinds[True] for kinds in by_name.values())
        alike = {
            name: kinds[False] for name, kinds in by_name.items() if kinds[False] and (kinds[True] or not any_masks)
        }
        if len(alike) > 1 and not _are_versions(alike):
            groups[above] = set(by_name)
    return groups


def _is_meaningful(name: str) -> bool:
    """Whether a part of a root means images, masks, or a split, even one that cannot become `{split}`."""
    word = _word(name)
    return means_masks(word) or means_images(word) or bool(_MENTIONS_SPLIT.match(name)) or "{split}" in name


def _are_versions(images: Mapping[str, set]) -> bool:
    """Whether folders hold versions of the same images, as raw/ and resized/ do, unlike p1/ and p2/.

    Two such folders suffice, because a random split could train on one version of an image and evaluate on another;
    among many folders all must be versions. Names that differ only in a number or a letter are groups, unless the
    number is that of a scale or a release. `images` is {name of a folder: names of its images}.
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


def _insert_group(parts: tuple[str, ...], groups: Mapping[tuple[str, ...], set[str]]) -> tuple[str, str]:
    """Return the root with `{group}` at the level with most groups, and the value of {group}; "" if there is none."""
    levels = [index for index, name in enumerate(parts) if name in groups.get(parts[:index], ())]
    if not levels:
        return "/".join(parts), ""
    best = max(levels, key=lambda index: len(groups[parts[:index]]))
    return "/".join([*parts[:best], "{group}", *parts[best + 1 :]]), parts[best]
