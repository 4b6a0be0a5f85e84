"""Looking at a folder and writing the layout that describes it, with what was guessed said in words."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from datasets.audit import BadFileError
from datasets.errors import DatasetError
from datasets.image_folder import brightness, masks, names
from datasets.image_folder.families import families, split_of
from datasets.image_folder.folder import by_lot
from datasets.image_folder.layout import Layout
from datasets.raw import RawFolder

LISTS = ("{split}.txt", "splits/{split}.txt", "ImageSets/Segmentation/{split}.txt", "lists/{split}.txt")
"""Where lists of ids usually lie."""

CLASS_LISTS = ("classes.txt", "class_names.txt", "labels.txt", "names.txt")
"""Files that usually name the classes, one a line."""

RATIOS = {"train": 0.7, "val": 0.15, "test": 0.15}
RATIOS_OF_TWO = {"train": 0.5, "val": 0.5}

FEW, SEEDS = 100, 100
"""Of fewer images, or groups, a lot may leave a split empty: so many seeds are tried, and the best is taken."""

FEW_WORDS = 5
"""How many folders a sentence names."""

HEAD = """\
# How Segline reads this folder. Written by `segline init`, which guessed:
{said}
# Paths are relative to the folder with the data; {{id}} pairs an image with its mask.
"""


@dataclass(frozen=True)
class Guess:
    """What was found.

    Attributes:
        layout: The layout, as plain values.
        said: What was guessed, a sentence each.
        pairs: Number of images with a mask.
    """

    layout: dict[str, Any]
    said: tuple[str, ...]
    pairs: int

    def text(self) -> str:
        """Give the YAML file."""
        said = "\n".join(f"#   {line}" for line in self.said)
        parts = [HEAD.format(said=said)]
        for key, value in self.layout.items():
            if key == "classes":
                lines = [f"  - {_flow(one)}" for one in value]
                parts.append("\n".join(["classes:", *lines]) + "\n")
            else:
                parts.append(f"{key}: {_flow(value)}\n")
        return "".join(parts)


def guess(folder: Path) -> Guess:
    """Look at a folder.

    Raises:
        DatasetError: No images with masks are found there, or the masks hold no classes.
    """
    raw = RawFolder(folder)
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}.")
    there = raw.files("**/*")
    lists = _lists(raw)
    found = names.match(there, listed=bool(lists))
    if found is None:
        raise DatasetError(_unmatched(folder, there))
    meaning = masks.guess(raw, found.examples)
    unlabelled = {found.images[0].replace("{split}", part): number for part, number in found.unlabelled.items()}
    found = _without_splits_of_one_kind(_without_a_lone_split(found))
    splits, said_of_splits = _splits(raw, found, lists)
    image_range, said_of_range = brightness.guess(raw, found.image_examples)
    named, said_of_names = _class_names(raw, len(meaning.classes))
    layout: dict[str, Any] = {"images": _one_or_many(found.images), "masks": _one_or_many(found.masks)}
    layout |= {
        "splits": splits,
        **({"image": {"range": list(image_range)}} if image_range else {}),
        "mask": meaning.mask,
    }
    layout["classes"] = [
        {"name": name, **({"raw": value} if value is not None else {}), **({"colour": list(colour)} if colour else {})}
        for name, (value, colour) in zip(named, meaning.classes, strict=True)
    ]
    layout["ignore"] = meaning.ignore
    Layout.model_validate(layout)
    said = [*_said_of_names(found, unlabelled, splits), *said_of_range, *meaning.said, said_of_names, *said_of_splits]
    return Guess(layout, tuple(said), sum(found.parts.values()))


def _said_of_names(found: names.Match, unlabelled: Mapping[str, int], splits: Mapping[str, Any]) -> Iterator[str]:
    """Say what was paired, and what was not."""
    pairs = sum(found.parts.values())
    patterns = f"{' and '.join(found.images)} with {' and '.join(found.masks)}"
    yield f"{pairs} image{'s have' if pairs > 1 else ' has'} a mask: {patterns}"
    groups = sorted(filter(None, found.groups))
    if groups:
        yield f"{{group}} stands for {len(groups)} folders: {_some(groups)}"
    if found.strays and found.left_out - found.strays:
        strays = _some(sorted(found.strays))
        yield f"of the folders alike only the largest is used, as nothing pairs in {strays}; move that away to use all"
    if found.unpaired:
        whom = "those that a list names" if "lists" in splits else "them"
        alone = f"{found.unpaired} image{'s have' if found.unpaired > 1 else ' has'} none"
        yield f"{alone}; `segline check` and `run` will name {whom}"
    for images, number in unlabelled.items():
        yield f"{number} of {images} have no mask: they are in no split; `segline predict` takes their folder"
    if found.unused:
        number = sum(found.unused.values())
        folders = _some([f"{folder} ({count})" for folder, count in sorted(found.unused.items())])
        yield f"{number} image{'s lie' if number > 1 else ' lies'} in folders that are not used: {folders}"


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - FEW_WORDS} more" if len(words) > FEW_WORDS else ""
    return ", ".join(words[:FEW_WORDS]) + more


def _without_a_lone_split(found: names.Match) -> names.Match:
    """Where one folder alone holds pairs, as train/ often does, it is no split: the lot must make them."""
    if len(found.parts) > 1 or "" in found.parts:
        return found
    (part,) = found.parts
    images, masks_ = (tuple(p.replace("{split}", part) for p in patterns) for patterns in (found.images, found.masks))
    return replace(found, images=images, masks=masks_, parts={"": found.parts[part]})


def _without_splits_of_one_kind(found: names.Match) -> names.Match:
    """Where all folders with pairs mean one split, and not train, as dev1/ and dev2/, they are groups for the lot."""
    meant = {split_of(part) for part in found.parts if part}
    if "" in found.parts or len(meant) > 1 or meant == {"train"} or found.unlabelled or "" not in found.groups:
        return found
    images, masks_ = (tuple(p.replace("{split}", "{group}") for p in of) for of in (found.images, found.masks))
    parts = {"": sum(found.parts.values())}
    return replace(found, images=images, masks=masks_, parts=parts, groups=found.parts)


def _lists(raw: RawFolder) -> dict[str, str]:
    """Find the lists that say what is in which split: {split: file}, empty where they name no train and val."""
    for pattern in LISTS:
        lists = {split: pattern.format(split=split) for split in ("train", "val", "test")}
        lists = {split: file for split, file in lists.items() if raw.has(file)}
        if {"train", "val"} <= lists.keys():
            return lists
    return {}


def _splits(raw: RawFolder, found: names.Match, lists: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Guess what is in which split: by folders, by lists, or by lot."""
    if any(found.parts):
        return _by_folders(raw, found)
    if lists:
        return {"lists": lists}, [f"{', '.join(lists.values())} say what is in which split"]
    return _by_lot(found)


