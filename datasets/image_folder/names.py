"""Guess from names which files of a folder are images, which are masks, and which form pairs."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from datasets.image_folder import affixes
from datasets.image_folder.affixes import Affix
from datasets.image_folder.families import IMAGE_SUFFIXES, Family, Key, find_families, inner_families, means_images

FEWEST_FOLDERS = 2  # Number of folders with one image and its masks each that make a data set

Score = tuple[bool, int, bool]
"""(whether the masks' family is one by its name, pairs, whether the masks are lossless)."""


@dataclass(frozen=True)
class Match:
    """A family of images and the family of their masks.

    Attributes:
        images: Patterns.
        parts: {value of `{split}`: number of pairs}; the value is "" where the patterns have no `{split}`.
        groups: {value of `{group}`: number of pairs}; the value is "" where the patterns have no `{group}`.
        names: Name of each pair: its id, or group/id.
        image_examples: Name of the image of each.
        masks: Patterns; empty where a labelling tool's files are in their place.
        examples: Names of the masks, sorted.
        unpaired: Number of images without a mask, in the splits that have masks.
        unlabelled: {value of `{split}`: number of images}, of the splits without any mask.
        unused: {folder: number of images}, of other families and of groups that are left out.
        strays: Groups without pairs that `{group}` would match, which is why the patterns are narrowed.
        left_out: Groups that the patterns leave out: the strays, and those that cannot be kept without them.
        is_named: Whether the folder or the names of the masks say what they are.
        of_images: Whether the folder of the masks is one of images by its name.
        further: Names of masks that are numbered after another mask of the same image, as a_mask_1 after a_mask.
    """

    images: tuple[str, ...]
    parts: dict[str, int]
    groups: dict[str, int]
    names: tuple[str, ...]
    image_examples: tuple[str, ...]
    masks: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    unpaired: int = 0
    unlabelled: dict[str, int] = field(default_factory=dict)
    unused: dict[str, int] = field(default_factory=dict)
    strays: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    is_named: bool = True
    of_images: bool = False
    further: tuple[str, ...] = ()

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        return sum(self.parts.values())


def matches(files: Sequence[str], *, listed: bool = False) -> list[Match]:
    """Return every way to pair the files, the one with the most pairs first.

    Of two families that may hold the masks of the same images, one by its name comes before one that is not, and one
    that is not JPEG before one that is. Which of the first of them holds labels, the contents must tell.

    Args:
        files: Names of all files.
        listed: Whether lists define the splits; then groups without pairs may stay.

    >>> pairs, = matches(["train/images/a.jpg", "train/masks/a.png"])
    >>> pairs.images, pairs.masks, pairs.parts
    (('{split}/images/{id}.jpg',), ('{split}/masks/{id}.png',), {'train': 1})
    """
    known = find_families(files)
    inner = [one for family in known for one in inner_families(family, known)]
    candidates: list[tuple[Score, Match, tuple[Family, Family]]] = []
    for images in known:
        if images.is_mask:
            continue
        for masks in (*known, *inner):
            is_beside = masks is not images and not masks.is_mask and images.root == masks.root
            if is_beside and not _are_twins(images, masks):
                continue
            by_name = masks.is_mask or any(masks is one for one in known)
            for match in ways(images, masks, listed=listed):
                lossless = not any(mask.lower().endswith((".jpg", ".jpeg")) for mask in match.masks)
                match = replace(match, of_images=by_name and not match.is_named)
                candidates.append(((by_name, match.pairs * 2 + masks.is_mask, lossless), match, (images, masks)))
    if not candidates:
        candidates = [((True, match.pairs, True), match, used) for match, used in _pair_folders(known)]
    candidates.sort(key=lambda candidate: candidate[0], reverse=True)
    return [with_unused(match, known, used) for _, match, used in candidates]


def matches_by_ending(files: Sequence[str]) -> list[Match]:
    """Return every way to pair files with those of the same id and an ending that no name of masks has: a, a_car."""
    known, pairings = find_families(files), []
    for images, masks in itertools.product(known, known):
        if images.is_mask or (masks is not images and not masks.is_mask):
            continue
        keys = {end: _by_id(masks, Affix(end=end)) for end in affixes.recurring(masks)}
        of_images = affixes.of_images(images) if keys else ()
        pairings += [
            match
            for of_image in of_images
            for end, mask_keys in keys.items()
            if not means_images(end[1:].lower())
            and (match := _pair(images, masks, of_image, Affix(end=end), mask_keys))
        ]
    return sorted(pairings, key=lambda match: -match.pairs)


def _pair_folders(known: Sequence[Family]) -> Iterator[tuple[Match, tuple[Family, Family]]]:
    """Yield the pairs of folders that hold one image and its masks each: a/images/x.png with a/masks/y.png, z.png."""
    for images, masks in itertools.permutations([one for one in known if "{group}" in one.root], 2):
        image_of = {key[:2]: key for key in images.files}
        masks_of: dict[tuple[str, str], list[Key]] = defaultdict(list)
        for key in sorted(masks.files):
            masks_of[key[:2]].append(key)
        both = sorted(image_of.keys() & masks_of.keys())
        if images.is_mask or not masks.is_mask or len(image_of) < len(images.files) or len(both) < FEWEST_FOLDERS:
            continue
        patterns = [
            tuple(f"{one.root.replace('{group}', '{id}')}/*{end}" for end in sorted({one.suffix(key) for key in keys}))
            for one, keys in ((images, [image_of[at] for at in both]), (masks, [masks_of[at][0] for at in both]))
        ]
        match = Match(
            images=patterns[0],
            masks=patterns[1],
            parts=dict(Counter(split for split, _ in both)),
            groups={"": len(both)},
            names=tuple(group for _, group in both),
            examples=tuple(masks.files[masks_of[at][0]] for at in both),
            image_examples=tuple(images.files[image_of[at]] for at in both),
            unpaired=len(image_of) - len(both),
            further=tuple(sorted(masks.files[key] for at in both for key in masks_of[at][1:])),
        )
        yield match, (images, masks)


def _are_twins(images: Family, masks: Family) -> bool:
    """Whether files differ in the suffix only: a.jpg and a.png."""
    return 2 * len(images.files.keys() & masks.files.keys()) >= len(images.files)


def ways(images: Family, masks: Family, *, listed: bool) -> list[Match]:
    """Return the ways to pair two families; of those that have masks in common, the one with the most pairs."""
    kept: list[Match] = []
    for match in sorted(_matches(images, masks, listed=listed), key=lambda match: -match.pairs):
        if all(frozenset(match.examples).isdisjoint(other.examples) for other in kept):
            kept.append(match)
    return kept


def with_unused(chosen: Match, known: Sequence[Family], used: tuple[Family, Family]) -> Match:
    """Add the numbers of images that a match does not use."""
    others = [family for family in known if not family.is_mask and all(family is not one for one in used)]
    left_out = {key: file for key, file in used[0].files.items() if key[1] in chosen.left_out}
    others.append(replace(used[0], files=left_out))
    own = {*chosen.examples, *used[0].files.values()} - {*left_out.values()}
    return replace(chosen, unused=dict(_count_images(others, own)))


def _matches(images: Family, masks: Family, *, listed: bool) -> Iterator[Match]:
    """Yield every way to pair two families, or the files of one; by numbered masks only where no other way is."""
    of_images, same = affixes.of_images(images), masks is images
    is_paired = False
    for of_masks in (affixes.of_masks, affixes.of_numbered_masks):
        for of_mask in () if is_paired else of_masks(masks, among_images=same):
            mask_keys = _by_id(masks, of_mask)
            for of_image in of_images if mask_keys else ():
                match = _pair(images, masks, of_image, of_mask, mask_keys)
                if match and _is_too_wide(match) and not (listed and "" in match.parts):
                    match = _narrow(images, masks, of_image, of_mask, match)
                if match:
                    is_paired = True
                    yield match
                    if match.pairs == len(masks.files) == len(images.files):
                        return  # all are paired: no other affix does better


def _by_id(masks: Family, affix: Affix) -> dict[Key, Key]:
    """Return {(split, group, id): key of a mask}."""
    first: dict[Key, Key] = {}
    for key in sorted(masks.files):
        id_ = affix.id_of(key[0], key[2])
        if id_ is not None:
            first.setdefault((key[0], key[1], id_), key)
    return first


def _is_too_wide(match: Match) -> bool:
    """Whether `{group}` matches only one folder, or folders without pairs."""
    return bool(match.strays) or (len(match.groups) == 1 and "" not in match.groups)


def _narrow(images: Family, masks: Family, of_image: Affix, of_mask: Affix, match: Match) -> Match | None:
    """Pair only the groups with the same prefix or, if that matches strays, only the largest group."""
    kept = set(match.groups)
    start, *others = {re.sub(r"(\d+|[A-Z])$", "", name) for name in kept}
    if len(kept) == 1 or others or start in kept | {""} or any(stray.startswith(start) for stray in match.strays):
        start = max(sorted(kept), key=lambda name: match.groups[name])
        kept = {start}
    kept_images = _select_groups(images, kept, start)
    kept_masks = kept_images if masks is images else _select_groups(masks, kept, start)
    narrowed = _pair(kept_images, kept_masks, of_image, of_mask, _by_id(kept_masks, of_mask))
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


def _pair(images: Family, masks: Family, of_image: Affix, of_mask: Affix, mask_keys: Mapping[Key, Key]) -> Match | None:
    """Pair by the ids in the names, where `mask_keys` is from `_by_id`; None if there is no pair."""
    if not any((key[0], key[1], of_image.id_of(key[0], key[2])) in mask_keys for key in images.files):
        return None
    parts: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    without_mask: list[Key] = []
    pairs: list[tuple[str, Key, Key]] = []
    used = set(mask_keys.values())
    further = affixes.further(masks, of_mask, mask_keys)
    among = used | further.keys() | _with_known_ending(masks) if images is masks else set()
    for key in images.files:
        split, group, name = key
        id_ = of_image.id_of(split, name)
        if id_ is None or images.suffix(key).lower() not in IMAGE_SUFFIXES or key in among:
            continue
        mask = mask_keys.get((split, group, id_))
        if mask is None:
            without_mask.append(key)
            continue
        parts[split] += 1
        groups[group] += 1
        pairs.append((f"{group}/{id_}" if group else id_, key, mask))
    if not parts:
        return None
    without_mask_in_parts = [key for key in without_mask if key[0] in parts]
    image_suffixes = images.suffixes([*(image for _, image, _ in pairs), *without_mask_in_parts])
    mask_suffixes = masks.suffixes(mask for *_, mask in pairs)
    paired = {mask for *_, mask in pairs}
    further = {key: first for key, first in further.items() if first in paired and key not in paired}
    included = {group for split, group, _ in without_mask if split in parts}
    included |= {mask[1] for mask in used if mask[0] in parts and masks.suffix(mask) in mask_suffixes}
    unlabelled = Counter(split for split, *_ in without_mask)
    files = sorted((masks.files[mask], images.files[image]) for _, image, mask in pairs)
    return Match(
        images=_patterns(images.root, of_image, image_suffixes),
        masks=_patterns(masks.root, of_mask, mask_suffixes),
        parts=dict(parts),
        groups=dict(groups),
        names=tuple(name for name, *_ in pairs),
        examples=tuple(mask for mask, _ in files),
        image_examples=tuple(image for _, image in files),
        unpaired=sum(number for split, number in unlabelled.items() if split in parts),
        unlabelled={split: number for split, number in unlabelled.items() if split not in parts},
        strays=frozenset(included - groups.keys()),
        is_named=masks.is_mask or of_mask.is_known,
        further=tuple(sorted(masks.files[key] for key in further)),
    )


def _patterns(root: str, affix: Affix, suffixes: set[str]) -> tuple[str, ...]:
    """Return a pattern for each suffix; a pattern matches its suffix in capitals, too."""
    start = f"{root}/" if root else ""
    written = {suffix.lower(): suffix for suffix in sorted(suffixes)}  # .jpg rather than .JPG
    return tuple(f"{start}{affix.pattern}{suffix}" for suffix in sorted(written.values()))


def _with_known_ending(family: Family) -> set[Key]:
    """Return the keys of files that are masks by their names, beside images of the same names without the ending."""
    keys: set[Key] = set()
    for affix in affixes.of_masks(family, among_images=True):
        keys |= {
            key for (split, group, id_), key in _by_id(family, affix).items() if (split, group, id_) in family.files
        }
    return keys


def _count_images(families: Sequence[Family], used: set[str]) -> Counter[str]:
    """Count the images of families by folder, without those `used`."""
    return Counter(
        str(PurePosixPath(file).parent)
        for family in families
        for key, file in family.files.items()
        if family.suffix(key).lower() in IMAGE_SUFFIXES and file not in used
    )
