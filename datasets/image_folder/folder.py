"""Pair the files of a folder as its layout describes, and assign them to splits."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from datasets.audit import BadFileError, Kind, Problem, join_names
from datasets.errors import DatasetError
from datasets.image_folder.layout import Layout
from datasets.image_folder.sections import SPLITS
from datasets.pairs import Pair, Split
from datasets.raw import RawFolder, to_regex


@dataclass(frozen=True)
class Matched:
    """A file that matches a pattern.

    Attributes:
        file: Its name in the raw folder.
        part: Value of `{split}`; empty where the pattern has none.
        id: Value of `{id}`, in Unicode's composed form, as macOS and others may encode a name differently.
        group: Value of `{group}`; empty where the pattern has none.
        name: Id of the record, which pairs image and mask: `id`, or group/id where several groups have the same ids.
    """

    file: str
    part: str
    id: str
    group: str
    name: str


def find(raw: RawFolder, layout: Layout) -> dict[str, Split]:
    """Return {split: its files} of the files that match the layout's patterns.

    Raises:
        DatasetError: Nothing matches, a split is empty, or a list names missing or ambiguous images.
    """
    masks = _match(raw, layout.masks, skip=frozenset())
    images = _match(raw, layout.images, skip=frozenset(mask.file for mask in masks))
    if not images or not masks:
        raise DatasetError(_describe_no_match(raw, layout, images, masks))
    images, masks = _add_groups(layout, images, masks)
    split_of = SplitAssigner(raw, layout, images)
    image_of, duplicate_images = _index(images)
    mask_of, duplicate_masks = _index(masks)
    duplicates = [*duplicate_images, *duplicate_masks]
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
            splits[split][0].append(Pair(image.name, image.group or "all", image.file, mask.file))
    for duplicate, first in duplicates:
        split = split_of(duplicate)
        if split is not None:
            detail = f"{first} has the same id"
            splits[split][1].append(Problem(Kind.DUPLICATE, split, duplicate.file, duplicate.name, detail))
    return _require_examples(raw, layout, splits)


def _match(raw: RawFolder, patterns: Iterable[str], skip: frozenset[str]) -> list[Matched]:
    matched: dict[str, Matched] = {}
    for pattern in patterns:
        wanted = re.compile(to_regex(pattern, id=".+", split="[^/]+", group="[^/]+"))
        folder = re.split(r"[{*?]", pattern)[0].rpartition("/")[0]
        for file in raw.files(f"{folder}/**/*" if folder else "**/*"):
            match = wanted.fullmatch(file)
            if match and file not in skip and file not in matched:
                parts = match.groupdict()
                id_ = unicodedata.normalize("NFC", parts["id"])
                matched[file] = Matched(file, parts.get("split") or "", id_, parts.get("group") or "", id_)
    return [matched[file] for file in sorted(matched)]


def _add_groups(layout: Layout, images: list[Matched], masks: list[Matched]) -> tuple[list[Matched], list[Matched]]:
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
        self._split_of_name = _read_lists(raw, layout.splits.lists or {}, images)

    def __call__(self, file: Matched) -> str | None:
        """Return the split of a file; None where it is in none of the layout's."""
        if self._splits.folders:
            return self._split_of_part.get(file.part)
        if self._splits.lists:
            return self._split_of_name.get(file.name)
        name = self._group_of.get(file.name, file.group) or file.name
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


def _read_lists(raw: RawFolder, lists: dict, images: list[Matched]) -> dict[str, str]:
    """Return {name: split} of the images in the lists, whose lines are ids or group/id."""
    meant = _names_by_line(images)
    split_of_name: dict[str, str] = {}
    faults = []
    for split, file in lists.items():
        try:
            lines = {unicodedata.normalize("NFC", line) for line in raw.lines(file)}
        except BadFileError as error:
            faults.append(f"{file} (splits.lists.{split}): {error}.")
            continue
        missing = sorted(lines - meant.keys())
        if missing:
            grouped = any(image.group for image in images)
            allowed = "{id} in `images`, or {group}/{id}" if grouped else "{id} in `images`"
            advice = f"A line must be exactly the value of {allowed}."
            faults.append(f"{file} names {len(missing)} ids without an image: {join_names(missing)}. {advice}")
        several = sorted(line for line in lines & meant.keys() if len(meant[line]) > 1)
        if several:
            example = min(meant[several[0]])
            advice = f"Write them as {{group}}/{{id}}, such as {example}."
            faults.append(f"{file} names {len(several)} ids that several groups have: {join_names(several)}. {advice}")
        names = {name for line in lines for name in meant.get(line, ()) if len(meant[line]) == 1}
        twice = sorted(names & split_of_name.keys())
        if twice:
            faults.append(f"{file} names ids that another list names too: {join_names(twice)}.")
        split_of_name.update(dict.fromkeys(names, split))
    if faults:
        raise DatasetError("\n".join([f"In {raw.path}:", *faults]))
    return split_of_name


def _names_by_line(images: list[Matched]) -> dict[str, set[str]]:
    """Return {line of a list: names of the images it may mean}; a line that equals a name means only that image."""
    meant: dict[str, set[str]] = {}
    for image in images:
        for line in (image.id, f"{image.group}/{image.id}") if image.group else (image.id,):
            meant.setdefault(line, set()).add(image.name)
    return meant | {image.name: {image.name} for image in images}


def _missing_partner(layout: Layout, split: str, image: Matched | None, mask: Matched | None) -> Problem:
    if image:
        return Problem(Kind.WITHOUT_MASK, split, image.file, image.name, _expected(layout.masks, image))
    assert mask
    return Problem(Kind.WITHOUT_IMAGE, split, mask.file, mask.name, _expected(layout.images, mask))


def _expected(patterns: list[str], file: Matched) -> str:
    values = {"{id}": file.id, "{split}": file.part, "{group}": file.group or "*"}
    names = [re.sub(r"\{\w+\}", lambda match: values[match[0]], pattern) for pattern in patterns]
    return f"no file {' or '.join(names)}"


def _require_examples(raw: RawFolder, layout: Layout, files: dict) -> dict[str, Split]:
    """Return the splits that the layout names; raise DatasetError if one is empty."""
    given = layout.splits.folders or layout.splits.lists or layout.splits.ratios or {}
    splits = {name: Split(tuple(pairs), tuple(problems)) for name, (pairs, problems) in files.items()}
    empty = [name for name in given if not splits[name].ids]
    if empty:
        advice = "Another `seed` or other `ratios` may fill it." if layout.splits.ratios else "Check `splits`."
        raise DatasetError(f"In {raw.path}: no image is in {' and '.join(empty)}. {advice}")
    return {name: split for name, split in splits.items() if name in given}


def _describe_no_match(raw: RawFolder, layout: Layout, images: list[Matched], masks: list[Matched]) -> str:
    lines = [f"In {raw.path}:"]
    lines += [f"No file matches images: {' or '.join(layout.images)}."] if not images else []
    lines += [f"No file matches masks: {' or '.join(layout.masks)}."] if not masks else []
    return "\n".join([*lines, f"There are: {join_names(raw.listing()) or 'no files'}."])
