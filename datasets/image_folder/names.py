"""Guess from names which files of a folder are images, which are masks, and which form pairs."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from datasets.image_folder.families import IMAGE_SUFFIXES, Family, Key, find_families

MASK_ENDINGS = (
    "_mask", "_masks", "-mask", ".mask", " mask", "_label", "_labels", "-label", "_seg", "_segmentation", "_gt",
    "-gt", "_groundtruth", "_annotation", "_L", "_GT", "_Mask", "_labelIds", "_gtFine_labelIds", "_lab", "_m", "_anno",
)  # fmt: skip

IMAGE_ENDINGS = ("", "_leftImg8bit", "_image", "_img", "_sat", "_rgb", "_orig")


@dataclass(frozen=True)
class Match:
    """A family of images and the family of their masks.

    Attributes:
        images, masks: Patterns.
        parts: {value of `{split}`: number of pairs}; the value is "" where the patterns have no `{split}`.
        groups: {value of `{group}`: number of pairs}; the value is "" where the patterns have no `{group}`.
        names: Name of each pair: its id, or group/id.
        examples: Names of the masks, sorted.
        image_examples: Names of the images that have a mask, sorted.
        unpaired: Number of images without a mask, in the splits that have masks.
        unlabelled: {value of `{split}`: number of images}, of the splits without any mask.
        unused: {folder: number of images}, of other families and of groups that are left out.
        strays: Groups without pairs that `{group}` would match, which is why the patterns are narrowed.
        left_out: Groups that the patterns leave out: the strays, and those that cannot be kept without them.
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
    """Return the families of images and masks with the most pairs; None where there is no pair.

    Where it is unclear which of two families holds the masks, it is the one that is not JPEG.

    Args:
        files: Names of all files.
        listed: Whether lists define the splits; then groups without pairs may stay.

    >>> pairs = match(["train/images/a.jpg", "train/masks/a.png"])
    >>> pairs.images, pairs.masks, pairs.parts
    (('{split}/images/{id}.jpg',), ('{split}/masks/{id}.png',), {'train': 1})
    """
    known = find_families(files)
    best: tuple[tuple[int, bool], Match, Family, Family] | None = None
    for images in known:
        if images.is_mask:
            continue
        for masks in known:
            if masks is not images and not masks.is_mask and images.root == masks.root:
                continue
            for candidate in _matches(images, masks, listed=listed):
                lossless = not any(mask.lower().endswith((".jpg", ".jpeg")) for mask in candidate.masks)
                score = (sum(candidate.parts.values()) * 2 + masks.is_mask, lossless)
                if best is None or score > best[0]:
                    best = (score, candidate, images, masks)
    if best is None:
        return None
    _, chosen, *used = best
    others = [family for family in known if not family.is_mask and all(family is not one for one in used)]
    left_out = {key: suffix for key, suffix in used[0].files.items() if key[1] in chosen.left_out}
    others.append(replace(used[0], files=left_out))
    return replace(chosen, unused=dict(_count_images(others)))


def _matches(images: Family, masks: Family, *, listed: bool) -> Iterator[Match]:
    """Yield every way to pair two families, or the files of one."""
    mask_ends = [end for end in MASK_ENDINGS if any(name.endswith(end) for *_, name in masks.files)]
    for mask_end in mask_ends if masks is images else ("", *mask_ends):
        mask_keys = _without_ending(masks, mask_end)
        for image_end in IMAGE_ENDINGS:
            match = _pair(images, masks, image_end, mask_end, mask_keys)
            if match and _is_too_wide(match) and not (listed and "" in match.parts):
                match = _narrow(images, masks, image_end, mask_end, match)
            if match:
                yield match


def _without_ending(masks: Family, end: str) -> dict[Key, Key]:
    """Return {key of a mask without its ending: its key}."""
    return {
        (split, group, name.removesuffix(end)): (split, group, name)
        for split, group, name in masks.files
        if name.endswith(end)
    }


def _is_too_wide(match: Match) -> bool:
    """Whether `{group}` matches only one folder, or folders without pairs."""
    return bool(match.strays) or (len(match.groups) == 1 and "" not in match.groups)


def _narrow(images: Family, masks: Family, image_end: str, mask_end: str, match: Match) -> Match | None:
    """Pair only the groups with the same prefix or, if that matches strays, only the largest group."""
    kept = set(match.groups)
    start, *others = {re.sub(r"(\d+|[A-Z])$", "", name) for name in kept}
    if len(kept) == 1 or others or start in kept | {""} or any(stray.startswith(start) for stray in match.strays):
        start = max(sorted(kept), key=lambda name: match.groups[name])
        kept = {start}
    kept_images = _select_groups(images, kept, start)
    kept_masks = kept_images if masks is images else _select_groups(masks, kept, start)
    narrowed = _pair(kept_images, kept_masks, image_end, mask_end, _without_ending(kept_masks, mask_end))
    left_out = {group for _, group, _ in (*images.files, *masks.files)} - kept
    return replace(narrowed, strays=match.strays, left_out=frozenset(left_out)) if narrowed else None


def _select_groups(family: Family, kept: set[str], start: str) -> Family:
    """Return a family with only the groups `kept`, and the prefix of their names moved into the root."""
    root = family.root.replace("{group}", start if kept == {start} else f"{start}{{group}}")
    files = {
        (split, group.removeprefix(start), name): end
        for (split, group, name), end in family.files.items()
        if group in kept
    }
    return Family(root, family.is_mask, files)


def _pair(images: Family, masks: Family, image_end: str, mask_end: str, mask_keys: Mapping[Key, Key]) -> Match | None:
    """Pair by names without endings, where `mask_keys` is from `_without_ending`; None if there is no pair."""
    same = images is masks
    parts: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    without_mask: Counter[tuple[str, str, str]] = Counter()
    image_suffixes, mask_suffixes, names, examples, image_examples = set(), set(), [], [], []
    for (split, group, name), suffix in images.files.items():
        if not name.endswith(image_end) or suffix.lower() not in IMAGE_SUFFIXES or (same and name.endswith(mask_end)):
            continue
        id_ = name.removesuffix(image_end)
        mask = mask_keys.get((split, group, id_))
        if mask is None:
            without_mask[split, group, suffix] += 1
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
    included = {group for split, group, suffix in without_mask if split in parts and suffix in image_suffixes}
    included |= {mask[1] for mask in mask_keys.values() if mask[0] in parts and masks.files[mask] in mask_suffixes}
    unlabelled: Counter[str] = Counter()
    for (split, _, _), number in without_mask.items():
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
        strays=frozenset(included - groups.keys()),
    )


def _patterns(root: str, end: str, suffixes: set[str]) -> tuple[str, ...]:
    start = f"{root}/" if root else ""
    return tuple(f"{start}{{id}}{end}{suffix}" for suffix in sorted(suffixes))


def _count_images(families: Sequence[Family]) -> Counter[str]:
    """Count the images of families by folder."""
    files = (
        family.file(key) for family in families for key, end in family.files.items() if end.lower() in IMAGE_SUFFIXES
    )
    return Counter(str(PurePosixPath(file).parent) for file in files)
