"""Read a folder by its guessed layout as ingest will, and correct the layout, or say what will be refused."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from datasets.audit import Kind, Problem
from datasets.errors import DatasetError
from datasets.image_folder import folder, headers, split_guess
from datasets.image_folder.layout import Layout
from datasets.image_folder.names import Match
from datasets.image_folder.sampling import read_each, sample
from datasets.pairs import Pair, Split
from datasets.raw import RawFolder
from datasets.spec import IGNORE

SEARCHED = 50  # A split of more masks than this is not searched for its classes
SAID_BEFORE = (Kind.WITHOUT_MASK, Kind.STRAY)  # Kinds of problems of names that the notes on pairs mention


@dataclass
class Rehearsal:
    """What ingest will do with a layout.

    Attributes:
        layout: The layout, as plain values, corrected.
        pairs: All pairs; empty if ingest will refuse the folder as a whole.
        notes: What was corrected, and what will be refused.
    """

    layout: dict[str, Any]
    pairs: Sequence[Pair] = ()
    notes: list[str] = field(default_factory=list)


def rehearse(raw: RawFolder, layout: dict[str, Any], match: Match) -> Rehearsal:
    """Pair the files as ingest does by a layout, given as plain values, and look at some of them."""
    from datasets.image_folder.image_folder_dataset_builder import reader_of

    done = Rehearsal(dict(layout))
    splits = _find(raw, done, match)
    if splits is None:
        return done
    unlisted = match.pairs - sum(len(split.ids) for split in splits.values())
    if "lists" in done.layout["splits"] and unlisted > 0:
        done.notes.append(f"{unlisted} images with a mask are in no list, and so in no split")
    splits = _share_classes(raw, done, match, splits)
    done.pairs = [pair for split in splits.values() for pair in split.pairs]
    exif, notes = headers.orientation(raw, done.pairs)
    if exif:
        done.layout["image"] = {**done.layout.get("image", {}), "exif": exif}
    by_name = [one for split in splits.values() for one in split.problems if one.kind not in SAID_BEFORE]
    described = Layout.model_validate(done.layout)
    by_header = [
        problem
        for problem in headers.problems(raw, described, splits, reader_of(described).check)
        if not (notes and problem.kind is Kind.ORIENTATION)
    ]
    done.notes += [*notes, *messages([*by_name, *by_header])]
    return done


def _find(raw: RawFolder, done: Rehearsal, match: Match) -> dict[str, Split] | None:
    """Return the splits; where lists do not fit the images, draw them at random. None if ingest refuses the folder."""
    try:
        return folder.find(raw, Layout.model_validate(done.layout))
    except DatasetError as error:
        reason = " ".join(str(error).splitlines()[1:]) or str(error)
    lists = done.layout["splits"].get("lists")
    if not lists:
        done.notes.append(f"ingest will refuse this: {reason}")
        return None
    done.layout["splits"], notes = split_guess.guess(raw, match, {})
    done.notes += [f"{', '.join(lists.values())} are not used as splits, as they do not fit: {reason}", *notes]
    with suppress(DatasetError):
        return folder.find(raw, Layout.model_validate(done.layout))
    return None


def _share_classes(raw: RawFolder, done: Rehearsal, match: Match, splits: dict[str, Split]) -> dict[str, Split]:
    """Draw images instead of groups where a split of whole groups would lack a class; say which classes splits lack."""
    missing = _missing(raw, done.layout, splits)
    section = done.layout["splits"]
    if missing and "ratios" in section and "by" not in section and "" not in match.groups and len(match.groups) > 1:
        by_image, _ = split_guess.by_image(match)
        with suppress(DatasetError):
            others = folder.find(raw, Layout.model_validate({**done.layout, "splits": by_image}))
            rest = _missing(raw, done.layout, others)
            if len(rest) < len(missing):
                done.layout["splits"] = by_image
                done.notes.append(
                    f"splits of whole folders would lack classes ({'; '.join(missing)}), so images are drawn from each "
                    "folder (by: image). If a folder holds images of one source, such as a patient, set by: group"
                )
                splits, missing = others, rest
    done.notes += [f"look at the splits: {words}" for words in missing]
    return splits


def _missing(raw: RawFolder, layout: Mapping[str, Any], splits: Mapping[str, Split]) -> list[str]:
    """Return, for each split of few masks, which classes none of them shows although another split does."""
    from datasets.image_folder.image_folder_dataset_builder import reader_of

    described = Layout.model_validate(layout)
    read = reader_of(described).mask
    shown: dict[str, set[int]] = {}
    for name, split in splits.items():
        masks = [mask for pair in sample(split.pairs, SEARCHED) for mask in (pair.mask, *pair.further) if mask]
        labels = (label for _, label in read_each(raw, masks, len(masks), read))
        shown[name] = {value for label in labels for value in np.unique(label).tolist()} - {IGNORE}
    everywhere = set().union(*shown.values())
    lines = []
    for name, split in splits.items():
        names = [described.classes[index].name for index in sorted(everywhere - shown[name])]
        if names and len(split.pairs) <= SEARCHED:
            lines.append(f"no mask of {name} shows {', '.join(names)}")
    return lines


def messages(problems: Sequence[Problem]) -> list[str]:
    """Return a note for each kind of problem: the first file, and how many more."""
    notes = []
    for kind in dict.fromkeys(problem.kind for problem in problems):
        of = [problem for problem in problems if problem.kind is kind]
        detail = f" ({of[0].detail})" if of[0].detail else ""
        more = f" and {len(of) - 1} more" if len(of) > 1 else ""
        notes.append(f"bad files, {kind}: {of[0].file}{detail}{more}; `segline check` and `run` name them")
    return notes
