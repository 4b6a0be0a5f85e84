"""Guess the layout of a folder, and explain every guess in words."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from datasets import plain_yaml
from datasets.audit import BadFileError
from datasets.errors import DatasetError
from datasets.image_folder import brightness, masks, names
from datasets.image_folder.families import find_families, split_of
from datasets.image_folder.folder import random_split
from datasets.image_folder.layout import Layout
from datasets.raw import RawFolder

LISTS = ("{split}.txt", "splits/{split}.txt", "ImageSets/Segmentation/{split}.txt", "lists/{split}.txt")
"""Usual names of lists of ids."""

CLASS_LISTS = ("classes.txt", "class_names.txt", "labels.txt", "names.txt")
"""Usual names of files with the classes, one per line."""

RATIOS = {"train": 0.7, "val": 0.15, "test": 0.15}
RATIOS_OF_TWO = {"train": 0.5, "val": 0.5}

FEW, SEEDS = 100, 100
"""With fewer images, or groups, than FEW, a random split may be empty: the best of SEEDS seeds is chosen."""

FEW_WORDS = 5
"""Number of folders that a note names."""

HEAD = """\
# How Segline reads this folder. Written by `segline init`, which guessed:
{notes}
# Paths are relative to the folder with the data; {{id}} pairs an image with its mask.
"""


@dataclass(frozen=True)
class Guess:
    """The guessed layout of a folder.

    Attributes:
        layout: The layout, as plain values.
        notes: One sentence per guess, for the user.
        pairs: Number of images with a mask.
    """

    layout: dict[str, Any]
    notes: tuple[str, ...]
    pairs: int

    def text(self) -> str:
        """Return the text of the YAML file."""
        parts = [HEAD.format(notes="\n".join(f"#   {line}" for line in self.notes))]
        for key, value in self.layout.items():
            if key == "classes":
                lines = [f"  - {_flow(class_)}" for class_ in value]
                parts.append("\n".join(["classes:", *lines]) + "\n")
            else:
                parts.append(f"{key}: {_flow(value)}\n")
        return "".join(parts)


def guess(folder: Path) -> Guess:
    """Guess the layout of a folder from the names of its files and a sample of their contents.

    Raises:
        DatasetError: It has no images with masks, or the masks hold no classes.
    """
    raw = RawFolder(folder)
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}.")
    files = raw.files("**/*")
    lists = _find_lists(raw)
    match = names.match(files, listed=bool(lists))
    if match is None:
        raise DatasetError(_describe_no_match(folder, files))
    meaning = masks.guess(raw, match.examples)
    unlabelled = {match.images[0].replace("{split}", part): number for part, number in match.unlabelled.items()}
    match = _replace_uniform_splits(_drop_single_split(match))
    splits, split_notes = _guess_splits(raw, match, lists)
    image_range, range_notes = brightness.guess(raw, match.image_examples)
    class_names, class_note = _class_names(raw, len(meaning.classes))
    layout: dict[str, Any] = {"images": _one_or_many(match.images), "masks": _one_or_many(match.masks)}
    layout |= {
        "splits": splits,
        **({"image": {"range": list(image_range)}} if image_range else {}),
        "mask": meaning.mask,
    }
    layout["classes"] = [
        {"name": name, **({"raw": value} if value is not None else {}), **({"colour": list(colour)} if colour else {})}
        for name, (value, colour) in zip(class_names, meaning.classes, strict=True)
    ]
    layout["ignore"] = meaning.ignore
    Layout.model_validate(layout)
    notes = [*_pair_notes(match, unlabelled, splits), *range_notes, *meaning.notes, class_note, *split_notes]
    return Guess(layout, tuple(notes), sum(match.parts.values()))


def _pair_notes(match: names.Match, unlabelled: Mapping[str, int], splits: Mapping[str, Any]) -> Iterator[str]:
    """Yield notes on what was paired, and what was not."""
    pairs = sum(match.parts.values())
    patterns = f"{' and '.join(match.images)} with {' and '.join(match.masks)}"
    yield f"{pairs} image{'s have' if pairs > 1 else ' has'} a mask: {patterns}"
    groups = sorted(filter(None, match.groups))
    if groups:
        yield f"{{group}} stands for {len(groups)} folders: {_some(groups)}"
    if match.strays and match.left_out - match.strays:
        strays = _some(sorted(match.strays))
        yield f"of the similar folders only the largest is used, as {strays} has no pairs; move that away to use all"
    if match.unpaired:
        which = "those that a list names" if "lists" in splits else "them"
        unpaired = f"{match.unpaired} image{'s have' if match.unpaired > 1 else ' has'} none"
        yield f"{unpaired}; `segline check` and `run` will name {which}"
    for images, number in unlabelled.items():
        yield f"{number} of {images} have no mask: they are in no split; `segline predict` takes their folder"
    if match.unused:
        number = sum(match.unused.values())
        folders = _some([f"{folder} ({count})" for folder, count in sorted(match.unused.items())])
        yield f"{number} image{'s are' if number > 1 else ' is'} in folders that are not used: {folders}"


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - FEW_WORDS} more" if len(words) > FEW_WORDS else ""
    return ", ".join(words[:FEW_WORDS]) + more


def _drop_single_split(match: names.Match) -> names.Match:
    """If only one folder holds pairs, as train/ often does, drop `{split}`: the splits are drawn at random."""
    if len(match.parts) > 1 or "" in match.parts:
        return match
    (part,) = match.parts
    images, masks_ = (tuple(p.replace("{split}", part) for p in patterns) for patterns in (match.images, match.masks))
    return replace(match, images=images, masks=masks_, parts={"": match.parts[part]})


def _replace_uniform_splits(match: names.Match) -> names.Match:
    """If all folders with pairs mean the same split, other than train, as dev1/ and dev2/, make them groups."""
    meant = {split_of(part) for part in match.parts if part}
    if "" in match.parts or len(meant) > 1 or meant == {"train"} or match.unlabelled or "" not in match.groups:
        return match
    images, masks_ = (tuple(p.replace("{split}", "{group}") for p in of) for of in (match.images, match.masks))
    parts = {"": sum(match.parts.values())}
    return replace(match, images=images, masks=masks_, parts=parts, groups=match.parts)


def _find_lists(raw: RawFolder) -> dict[str, str]:
    """Return {split: file} of the lists of ids; empty unless there are lists of train and val."""
    for pattern in LISTS:
        lists = {split: pattern.format(split=split) for split in ("train", "val", "test")}
        lists = {split: file for split, file in lists.items() if raw.has(file)}
        if {"train", "val"} <= lists.keys():
            return lists
    return {}


def _guess_splits(raw: RawFolder, match: names.Match, lists: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the layout's `splits` section, by folders, by lists, or at random, and notes."""
    if any(match.parts):
        return _split_by_folders(raw, match)
    if lists:
        return {"lists": lists}, [f"{', '.join(lists.values())} define the splits"]
    return _split_at_random(match)


