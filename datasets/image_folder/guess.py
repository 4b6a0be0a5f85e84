"""Guess the layout of a folder, and explain every guess in words."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import plain_yaml
from datasets.audit import join_names
from datasets.errors import DatasetError
from datasets.foreign_text import escape
from datasets.image_folder import (
    any_folders,
    brightness,
    class_names,
    headers,
    mask_exports,
    masks_per_class,
    names,
    published_sets,
    rivals,
    split_guess,
    tool_files,
)  # fmt: skip
from datasets.image_folder.families import find_families
from datasets.image_folder.layout import Layout
from datasets.image_folder.meaning import Meaning
from datasets.image_folder.rehearsal import messages, rehearse
from datasets.raw import RawFolder

FEW_WORDS = 5  # Number of folders that a note names

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
        parts = [HEAD.format(notes="\n".join(f"#   {escape(line)}" for line in self.notes))]
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
    described, refusals = tool_files.recognise(raw, files)
    if described:
        return _of_tool(raw, *described)
    export = mask_exports.recognise(raw, files)
    if export and (folders := {*export[1]}):
        files = [file for file in files if not folders.isdisjoint(file.split("/")[:-1])]
    lists, _ = split_guess.find_lists(raw)
    matches = names.matches(files, listed=bool(lists))
    by_ending = [] if matches else names.matches_by_ending(files)
    in_folders = [] if matches else any_folders.matches(files, listed=bool(lists))
    if not export and (per_class := masks_per_class.recognise(raw, matches or [*by_ending, *in_folders])):
        return _of_tool(raw, *tool_files.of_class_masks(raw, per_class))
    matches = matches or rivals.of_few_colours(raw, by_ending) or any_folders.of_contents(raw, in_folders)
    if not matches:
        raise DatasetError(_describe_no_match(raw, files, refusals))
    match, rival_notes = rivals.choose(raw, published_sets.first(matches))
    lists, list_notes = split_guess.find_lists(raw, match.images, match.groups)
    meaning = export[0] if export else published_sets.meaning(raw, match.examples)
    union_notes = _unite_further(match, meaning)
    unlabelled = {match.images[0].replace("{split}", part): number for part, number in match.unlabelled.items()}
    match = split_guess.replace_uniform_splits(split_guess.drop_single_split(match))
    splits, split_notes = split_guess.guess(raw, match, lists)
    image, image_notes = _guess_image(raw, match)
    classes, ignored, class_notes = class_names.name(raw, meaning)
    layout: dict[str, Any] = {"images": _one_or_many(match.images), "masks": _one_or_many(match.masks)}
    layout |= {"splits": splits, "image": image, "mask": meaning.mask, "classes": classes, "ignore": ignored}
    rehearsal = rehearse(raw, layout, match)
    layout = {key: value for key, value in rehearsal.layout.items() if value != {}}
    if rehearsal.layout["splits"] is not splits:
        split_notes = []
    notes = [*_pair_notes(match, unlabelled, splits), *refusals, *rival_notes, *image_notes]
    notes += [*meaning.notes, *union_notes]
    notes += [*class_notes, *list_notes, *split_notes, *rehearsal.notes]
    return Guess(layout, (*notes, *messages(raw.problems)), len(rehearsal.pairs) or match.pairs)


def _of_tool(raw: RawFolder, layout: dict[str, Any], notes: list[str], pairs: int) -> Guess:
    Layout.model_validate(layout)
    return Guess(layout, (*notes, *messages(raw.problems)), pairs)


def _guess_image(raw: RawFolder, match: names.Match) -> tuple[dict[str, Any], list[str]]:
    """Return the layout's `image` section, which may be empty, and notes."""
    bands, notes = headers.bands(raw, match.image_examples)
    limits, range_notes = brightness.guess(raw, match.image_examples, bands or ())
    image = {"bands": list(bands) if bands else None, "range": list(limits) if limits else None}
    return {key: value for key, value in image.items() if value}, [*notes, *range_notes]


def _unite_further(match: names.Match, meaning: Meaning) -> list[str]:
    """Say in the layout that further masks of an image are united where they have two classes; return notes."""
    if not match.further:
        return []
    number, example = len(match.further), match.further[0]
    are = f"{number} masks are" if number > 1 else "1 mask is"
    if len(meaning.classes) != 2:
        return [f"{are} a further one of an image, such as {example}: these images are bad files, as only masks of two "
                "classes can be united"]  # fmt: skip
    meaning.mask["union"] = True
    return [f"{are} a further one of an image, such as {example}: united with the first (mask.union)"]


def _pair_notes(match: names.Match, unlabelled: Mapping[str, int], splits: Mapping[str, Any]) -> Iterator[str]:
    """Yield notes on what was paired, and what was not."""
    pairs = match.pairs
    patterns = f"{' and '.join(match.images)} with {' and '.join(match.masks)}"
    yield f"{pairs} image{'s have' if pairs > 1 else ' has'} a mask: {patterns}"
    groups = sorted(filter(None, match.groups))
    if groups:
        yield f"{{group}} stands for {len(groups)} folders: {join_names(groups, FEW_WORDS)}"
    if match.strays and match.left_out - match.strays:
        strays = join_names(sorted(match.strays), FEW_WORDS)
        yield f"of the similar folders only the largest is used, as {strays} has no pairs; move that away to use all"
    if match.unpaired:
        which = "those that a list names" if "lists" in splits else "them"
        unpaired = f"{match.unpaired} image{'s have' if match.unpaired > 1 else ' has'} none"
        yield f"{unpaired}; `segline check` and `run` will name {which}"
    for images, number in unlabelled.items():
        yield f"{number} of {images} have no mask: they are in no split; `segline predict` takes their folder"
    if match.unused:
        number = sum(match.unused.values())
        folders = join_names([f"{folder} ({count})" for folder, count in sorted(match.unused.items())], FEW_WORDS)
        yield f"{number} image{'s are' if number > 1 else ' is'} in folders that are not used: {folders}"


def _describe_no_match(raw: RawFolder, files: list[str], refusals: Sequence[str]) -> str:
    suffixes = Counter(Path(name).suffix.lower() or "no suffix" for name in files)
    counts = ", ".join(f"{number} {suffix}" for suffix, number in suffixes.most_common(6)) or "no files"
    known = [f"{family.root or '.'} ({len(family.files)})" for family in find_families(files)][:8]
    if refusals:
        return "\n".join([f"In {raw.path}: there are labels that cannot be read.", *(f"{one}." for one in refusals)])
    return "\n".join(
        [
            f"In {raw.path}: no images with masks of the same names were found.",
            *messages(raw.problems),
            f"Received: {counts}" + (f"; images in {', '.join(known)}." if known else "."),
            "Looked for: images/ with masks/ (or labels/, annotations/, gt/ ...), or a.jpg with a_mask.png.",
            "If they are named otherwise, write the layout by hand; datasets/image_folder/README.md shows how.",
        ]
    )


def _one_or_many(patterns: tuple[str, ...]) -> str | list[str]:
    return patterns[0] if len(patterns) == 1 else list(patterns)


def _flow(value: Any) -> str:
    return plain_yaml.dump(value, default_flow_style=True, width=1000).removesuffix("...\n").rstrip()
