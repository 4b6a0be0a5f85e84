"""Pair the files of a folder as its layout describes, and assign them to splits."""

import hashlib
import re
from collections.abc import Mapping, Sequence
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

Files = Sequence[Matched]


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
    images, masks, numbered = add_groups(layout, images, masks, numbered)
    split_of = SplitAssigner(raw, layout, images)
    images_of, masks_of = _by_key(images), _by_key(_replace_numbered(images, masks, numbered))
    splits: dict[str, tuple[list[Pair], list[Problem]]] = {name: ([], []) for name in SPLITS}
    for key in sorted(images_of.keys() | masks_of.keys()):
        own, drawn = images_of.get(key, []), masks_of.get(key, [])
        split = split_of((own or drawn)[0])
        if split is None:
            continue
        pairs, problems = splits[split]
        duplicates = [(file, f"{own[0].file} has the same id") for file in own[1:]]
        if not layout.mask.union:
            duplicates += [(file, f"{drawn[0].file} is a mask of the same image; {UNION}") for file in drawn[1:]]
        problems += [Problem(Kind.DUPLICATE, split, file.file, file.name, detail) for file, detail in duplicates]
        if not drawn:
            detail = _expected(layout.masks, own[0])
            problems.append(Problem(Kind.WITHOUT_MASK, split, own[0].file, own[0].name, detail))
        elif not own:
            detail = _expected(layout.images, drawn[0])
            problems.append(Problem(Kind.WITHOUT_IMAGE, split, drawn[0].file, drawn[0].name, detail))
        elif not duplicates:
            further = tuple(file.file for file in drawn[1:])
            pairs.append(Pair(own[0].name, own[0].group or "all", own[0].file, drawn[0].file, further=further))
    return require_examples(raw, layout, splits)


def _replace_numbered(images: Files, masks: Files, numbered: Files) -> Files:
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


def add_groups(layout: Layout, images: Files, masks: Files, numbered: Files = ()) -> tuple[Files, Files, Files]:
    """Prefix all names with their group where several groups have the same id, and all patterns have a {group}."""
    files = (*images, *masks)
    group_of = {(file.part, file.id): file.group for file in files}
    is_grouped = all("{group}" in pattern for pattern in (*layout.images, *layout.masks))
    if not is_grouped or all(group_of[file.part, file.id] == file.group for file in files):
        return images, masks, numbered
    images, masks, numbered = (
        [replace(file, name=f"{file.group}/{file.id}") for file in of] for of in (images, masks, numbered)
    )
    return images, masks, numbered


def _by_key(files: Files) -> dict[Key, list[Matched]]:
    of_key: dict[Key, list[Matched]] = {}
    for file in files:
        of_key.setdefault((file.part, file.name), []).append(file)
    return of_key


class SplitAssigner:
    """Assigns files to splits.

    Args:
        raw: The raw folder, which holds the lists.
        layout: The layout; its `splits` section decides.
        images: All images; a mask is in the split of the image with its name.
    """

    def __init__(self, raw: RawFolder, layout: Layout, images: Files) -> None:
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


def describe_no_match(raw: RawFolder, layout: Layout, images: Files, masks: Files) -> str:
    """Return the message for patterns that no file matches."""
    lines = [f"In {raw.path}:"]
    lines += [f"No file matches images: {' or '.join(layout.images)}."] if not images else []
    lines += [f"No file matches masks: {' or '.join(layout.masks)}."] if not masks else []
    return "\n".join([*lines, f"There are: {join_names(raw.listing()) or 'no files'}."])
