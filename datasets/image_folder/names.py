"""Guessing from names alone which files of a folder are images, which are masks, and which belong together."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from datasets.image_folder.families import IMAGE_SUFFIXES, Family, Key, families

MASK_ENDINGS = (
    "_mask", "_masks", "-mask", ".mask", " mask", "_label", "_labels", "-label", "_seg", "_segmentation", "_gt",
    "-gt", "_groundtruth", "_annotation", "_L", "_GT", "_Mask", "_labelIds", "_gtFine_labelIds", "_lab", "_m", "_anno",
)  # fmt: skip

IMAGE_ENDINGS = ("", "_leftImg8bit", "_image", "_img", "_sat", "_rgb", "_orig")


@dataclass(frozen=True)
class Match:
    """Two families that belong together.

    Attributes:
        images, masks: Patterns.
        parts: How many pairs there are of each thing that stands for `{split}`; of "" where nothing does.
        groups: How many pairs there are of each thing that stands for `{group}`; of "" where nothing does.
        names: What each pair is called: its id, or group/id.
        examples: Names of masks, sorted.
        image_examples: Names of the images that have them, sorted.
        unpaired: Number of images without a mask, in the splits that have any mask.
        unlabelled: How many images there are of each thing that stands for `{split}` without any mask.
        unused: How many images lie in each folder of other families, or of groups left out.
        strays: Groups that `{group}` would take in although they hold no pair; hence it is narrowed.
        left_out: The groups that the patterns leave out: the strays, and those that could not be kept without them.
    """

    images: tuple[str, ...]
    masks: tuple[str, ...]
    parts: dict[str, int]
    groups: dict[str, int]
    names: tuple[str, ...]
    examples: tuple[str, ...]
    image_examples: tuple[str, ...]
    unpaired: int
    unlabelled: dict[str, int]
    unused: dict[str, int]
    strays: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()


def match(files: Sequence[str], *, listed: bool = False) -> Match | None:
    """Find the families of images and masks that give the most pairs; None where no two names belong together.

    Where nothing else tells which of two are the masks, those are that are no JPEGs.

    Args:
        files: Names of files.
        listed: Whether lists say what is used; then no harm is done by a group without pairs.
    """
    known = families(files)
    best: tuple[tuple[int, bool], Match, Family, Family] | None = None
    for images in known:
        if images.is_mask:
            continue
        for masks in known:
            if masks is not images and not masks.is_mask and images.root == masks.root:
                continue
            for found in _pairings(images, masks, listed=listed):
                lossless = not any(mask.lower().endswith((".jpg", ".jpeg")) for mask in found.masks)
                score = (sum(found.parts.values()) * 2 + masks.is_mask, lossless)
                if best is None or score > best[0]:
                    best = (score, found, images, masks)
    if best is None:
        return None
    _, found, *chosen = best
    others = [family for family in known if not family.is_mask and all(family is not one for one in chosen)]
    left_out = {key: suffix for key, suffix in chosen[0].files.items() if key[1] in found.left_out}
    others.append(replace(chosen[0], files=left_out))
    return replace(found, unused=dict(_images_of(others)))


def _pairings(images: Family, masks: Family, *, listed: bool) -> Iterator[Match]:
    """Pair two families, or the files of one, in every way that their names permit."""
    mask_ends = [end for end in MASK_ENDINGS if any(name.endswith(end) for *_, name in masks.files)]
    for mask_end in mask_ends if masks is images else ("", *mask_ends):
        of_mask = _without_ending(masks, mask_end)
        for image_end in IMAGE_ENDINGS:
            found = _pair(images, masks, image_end, mask_end, of_mask)
            if found and _is_too_wide(found) and not (listed and "" in found.parts):
                found = _narrowed(images, masks, image_end, mask_end, found)
            if found:
                yield found


def _without_ending(masks: Family, end: str) -> dict[Key, Key]:
    """Give {key of a mask without its ending: its key}."""
    return {
        (split, group, name.removesuffix(end)): (split, group, name)
        for split, group, name in masks.files
        if name.endswith(end)
    }


def _is_too_wide(found: Match) -> bool:
    """Whether `{group}` stands for one folder alone, or takes in some without pairs."""
    return bool(found.strays) or (len(found.groups) == 1 and "" not in found.groups)


def _narrowed(images: Family, masks: Family, image_end: str, mask_end: str, found: Match) -> Match | None:
    """Pair anew such that the patterns take in no stray: by what the groups' names begin with, or the largest alone."""
    kept = set(found.groups)
    start, *others = {re.sub(r"(\d+|[A-Z])$", "", name) for name in kept}
    if len(kept) == 1 or others or start in kept | {""} or any(stray.startswith(start) for stray in found.strays):
        start = max(sorted(kept), key=lambda name: found.groups[name])
        kept = {start}
    of_images = _only(images, kept, start)
    of_masks = of_images if masks is images else _only(masks, kept, start)
    again = _pair(of_images, of_masks, image_end, mask_end, _without_ending(of_masks, mask_end))
    left_out = {group for _, group, _ in (*images.files, *masks.files)} - kept
    return replace(again, strays=found.strays, left_out=frozenset(left_out)) if again else None


