"""Pair the files of a folder as its layout describes, and assign them to splits."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from datasets.audit import Kind, Problem, join_names
from datasets.errors import DatasetError
from datasets.image_folder import lists
from datasets.image_folder.layout import Layout
from datasets.image_folder.matching import Matched, match_files, match_numbered
from datasets.image_folder.sections import SPLITS
from datasets.pairs import Pair, Split
from datasets.raw import RawFolder

UNION = "with two classes `mask: {union: true}` unites them"

Key = tuple[str, str]
"""(value of {split}, name of the record)."""


def find(raw: RawFolder, layout: Layout) -> dict[str, Split]:
    """Return {split: its files} of the files that match the layout's patterns.

    An image of which one mask of several cannot be used is in no pair: it would have a part of its label.

    Raises:
        DatasetError: Nothing matches, a split is empty, or a list names missing or ambiguous images.
    """
    masks = match_files(raw, layout.masks)
    numbered = [] if layout.annotations else match_numbered(raw, layout.masks)
    images = match_files(raw, layout.images, skip={file.file for file in (*masks, *numbered)})
    if not images or not masks:
        raise DatasetError(describe_no_match(raw, layout, images, masks))
    images, masks, numbered = _name(layout, images, masks, numbered)
    masks = _replace_numbered(images, masks, numbered)
    split_of = SplitAssigner(raw, layout, images)
    image_of, duplicate_images = _index(images)
    mask_of, duplicate_masks = _index(masks)
    further = _by_key(duplicate_masks) if layout.mask.union else {}
    duplicates = [(image, f"{first} has the same id") for image, first in duplicate_images]
    if not layout.mask.union:
        duplicates += [(mask, f"{first} is a mask of the same image; {UNION}") for mask, first in duplicate_masks]
    ambiguous = {(duplicate.part, duplicate.name) for duplicate, _ in duplicates}
    splits: dict[str, tuple[list[Pair], list[Problem]]] = {name: ([], []) for name in SPLITS}
    for key in sorted(image_of.keys() | mask_of.keys()):
        image, mask = image_of.get(key), mask_of.get(key)
        split = split_of(image_of.get(key) or mask_of[key])
        if split is None:
            continue
        if not (image and mask):
            splits[split][1].append(_missing_partner(layout, split, image, mask))
        elif key not in ambiguous:
            pair = Pair(image.name, image.group or "all", image.file, mask.file, further=further.get(key, ()))
            splits[split][0].append(pair)
    for duplicate, detail in duplicates:
        split = split_of(duplicate)
        if split is not None:
            splits[split][1].append(Problem(Kind.DUPLICATE, split, duplicate.file, duplicate.name, detail))
    return require_examples(raw, layout, splits)


def _name(layout: Layout, *files: list[Matched]) -> list[list[Matched]]:
    """Prefix all names with their group where `add_groups` does so."""
    images, masks, numbered = files
    named_images, named_masks = add_groups(layout, images, masks)
    if named_images is not images:
        numbered = [replace(file, name=f"{file.group}/{file.id}") for file in numbered]
    return [named_images, named_masks, numbered]


def _replace_numbered(images: list[Matched], masks: list[Matched], numbered: Sequence[Matched]) -> list[Matched]:
    """Add the masks that are numbered after another of the same image, as a_mask_1 after a_mask.

    A file of such a name that is the mask of an image of its own, as frame_1 beside frame, stays what it is.
    """
    with_image = {(image.part, image.name) for image in images}
    own = {mask.file: (mask.part, mask.name) in with_image for mask in masks}
    first = {(mask.part, mask.name) for mask in masks}
    further = [
        file
        for file in numbered
        if (file.part, file.name) in with_image
        and (file.file not in own or (not own[file.file] and (file.part, file.name) in first))
    ]
    replaced = {file.file for file in further}
    orphans = [file for file in numbered if file.file not in own and file.file not in replaced]
    return [*(mask for mask in masks if mask.file not in replaced), *further, *orphans]


def add_groups(layout: Layout, images: list[Matched], masks: list[Matched]) -> tuple[list[Matched], list[Matched]]:
    """Prefix all names with their group where several groups have the same id, and all patterns have a {group}."""
    if any("{group}" not in pattern for pattern in (*layout.images, *layout.masks)):
        return images, masks
    group_of = {(file.part, file.id): file.group for file in (*images, *masks)}
    if all(group_of[file.part, file.id] == file.group for file in (*images, *masks)):
        return images, masks
    images, masks = ([replace(file, name=f"{file.group}/{file.id}") for file in files] for files in (images, masks))
    return images, masks


def _index(files: list[Matched]) -> tuple[dict[tuple[str, str], Matched], list[tuple[Matched, str]]]:
    """Return files by (part, name), and further files of the same key, each with the name of the first."""
    first: dict[tuple[str, str], Matched] = {}
    duplicates = []
    for file in files:
        kept = first.setdefault((file.part, file.name), file)
        if kept is not file:
            duplicates.append((file, kept.file))
    return first, duplicates


def _by_key(duplicates: Iterable[tuple[Matched, str]]) -> dict[Key, tuple[str, ...]]:
    files: dict[Key, tuple[str, ...]] = {}
    for file, _ in duplicates:
        files[file.part, file.name] = (*files.get((file.part, file.name), ()), file.file)
    return files


class SplitAssigner:
    """Assigns files to splits.

    Args:
        raw: The raw folder, which holds the lists.
        layout: The layout; its `splits` section decides.
        images: All images; a mask is in the split of the image with its name.
    """

    def __init__(self, raw: RawFolder, layout: Layout, images: list[Matched]) -> None:
        self._splits, self._group_of = layout.splits, {image.name: image.group for image in images}
        self._ratios = {str(split): ratio for split, ratio in (layout.splits.ratios or {}).items()}
        self._split_of_part = {part: split for split, part in (layout.splits.folders or {}).items()}
        self._split_of_name = lists.read(
            raw, {str(split): file for split, file in (layout.splits.lists or {}).items()}, images
        )

    def __call__(self, file: Matched) -> str | None:
        """Return the split of a file; None where it is in none of the layout's."""
        if self._splits.folders:
            return self._split_of_part.get(file.part)
        if self._splits.lists:
            return self._split_of_name.get(file.name)
        group = self._group_of.get(file.name, file.group)
        name = f"{group}/{file.id}" if group and self._splits.by == "image" else group or file.name
        return random_split(name, self._ratios, self._splits.seed)


