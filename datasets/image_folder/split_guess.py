"""Guess how the images of a folder are assigned to splits: by folders, by lists, or at random."""

import itertools
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from datasets.errors import DatasetError
from datasets.image_folder import names
from datasets.image_folder.families import split_of
from datasets.image_folder.folder import random_split
from datasets.raw import RawFolder

LISTS = ("{split}.txt", "splits/{split}.txt", "ImageSets/Segmentation/{split}.txt", "lists/{split}.txt")
"""Usual names of lists of ids."""

RATIOS = {"train": 0.7, "val": 0.15, "test": 0.15}
RATIOS_OF_TWO = {"train": 0.5, "val": 0.5}
RATIOS_OF_FEW = {"train": 0.7, "val": 0.3}

FEW, SEEDS = 100, 100
"""With fewer images, or groups, than FEW, a random split may be empty: the best of SEEDS seeds is chosen."""

FEW_GROUPS = 10
"""Fewer groups than this, whose names do not count them as patient1 does, are categories: no split is made of them."""

FEW_IMAGES = 4  # A category of fewer images than this cannot be shared among three splits
MANY_IMAGES = 2000  # With more images than this no seed is chosen, as all fit the ratios

Guessed = tuple[dict[str, Any], list[str]]
"""The `splits` section of a layout, and notes."""


def find_lists(
    raw: RawFolder, images: Sequence[str] = (), groups: Iterable[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """Return {split: file} of the lists of ids, empty unless there are lists of train and val; and notes.

    Args:
        raw: The raw folder.
        images: Patterns of the images. Lists may also be in a leading folder of theirs, as VOCdevkit/VOC2012 is.
        groups: Values of `{group}`. Each may have lists of its own, as VOCdevkit/VOC2007 and VOCdevkit/VOC2012 have.
    """
    folders = [pattern.split("/")[:-1] for pattern in images]
    same = itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))
    leading = list(itertools.takewhile(lambda part: "{" not in part or part == "{group}", (parts[0] for parts in same)))
    notes: list[str] = []
    for depth in range(len(leading) + 1):
        folder = "".join(f"{part}/" for part in leading[:depth])
        for pattern in LISTS:
            of_groups = sorted(groups) if "{group}" in folder else [""]
            lists = {split: folder + pattern.format(split=split) for split in ("train", "val", "test")}
            having = {
                split: [group for group in of_groups if raw.has(file.replace("{group}", group))]
                for split, file in lists.items()
            }
            if having["train"] == having["val"] == of_groups:
                return {split: file for split, file in lists.items() if having[split] == of_groups}, []
            if both := {*having["train"]} & {*having["val"]}:
                are = f"{lists['train']} and {lists['val']} are lists of {', '.join(sorted(both))}"
                others = ", ".join(group for group in of_groups if group not in both)
                notes = [f"{are}, and are not used, as {others} has none. Write them, or move that folder away"]
    return {}, notes


def guess(raw: RawFolder, match: names.Match, lists: dict[str, str]) -> Guessed:
    """Return the layout's `splits` section, by folders, by lists, or at random, and notes.

    Raises:
        DatasetError: Folders are splits, and none is called train.
    """
    if any(match.parts):
        return _by_folders(raw, match)
    if lists:
        return {"lists": lists}, [f"{', '.join(lists.values())} define the splits"]
    if "" not in match.groups and len(match.groups) < FEW_GROUPS and _are_words(match.groups):
        return by_image(match)
    return _at_random(match)


def by_image(match: names.Match) -> Guessed:
    """Draw the images of each group at random, so that every split has its share of each."""
    images: dict[str, list[str]] = defaultdict(list)
    for name in match.names:
        group, _, id_ = unicodedata.normalize("NFC", name).partition("/")
        images[group].append(f"{group}/{id_}")
    ratios = RATIOS if min(map(len, images.values())) >= FEW_IMAGES else RATIOS_OF_FEW
    seed = min(range(SEEDS), key=partial(_unevenness, images, ratios)) if len(match.names) < MANY_IMAGES else 0
    shares = ", ".join(f"{ratio:.0%} {split}" for split, ratio in ratios.items())
    note = (
        f"no folder or list names a split: {shares}, at random among the images of each of {len(images)} folders "
        "(by: image). If a folder holds images of one source, such as a patient, set by: group"
    )
    return {"ratios": dict(ratios), "seed": seed, "by": "image"}, [note]


def drop_single_split(match: names.Match) -> names.Match:
    """If only one folder holds pairs, as train/ often does, drop `{split}`: the splits are drawn at random."""
    if len(match.parts) > 1 or "" in match.parts:
        return match
    (part,) = match.parts
    images, masks_ = (tuple(p.replace("{split}", part) for p in patterns) for patterns in (match.images, match.masks))
    return replace(match, images=images, masks=masks_, parts={"": match.parts[part]})