def _split_by_folders(raw: RawFolder, match: names.Match) -> tuple[dict[str, Any], list[str]]:
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


def _split_at_random(match: names.Match) -> tuple[dict[str, Any], list[str]]:
    """Split the images, or the groups if there are any; for few of them, with the seed that fits the ratios best."""
    grouped = "" not in match.groups
    drawn = match.groups if grouped else dict.fromkeys((unicodedata.normalize("NFC", id_) for id_ in match.names), 1)
    ratios = RATIOS if len(drawn) != len(RATIOS_OF_TWO) else RATIOS_OF_TWO
    seed = min(range(SEEDS), key=partial(_distance, drawn, ratios)) if len(drawn) < FEW else 0
    shares = ", ".join(f"{ratio:.0%} {split}" for split, ratio in ratios.items())
    whole = ", each group in a single split" if grouped else ""
    return {"ratios": dict(ratios), "seed": seed}, [f"no folder or list names a split: {shares}, at random{whole}"]


def _distance(drawn: Mapping[str, int], ratios: Mapping[str, float], seed: int) -> tuple[int, float]:
    """Return the number of empty splits of a seed, and the sum of the absolute differences from the ratios."""
    images: Counter[str] = Counter()
    for name, number in drawn.items():
        images[random_split(name, ratios, seed)] += number
    shares = {split: images[split] / images.total() for split in ratios}
    return len(ratios) - len(images), sum(abs(shares[split] - ratio) for split, ratio in ratios.items())


def _class_names(raw: RawFolder, number: int) -> tuple[list[str], str]:
    for file in CLASS_LISTS:
        with suppress(BadFileError):  # missing, or not a text file
            lines = raw.lines(file)
            if len(lines) == number and len(set(lines)) == number:
                return lines, f"{number} classes, whose names are those of {file}"
    if number == 2:
        return ["background", "object"], "2 classes; give the second its name"
    return [f"class_{index}" for index in range(number)], f"{number} classes; give them their names"


def _describe_no_match(folder: Path, files: list[str]) -> str:
    suffixes = Counter(Path(name).suffix.lower() or "no suffix" for name in files)
    counts = ", ".join(f"{number} {suffix}" for suffix, number in suffixes.most_common(6)) or "no files"
    known = [f"{family.root or '.'} ({len(family.files)})" for family in find_families(files)][:8]
    return "\n".join(
        [
            f"In {folder}: no images with masks of the same names were found.",
            f"Received: {counts}" + (f"; images in {', '.join(known)}." if known else "."),
            "Looked for: images/ with masks/ (or labels/, annotations/, gt/ ...), or a.jpg with a_mask.png.",
            "If they are named otherwise, write the layout by hand; datasets/image_folder/README.md shows how.",
        ]
    )


def _one_or_many(patterns: tuple[str, ...]) -> str | list[str]:
    return patterns[0] if len(patterns) == 1 else list(patterns)


def _flow(value: Any) -> str:
    return plain_yaml.dump(value, default_flow_style=True, width=1000).removesuffix("...\n").rstrip()