def random_split(name: str, ratios: Mapping[str, float], seed: int) -> str:
    """Return the split of an image or a group: pseudo-random, a function of its name, `ratios` and `seed` only.

    >>> [random_split(name, {"train": 0.5, "val": 0.5}, seed=0) for name in ("a", "b", "c")]
    ['val', 'train', 'train']
    """
    at = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64
    for split, ratio in ratios.items():
        at -= ratio
        if at < 0:
            return split
    return list(ratios)[-1]


def _missing_partner(layout: Layout, split: str, image: Matched | None, mask: Matched | None) -> Problem:
    if image:
        return Problem(Kind.WITHOUT_MASK, split, image.file, image.name, _expected(layout.masks, image))
    assert mask
    return Problem(Kind.WITHOUT_IMAGE, split, mask.file, mask.name, _expected(layout.images, mask))


def _expected(patterns: list[str], file: Matched) -> str:
    values = {"{id}": file.id, "{split}": file.part, "{group}": file.group or "*"}
    names = [re.sub(r"\{\w+\}", lambda match: values[match[0]], pattern) for pattern in patterns]
    return f"no file {' or '.join(names)}"


def require_examples(raw: RawFolder, layout: Layout, files: dict) -> dict[str, Split]:
    """Return the splits that the layout names; raise DatasetError if one is empty."""
    given = layout.splits.folders or layout.splits.lists or layout.splits.ratios or {}
    splits = {name: Split(tuple(pairs), tuple(problems)) for name, (pairs, problems) in files.items()}
    empty = [name for name in given if not splits[name].ids]
    if empty:
        number = sum(len(split.ids) for split in splits.values())
        advice = "Another `seed` or other `ratios` may fill it." if layout.splits.ratios else "Check `splits`."
        if number < len(given):
            have = f"{number} image{'s' * (number > 1)} for {len(given)} splits"
            advice = f"{have}: label more, at least one for train and one for val."
        raise DatasetError(f"In {raw.path}: no image is in {' and '.join(empty)}. {advice}")
    return {name: split for name, split in splits.items() if name in given}


def describe_no_match(raw: RawFolder, layout: Layout, images: list[Matched], masks: list[Matched]) -> str:
    """Return the message for patterns that no file matches."""
    lines = [f"In {raw.path}:"]
    lines += [f"No file matches images: {' or '.join(layout.images)}."] if not images else []
    lines += [f"No file matches masks: {' or '.join(layout.masks)}."] if not masks else []
    return "\n".join([*lines, f"There are: {join_names(raw.listing()) or 'no files'}."])
