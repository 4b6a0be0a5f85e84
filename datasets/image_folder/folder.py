"""Which files of the folder make a pair, and in which split it is."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from datasets.audit import BadFileError, Kind, Problem, listed
from datasets.errors import DatasetError
from datasets.image_folder.layout import Layout
from datasets.image_folder.sections import SPLITS
from datasets.pairs import Pair, Split
from datasets.raw import RawFolder


@dataclass(frozen=True)
class Named:
    """A file that a pattern matches.

    Attributes:
        file: Its name in the raw folder.
        part: What stands for `{split}`; empty where the pattern has none.
        id: What stands for `{id}`, in Unicode's composed form, as a Mac and a PC may write a name differently.
        group: What stands for `{group}`; empty where the pattern has none.
        name: What the record is called and what pairs it: the id, or group/id where ids begin anew in each group.
    """

    file: str
    part: str
    id: str
    group: str
    name: str


def find(raw: RawFolder, layout: Layout) -> dict[str, Split]:
    """Pair the files that the layout's patterns match.

    Raises:
        DatasetError: Nothing matches, a split is empty, or a list names images that are not there or several at once.
    """
    masks = _matching(raw, layout.masks, skip=frozenset())
    images = _matching(raw, layout.images, skip=frozenset(mask.file for mask in masks))
    if not images or not masks:
        raise DatasetError(_nothing(raw, layout, images, masks))
    images, masks = _named(layout, images, masks)
    split_of = Divider(raw, layout, images)
    image_of, doubled = _unique(images)
    mask_of, doubled_masks = _unique(masks)
    twice = {(named.part, named.name) for named, _ in (*doubled, *doubled_masks)}
    found: dict[str, tuple[list[Pair], list[Problem]]] = {name: ([], []) for name in SPLITS}
    for key in sorted(image_of.keys() | mask_of.keys()):
        image, mask = image_of.get(key), mask_of.get(key)
        split = split_of(image_of.get(key) or mask_of[key])
        if split is None:
            continue
        if not (image and mask):
            found[split][1].append(_alone(layout, split, image, mask))
        elif key not in twice:
            found[split][0].append(Pair(image.name, image.group or "all", image.file, mask.file))
    for again, first in (*doubled, *doubled_masks):
        split = split_of(again)
        if split is not None:
            detail = f"{first} has the same id"
            found[split][1].append(Problem(Kind.DUPLICATE, split, again.file, again.name, detail))
    return _named_splits(raw, layout, found)


def _matching(raw: RawFolder, patterns: Iterable[str], skip: frozenset[str]) -> list[Named]:
    found: dict[str, Named] = {}
    for pattern in patterns:
        wanted = re.compile(_expression(pattern))
        folder = re.split(r"[{*?]", pattern)[0].rpartition("/")[0]
        for file in raw.files(f"{folder}/**/*" if folder else "**/*"):
            match = wanted.fullmatch(file)
            if match and file not in skip and file not in found:
                parts = match.groupdict()
                id_ = unicodedata.normalize("NFC", parts["id"])
                found[file] = Named(file, parts.get("split") or "", id_, parts.get("group") or "", id_)
    return [found[file] for file in sorted(found)]


def _expression(pattern: str) -> str:
    """Give the regular expression of a pattern. What stands twice must be the same twice."""
    signs = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]", "{id}": "(?P<id>.+)"}
    for name in ("split", "group"):
        signs[f"{{{name}}}"] = f"(?P<{name}>[^/]+)"
    expression, seen = "", set()
    for part in re.split(r"(\*\*/|\*|\?|\{\w+\})", pattern):
        again = part in seen and part.startswith("{")
        expression += f"(?P={part[1:-1]})" if again else signs.get(part, re.escape(part))
        seen.add(part)
    return expression


def _named(layout: Layout, images: list[Named], masks: list[Named]) -> tuple[list[Named], list[Named]]:
    """Put the group into every name where an id stands in several groups, and all patterns say which it is."""
    if any("{group}" not in pattern for pattern in (*layout.images, *layout.masks)):
        return images, masks
    group_of = {(file.part, file.id): file.group for file in (*images, *masks)}
    if all(group_of[file.part, file.id] == file.group for file in (*images, *masks)):
        return images, masks
    images, masks = ([replace(file, name=f"{file.group}/{file.id}") for file in files] for files in (images, masks))
    return images, masks


def _unique(files: list[Named]) -> tuple[dict[tuple[str, str], Named], list[tuple[Named, str]]]:
    """Give files by (part, name), and those whose key was met before, each with the file that was."""
    first: dict[tuple[str, str], Named] = {}
    again = []
    for named in files:
        key = (named.part, named.name)
        if key in first:
            again.append((named, first[key].file))
        else:
            first[key] = named
    return first, again


class Divider:
    """Says in which split a file is.

    Args:
        raw: Where the lists lie.
        layout: What says it.
        images: All images; a mask goes with the image of its name.
    """

    def __init__(self, raw: RawFolder, layout: Layout, images: list[Named]) -> None:
        self._splits, self._group_of = layout.splits, {image.name: image.group for image in images}
        self._ratios = {str(split): ratio for split, ratio in (layout.splits.ratios or {}).items()}
        self._of_part = {part: split for split, part in (layout.splits.folders or {}).items()}
        self._of_name = _listed_names(raw, layout.splits.lists or {}, images)

    def __call__(self, named: Named) -> str | None:
        """Give the split of a file; None where it is in none of those that the layout names."""
        if self._splits.folders:
            return self._of_part.get(named.part)
        if self._splits.lists:
            return self._of_name.get(named.name)
        name = self._group_of.get(named.name, named.group) or named.name
        return by_lot(name, self._ratios, self._splits.seed)


def by_lot(name: str, ratios: Mapping[str, float], seed: int) -> str:
    """Give the split that a name, of an image or a group, falls to: a function of it, `ratios` and `seed` alone."""
    at = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64
    for split, ratio in ratios.items():
        at -= ratio
        if at < 0:
            return split
    return list(ratios)[-1]


def _listed_names(raw: RawFolder, lists: dict, images: list[Named]) -> dict[str, str]:
    """Give {name: split} of what the lists name, by id or by group/id."""
    meant = _meant(images)
    of_name: dict[str, str] = {}
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
            allowed = "{id} in `images`, or for {group}/{id}" if grouped else "{id} in `images`"
            advice = f"A line is what stands for {allowed}, no more."
            faults.append(f"{file} names {len(missing)} ids without an image: {listed(missing)}. {advice}")
        several = sorted(line for line in lines & meant.keys() if len(meant[line]) > 1)
        if several:
            example = min(meant[several[0]])
            advice = f"Write them as {{group}}/{{id}}, such as {example}."
            faults.append(f"{file} names {len(several)} ids that several groups have: {listed(several)}. {advice}")
        names = {name for line in lines for name in meant.get(line, ()) if len(meant[line]) == 1}
        twice = sorted(names & of_name.keys())
        if twice:
            faults.append(f"{file} names ids that another list names too: {listed(twice)}.")
        of_name.update(dict.fromkeys(names, split))
    if faults:
        raise DatasetError("\n".join([f"In {raw.path}:", *faults]))
    return of_name


def _meant(images: list[Named]) -> dict[str, set[str]]:
    """Give the names of the images that a line of a list may mean; a name means itself, whatever else it is."""
    meant: dict[str, set[str]] = {}
    for image in images:
        for line in (image.id, f"{image.group}/{image.id}") if image.group else (image.id,):
            meant.setdefault(line, set()).add(image.name)
    return meant | {image.name: {image.name} for image in images}


def _alone(layout: Layout, split: str, image: Named | None, mask: Named | None) -> Problem:
    if image:
        return Problem(Kind.WITHOUT_MASK, split, image.file, image.name, _wanted(layout.masks, image))
    assert mask
    return Problem(Kind.WITHOUT_IMAGE, split, mask.file, mask.name, _wanted(layout.images, mask))


def _wanted(patterns: list[str], named: Named) -> str:
    values = {"{id}": named.id, "{split}": named.part, "{group}": named.group or "*"}
    names = [re.sub(r"\{\w+\}", lambda match: values[match[0]], pattern) for pattern in patterns]
    return f"no file {' or '.join(names)}"


def _named_splits(raw: RawFolder, layout: Layout, found: dict) -> dict[str, Split]:
    given = layout.splits.folders or layout.splits.lists or layout.splits.ratios or {}
    splits = {name: Split(tuple(pairs), tuple(problems)) for name, (pairs, problems) in found.items()}
    empty = [name for name in given if not splits[name].ids]
    if empty:
        advice = "Another `seed` or other `ratios` may fill it." if layout.splits.ratios else "Look at `splits`."
        raise DatasetError(f"In {raw.path}: no image is in {' and '.join(empty)}. {advice}")
    return {name: split for name, split in splits.items() if name in given}


def _nothing(raw: RawFolder, layout: Layout, images: list[Named], masks: list[Named]) -> str:
    lines = [f"In {raw.path}:"]
    lines += [f"No file matches images: {' or '.join(layout.images)}."] if not images else []
    lines += [f"No file matches masks: {' or '.join(layout.masks)}."] if not masks else []
    return "\n".join([*lines, f"There are: {listed(raw.listing()) or 'no files'}."])