def replace_uniform_splits(match: names.Match) -> names.Match:
    """If all folders with pairs mean the same split, other than train, as dev1/ and dev2/, make them groups."""
    meant = {split_of(part) for part in match.parts if part}
    if "" in match.parts or len(meant) > 1 or meant == {"train"} or match.unlabelled or "" not in match.groups:
        return match
    images, masks_ = (tuple(p.replace("{split}", "{group}") for p in of) for of in (match.images, match.masks))
    parts = {"": match.pairs}
    return replace(match, images=images, masks=masks_, parts=parts, groups=match.parts)


def _are_words(groups: Mapping[str, int]) -> bool:
    """Whether no two names differ in a number or a letter only, as those of patients or sites do."""
    return len({re.sub(r"\d+|[A-Z]$|(?<![A-Za-z])[a-z]$", "", name) for name in groups}) == len(groups)


def _by_folders(raw: RawFolder, match: names.Match) -> Guessed:
    """Use the folders named train, val and test; of two folders for the same split, the one with more pairs."""
    parts_of: dict[str, list[str]] = defaultdict(list)
    for part in sorted(match.parts, key=lambda part: (-match.parts[part], part)):
        parts_of[split_of(part)].append(part)
    if "train" not in parts_of:
        folders = ", ".join(f"{part} ({number})" for part, number in sorted(match.parts.items()))
        raise DatasetError(
            f"In {raw.path}: images with masks are in {folders}, and no such folder is called train.\n"
            "Name one of them train, with its folder of masks, or write the layout by hand with\n"
            f"  splits: {{folders: {{train: {min(match.parts)}, ...}}}}\n"
            "datasets/image_folder/README.md shows how."
        )
    part_of = {split: parts[0] for split, parts in parts_of.items()}
    notes = [f"the folders {', '.join(sorted(part_of.values()))} are the splits"]
    for split, (first, *others) in parts_of.items():
        for part in others:
            images = match.images[0].replace("{split}", part)
            notes.append(f"{match.parts[part]} of {images} are not used, as {first} is the {split} split")
    if "val" not in part_of and "test" in part_of:
        part_of["val"] = part_of.pop("test")
        notes.append(f"nothing is called validation: {part_of['val']!r} is used as val, so no test is left")
    elif "val" not in part_of:
        notes.append("nothing is called validation: training and evaluation need a val split, so make one")
    return {"folders": {split: part_of[split] for split in ("train", "val", "test") if split in part_of}}, notes


def _at_random(match: names.Match) -> Guessed:
    """Split the images, or the groups if there are any; for few of them, with the seed that fits the ratios best."""
    grouped = "" not in match.groups
    drawn = match.groups if grouped else dict.fromkeys((unicodedata.normalize("NFC", id_) for id_ in match.names), 1)
    ratios = RATIOS if len(drawn) != len(RATIOS_OF_TWO) else RATIOS_OF_TWO
    seed = min(range(SEEDS), key=partial(_distance, drawn, ratios)) if len(drawn) < FEW else 0
    shares = ", ".join(f"{ratio:.0%} {split}" for split, ratio in ratios.items())
    notes = [f"no folder or list names a split: {shares}, at random{', each group in a single split' * grouped}"]
    if grouped and len(drawn) < FEW_GROUPS:
        folders: dict[str, list[str]] = defaultdict(list)
        for name in sorted(drawn):
            folders[random_split(name, ratios, seed)].append(name)
        shown = "; ".join(f"{split} is {', '.join(folders[split])}" for split in ratios)
        notes.append(f"{len(drawn)} folders are few: {shown}. To draw the images of each instead: splits: by: image")
    return {"ratios": dict(ratios), "seed": seed}, notes


def _distance(drawn: Mapping[str, int], ratios: Mapping[str, float], seed: int) -> tuple[int, float]:
    """Return the number of empty splits of a seed, and the sum of the absolute differences from the ratios."""
    images: Counter[str] = Counter()
    for name, number in drawn.items():
        images[random_split(name, ratios, seed)] += number
    shares = {split: images[split] / images.total() for split in ratios}
    return len(ratios) - len(images), sum(abs(shares[split] - ratio) for split, ratio in ratios.items())


def _unevenness(groups: Mapping[str, Sequence[str]], ratios: Mapping[str, float], seed: int) -> tuple[int, float]:
    """Return the sums of `_distance` over the groups, whose images are drawn."""
    distances = [_distance(dict.fromkeys(images, 1), ratios, seed) for images in groups.values()]
    return sum(empty for empty, _ in distances), sum(distance for _, distance in distances)
