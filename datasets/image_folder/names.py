"""Guessing from names alone which files of a folder are images, which are masks, and which belong together."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
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

MASK_ENDINGS = (
    "_mask", "_masks", "-mask", ".mask", " mask", "_label", "_labels", "-label", "_seg", "_segmentation", "_gt",
    "-gt", "_groundtruth", "_annotation", "_L", "_GT", "_Mask", "_labelIds", "_gtFine_labelIds", "_lab", "_m", "_anno",
)  # fmt: skip

IMAGE_ENDINGS = ("", "_leftImg8bit", "_image", "_img", "_sat", "_rgb", "_orig")

_WORD = "|".join(sorted(SPLIT_WORDS, key=len, reverse=True))
_SPLIT = re.compile(rf"(?P<before>(?:\w+[-_ ])?)(?P<split>{_WORD})(?P<after>(?:[-_ ]?[A-Za-z]+)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Family:
    """Files that lie in the same kind of place.

    Attributes:
        root: The folder, with `{split}` where its name says a split; empty for the raw folder itself.
        is_mask: Whether the folder's name says that masks lie there.
        files: {(what stands for {split}, name below the folder without suffix): suffix}.
    """

    root: str
    is_mask: bool
    files: dict[tuple[str, str], str]


@dataclass(frozen=True)
class Match:
    """Two families that belong together.

    Attributes:
        images, masks: Patterns.
        parts: How many pairs there are of each thing that stands for `{split}`; of "" where nothing does.
        examples: Names of masks, sorted.
        unpaired: Number of images without a mask, in the splits that have any mask.
        unlabelled: How many images there are of each thing that stands for `{split}` without any mask.
    """

    images: tuple[str, ...]
    masks: tuple[str, ...]
    parts: dict[str, int]
    examples: tuple[str, ...]
    unpaired: int
    unlabelled: dict[str, int]


def families(files: Sequence[str]) -> list[Family]:
    """Sort files into families."""
    found: dict[tuple[str, bool], dict[tuple[str, str], str]] = defaultdict(dict)
    for file in files:
        path = PurePosixPath(file)
        if path.suffix.lower() in MASK_SUFFIXES:
            root, part, is_mask = _place(path.parent.parts)
            depth = len(PurePosixPath(root).parts) if root else 0
            inner = PurePosixPath(*path.parts[depth:])
            found[root, is_mask][part, str(inner.with_suffix(""))] = path.suffix
    return [Family(root, is_mask, names) for (root, is_mask), names in found.items()]


def match(files: Sequence[str]) -> Match | None:
    """Find the families of images and masks that give the most pairs; None where no two names belong together."""
    known = families(files)
    best: tuple[int, Match] | None = None
    for images in known:
        if images.is_mask:
            continue
        for masks in known:
            if masks is not images and not masks.is_mask and images.root == masks.root:
                continue
            for image_end in IMAGE_ENDINGS:
                for mask_end in ("", *MASK_ENDINGS) if masks is not images else MASK_ENDINGS:
                    found = _pair(images, masks, image_end, mask_end)
                    score = sum(found.parts.values()) * 2 + masks.is_mask if found else 0
                    if found and (best is None or score > best[0]):
                        best = (score, found)
    return best[1] if best else None


def _place(folders: tuple[str, ...]) -> tuple[str, str, bool]:
    """Give a folder's root, up to the last part whose name says something, what stands for {split}, and if masks."""
    parts, split, last, is_mask = [], "", 0, False
    for index, name in enumerate(folders):
        said = _SPLIT.fullmatch(name)
        rest = f"{said['before']}{said['after']}" if said else name
        word = rest.strip("-_ ").lower()
        if said and not split and (not word or word in MASK_WORDS or word in ("images", "image", "imgs", "img")):
            split = said["split"]
            name = f"{said['before']}{{split}}{said['after']}"
            last = index + 1
        if word in MASK_WORDS or word in ("pixel-level",):
            is_mask, last = True, index + 1
        elif re.fullmatch(r"images?|imgs?|photos?|pictures|jpegimages|image_2|rgb|leftimg8bit|data|input|inputs", word):
            last = index + 1
        parts.append(name)
    return "/".join(parts[:last]), split, is_mask


def _pair(images: Family, masks: Family, image_end: str, mask_end: str) -> Match | None:
    """Pair by name without the endings; None where nothing pairs."""
    same = images is masks
    of_mask = {
        (part, stem.removesuffix(mask_end)): (stem, suffix)
        for (part, stem), suffix in masks.files.items()
        if stem.endswith(mask_end)
    }
    if not of_mask:
        return None
    pairs: Counter[str] = Counter()
    image_suffixes, mask_suffixes, examples = set(), set(), []
    alone: Counter[str] = Counter()
    for (part, stem), suffix in images.files.items():
        if not stem.endswith(image_end) or suffix.lower() not in IMAGE_SUFFIXES or (same and stem.endswith(mask_end)):
            continue
        mask = of_mask.get((part, stem.removesuffix(image_end)))
        if mask is None:
            alone[part] += 1
            continue
        pairs[part] += 1
        image_suffixes.add(suffix)
        mask_suffixes.add(mask[1])
        place = masks.root.replace("{split}", part)
        examples.append(f"{place}/{mask[0]}{mask[1]}" if place else f"{mask[0]}{mask[1]}")
    if not pairs:
        return None
    unpaired = sum(number for part, number in alone.items() if part in pairs)
    return Match(
        _patterns(images.root, image_end, image_suffixes),
        _patterns(masks.root, mask_end, mask_suffixes),
        dict(pairs),
        tuple(sorted(examples)),
        unpaired,
        {part: number for part, number in alone.items() if part not in pairs},
    )


def _patterns(root: str, end: str, suffixes: set[str]) -> tuple[str, ...]:
    start = f"{root}/" if root else ""
    return tuple(f"{start}{{id}}{end}{suffix}" for suffix in sorted(suffixes))
