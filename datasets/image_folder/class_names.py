"""Name the classes of masks, as their tool does or a list beside them; those called "no class" are ignored."""

from contextlib import suppress
from typing import Any

from datasets.audit import BadFileError
from datasets.image_folder import void
from datasets.image_folder.meaning import Meaning
from datasets.raw import RawFolder

LISTS = ("classes.txt", "class_names.txt", "labels.txt", "names.txt")
"""Usual names of files with the classes, one per line."""

FOR_IGNORED = "__ignore__"  # First line of labelme's list: the name of what is ignored, of id -1, which becomes 255


def name(raw: RawFolder, meaning: Meaning) -> tuple[list[dict[str, Any]], list[Any], list[str]]:
    """Return the layout's `classes` and `ignore`, and notes."""
    number = len(meaning.classes)
    names, notes = (list(meaning.names), []) if meaning.names else _read_names(raw, meaning)
    void_names = {name for name in names if void.is_void(name)}
    if len(names) - len(void_names) < 2 or meaning.mask["read"] == "threshold":
        void_names = set()
    if void_names:
        notes.append(f"{', '.join(sorted(void_names))}: ignored, as the name says; make it a class if it is one")
    if not names:
        names = ["background", "object"] if number == 2 else [f"class_{index}" for index in range(number)]
        advice = "give the second its name" if number == 2 else "give them their names"
        notes.append(f"{number} classes; {advice}")
    classes, ignored = [], list(meaning.ignore)
    for name_, (value, colour) in zip(names, meaning.classes, strict=True):
        if name_ in void_names:
            ignored.append(value)
            continue
        given = {"raw": value} if value is not None else {}
        classes.append({"name": name_, **given, **({"colour": list(colour)} if colour else {})})
    return classes, ignored, notes


def _read_names(raw: RawFolder, meaning: Meaning) -> tuple[list[str], list[str]]:
    """Return the names in the order of the classes, or none; and notes."""
    number = len(meaning.classes)
    for file in LISTS:
        with suppress(BadFileError):  # missing, or not a text file
            lines = _fit(raw.lines(file), meaning)
            if len(lines) != number or len(set(lines)) != number:
                continue
            if meaning.mask["read"] == "colours" and not meaning.ordered:
                return [], [f"{file} names {number} classes, but does not say which colour is which"]
            notes = [f"{number} classes, whose names are those of {file}"]
            background = [line for line in lines if line.strip("_").lower() == "background"]
            if background:
                notes.append(f"{background[0]} is a class; if it is what was not labelled, move its `raw` to `ignore`")
            return lines, notes
    return [], []


def _fit(lines: list[str], meaning: Meaning) -> list[str]:
    """Leave out the lines that name what is ignored already: the first of labelme's, or those at ignored values."""
    if lines and lines[0] == FOR_IGNORED and len(lines) == len(meaning.classes) + 1:
        return lines[1:]
    values = sorted([*(value for value, _ in meaning.classes), *meaning.ignore])
    if not meaning.ignore or len(lines) != len(values):
        return lines
    left_out = {line for line, value in zip(lines, values, strict=True) if value in meaning.ignore}
    return [line for line in lines if line not in left_out] if all(map(void.is_void, left_out)) else lines