def _only(family: Family, kept: set[str], start: str) -> Family:
    """Give the groups of a family that are kept, without the start of their names, which the root holds instead."""
    root = family.root.replace("{group}", start if kept == {start} else f"{start}{{group}}")
    files = {
        (split, group.removeprefix(start), name): end
        for (split, group, name), end in family.files.items()
        if group in kept
    }
    return Family(root, family.is_mask, files)


def _pair(images: Family, masks: Family, image_end: str, mask_end: str, of_mask: Mapping[Key, Key]) -> Match | None:
    """Pair by name without the endings, by `of_mask`: {key of a mask without its ending: its key}; None: no pairs."""
    same = images is masks
    parts: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    alone: Counter[tuple[str, str, str]] = Counter()
    image_suffixes, mask_suffixes, names, examples, image_examples = set(), set(), [], [], []
    for (split, group, name), suffix in images.files.items():
        if not name.endswith(image_end) or suffix.lower() not in IMAGE_SUFFIXES or (same and name.endswith(mask_end)):
            continue
        id_ = name.removesuffix(image_end)
        mask = of_mask.get((split, group, id_))
        if mask is None:
            alone[split, group, suffix] += 1
            continue
        parts[split] += 1
        groups[group] += 1
        image_suffixes.add(suffix)
        mask_suffixes.add(masks.files[mask])
        names.append(f"{group}/{id_}" if group else id_)
        examples.append(masks.file(mask))
        image_examples.append(images.file((split, group, name)))
    if not parts:
        return None
    taken_in = {group for split, group, suffix in alone if split in parts and suffix in image_suffixes}
    taken_in |= {mask[1] for mask in of_mask.values() if mask[0] in parts and masks.files[mask] in mask_suffixes}
    unlabelled: Counter[str] = Counter()
    for (split, _, _), number in alone.items():
        unlabelled[split] += number
    return Match(
        images=_patterns(images.root, image_end, image_suffixes),
        masks=_patterns(masks.root, mask_end, mask_suffixes),
        parts=dict(parts),
        groups=dict(groups),
        names=tuple(names),
        examples=tuple(sorted(examples)),
        image_examples=tuple(sorted(image_examples)),
        unpaired=sum(number for split, number in unlabelled.items() if split in parts),
        unlabelled={split: number for split, number in unlabelled.items() if split not in parts},
        unused={},
        strays=frozenset(taken_in - groups.keys()),
    )


def _patterns(root: str, end: str, suffixes: set[str]) -> tuple[str, ...]:
    start = f"{root}/" if root else ""
    return tuple(f"{start}{{id}}{end}{suffix}" for suffix in sorted(suffixes))


def _images_of(others: Sequence[Family]) -> Counter[str]:
    """Count the images of families by folder."""
    files = (
        family.file(key) for family in others for key, end in family.files.items() if end.lower() in IMAGE_SUFFIXES
    )
    return Counter(str(PurePosixPath(file).parent) for file in files)