def _by_folders(raw: RawFolder, found: names.Match) -> tuple[dict[str, Any], list[str]]:
    """Take the folders that names call train, val and test; of two for one split that with more pairs."""
    several: dict[str, list[str]] = defaultdict(list)
    for part in sorted(found.parts, key=lambda part: (-found.parts[part], part)):
        several[split_of(part)].append(part)
    if "train" not in several:
        there = ", ".join(f"{part} ({number})" for part, number in sorted(found.parts.items()))
        raise DatasetError(
            f"In {raw.path}: images with masks lie in {there}, and no such folder is called train.\n"
            "Name one of them train, with its folder of masks, or write the layout by hand with\n"
            f"  splits: {{folders: {{train: {min(found.parts)}, ...}}}}\n"
            "datasets/image_folder/README.md shows how."
        )
    of = {split: parts[0] for split, parts in several.items()}
    said = [f"the folders {', '.join(sorted(of.values()))} are the splits"]
    for split, (first, *others) in several.items():
        for part in others:
            images = found.images[0].replace("{split}", part)
            said.append(f"{found.parts[part]} of {images} are not used, as {first} is the {split} split")
    if "val" not in of and "test" in of:
        of["val"] = of.pop("test")
        said.append(f"nothing is called validation: {of['val']!r} is used as val, so no test is left")
    elif "val" not in of:
        said.append("nothing is called validation: training and evaluation need a val split, so make one")
    return {"folders": {split: of[split] for split in ("train", "val", "test") if split in of}}, said


def _by_lot(found: names.Match) -> tuple[dict[str, Any], list[str]]:
    """Share the images out, or the groups where there are any; of few, so that each split gets its share."""
    grouped = "" not in found.groups
    drawn = found.groups if grouped else dict.fromkeys((unicodedata.normalize("NFC", id_) for id_ in found.names), 1)
    ratios = RATIOS if len(drawn) != len(RATIOS_OF_TWO) else RATIOS_OF_TWO
    seed = min(range(SEEDS), key=partial(_distance, drawn, ratios)) if len(drawn) < FEW else 0
    shares = ", ".join(f"{ratio:.0%} {split}" for split, ratio in ratios.items())
    whole = " that divides no group" if grouped else ""
    return {"ratios": dict(ratios), "seed": seed}, [f"no folder or list names a split: {shares}, by lot{whole}"]


def _distance(drawn: Mapping[str, int], ratios: Mapping[str, float], seed: int) -> tuple[int, float]:
    """Say how far a lot is from the shares: splits that are empty, and the sum of the differences of all."""
    images: Counter[str] = Counter()
    for name, number in drawn.items():
        images[by_lot(name, ratios, seed)] += number
    shares = {split: images[split] / images.total() for split in ratios}
    return len(ratios) - len(images), sum(abs(shares[split] - ratio) for split, ratio in ratios.items())


def _class_names(raw: RawFolder, number: int) -> tuple[list[str], str]:
    for file in CLASS_LISTS:
        with suppress(BadFileError):  # absent, or something else of that name
            lines = raw.lines(file)
            if len(lines) == number and len(set(lines)) == number:
                return lines, f"{number} classes, whose names are those of {file}"
    if number == 2:
        return ["background", "object"], "2 classes; give the second its name"
    return [f"class_{index}" for index in range(number)], f"{number} classes; give them their names"


def _unmatched(folder: Path, there: list[str]) -> str:
    suffixes = Counter(Path(name).suffix.lower() or "no suffix" for name in there)
    seen = ", ".join(f"{number} {suffix}" for suffix, number in suffixes.most_common(6)) or "no files"
    known = [f"{family.root or '.'} ({len(family.files)})" for family in families(there)][:8]
    return "\n".join(
        [
            f"In {folder}: no images with masks of the same names were found.",
            f"Received: {seen}" + (f"; images in {', '.join(known)}." if known else "."),
            "Looked for: images/ with masks/ (or labels/, annotations/, gt/ ...), or a.jpg with a_mask.png.",
            "If they are named otherwise, write the layout by hand; datasets/image_folder/README.md shows how.",
        ]
    )


def _one_or_many(patterns: tuple[str, ...]) -> str | list[str]:
    return patterns[0] if len(patterns) == 1 else list(patterns)


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1000)
    return text.removesuffix("...\n").rstrip()
