"""Recognise masks that a tool exported with a list of their classes: that list says what the values mean."""

import csv
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from datasets.audit import BadFileError
from datasets.errors import DatasetError
from datasets.image_folder.meaning import Meaning
from datasets.raw import RawFolder
from datasets.spec import IGNORE

VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Classes of PASCAL VOC by id; 255 is the border (VOC2012 development kit, section 5.3)."""

DICTIONARIES = ("class_dict.csv", "_classes.csv")
"""Names of the lists that lie beside folders of masks: CamVid's, and Roboflow's in each split."""


Export = tuple[Meaning, tuple[str, ...]]
"""The meaning of the masks, and the names of the folders that count; none: all."""


def recognise(raw: RawFolder, files: Sequence[str]) -> Export | None:
    """Return the export that a folder is; None where it is none.

    Raises:
        DatasetError: A list of classes is there, and is not as the tool writes it.
    """
    by_name: dict[str, str] = {}
    for file in sorted(files, key=lambda file: (file.count("/"), file)):
        by_name.setdefault(PurePosixPath(file).name, file)
    folders = {folder for file in files for folder in PurePosixPath(file).parts[:-1]}
    if "labelmap.txt" in by_name and "SegmentationClass" in folders:
        return _of_cvat(raw, by_name["labelmap.txt"])
    if "class_names.txt" in by_name and "JPEGImages" in folders:
        masks = next((name for name in ("SegmentationClassPNG", "SegmentationClass") if name in folders), None)
        return _of_labelme(raw, by_name["class_names.txt"], masks) if masks else None
    for name in DICTIONARIES:
        if name in by_name:
            _require_equal(raw, [file for file in files if PurePosixPath(file).name == name])
            return _of_csv(raw, by_name[name])
    if {"SegmentationClass", "JPEGImages", "Annotations"} <= folders:
        return _of_voc(raw, [file for file in files if "Annotations" in PurePosixPath(file).parts[:-1]])
    return None


def _of_cvat(raw: RawFolder, file: str) -> Export:
    """Read labelmap.txt: `label:r,g,b:parts:actions` in each line."""
    classes = []
    for line in _lines(raw, file):
        name, colour = line.split(":")[0], line.split(":")[1:2]
        if not line.startswith("#"):
            classes.append((name, _colour(raw, file, line, colour[0].split(",") if colour else [])))
    return _meaning(f"CVAT ({file})", "colours", classes), ("JPEGImages", "SegmentationClass")


def _of_labelme(raw: RawFolder, file: str, masks: str) -> Export:
    """Read class_names.txt: a name in each line, by id; `__ignore__` is -1, stored as 255."""
    names = [name for name in _lines(raw, file) if name != "__ignore__"]
    return _meaning(f"labelme to VOC ({file})", "ids", _by_id(names), IGNORE), ("JPEGImages", masks)


def _of_voc(raw: RawFolder, annotations: Sequence[str]) -> Export | None:
    """Return VOC's classes where the boxes beside the masks are of these only, which no other tool's are."""
    labels: set[str] = set()
    for file in annotations[:50]:
        with suppress(BadFileError):
            content = raw.read(file).decode("utf-8", "replace")
            labels |= {part.partition("</name>")[0].strip() for part in content.split("<object>")[1:]
                       for part in part.split("<name>")[1:2]}  # fmt: skip
    if not labels or not labels <= {*VOC}:
        return None
    return _meaning("PASCAL VOC", "ids", _by_id(VOC), IGNORE), ("JPEGImages", "SegmentationClass", "Annotations")


def _of_csv(raw: RawFolder, file: str) -> Export:
    """Read `name,r,g,b`, as for CamVid, or `Pixel Value, Class`, as from Roboflow."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(_lines(raw, file))]
    head, body = [cell.lower() for cell in rows[0]], rows[1:]
    if {"name", "r", "g", "b"} <= {*head}:
        body = [row + [""] * (len(head) - len(row)) for row in body]
        name, *bands = (head.index(column) for column in ("name", "r", "g", "b"))
        classes = [
            (row[name], _colour(raw, file, ",".join(filter(None, row)), [row[band] for band in bands])) for row in body
        ]
        return _meaning(f"class_dict.csv ({file})", "colours", classes), ()
    if head[:2] == ["pixel value", "class"] and all(row[0].isdecimal() and len(row) > 1 for row in body):
        return _meaning(f"Roboflow ({file})", "ids", [(row[1], int(row[0])) for row in body]), ()
    raise DatasetError(
        f"In {raw.path}: {file} must begin with the columns name, r, g, b, or Pixel Value, Class. "
        f"Received: {', '.join(rows[0])}. Correct it, or move it out of the folder."
    )


def _by_id(names: Sequence[str]) -> list[tuple[str, Any]]:
    return [(name, index) for index, name in enumerate(names)]


def _meaning(title: str, read: str, classes: Sequence[tuple[str, Any]], *ignore: int) -> Meaning:
    """Return the meaning of masks by the list of a tool: (name, raw value) of each class, in its order."""
    note = f"the masks are an export of {title}, which lists {len(classes)} classes and their values"
    values = [(raw, None) for _, raw in classes]
    return Meaning({"read": read}, values, list(ignore), [note], names=[name for name, _ in classes])


def _require_equal(raw: RawFolder, lists: Sequence[str]) -> None:
    """Raise DatasetError where the lists of several splits give a value several classes."""
    first = _lines(raw, lists[0])
    if differing := [file for file in lists if _lines(raw, file) != first]:
        raise DatasetError(
            f"In {raw.path}: {lists[0]} and {', '.join(differing)} differ, so a value has several classes. Export all "
            "splits in one go, or read one of them: move the others out of the folder."
        )


def _lines(raw: RawFolder, file: str) -> list[str]:
    try:
        lines = raw.lines(file)
    except BadFileError as error:
        raise DatasetError(f"In {raw.path}: {file}: {error}.") from None
    if not lines:
        raise DatasetError(f"In {raw.path}: {file} is empty. Export it again, or remove it.")
    return lines


def _colour(raw: RawFolder, file: str, line: str, numbers: Sequence[str]) -> list[int]:
    values = [int(number) for number in numbers if number.strip().isdecimal()]
    if len(values) != 3 or len(numbers) != 3 or max(values) > 255:
        raise DatasetError(f"In {raw.path}: {file}: the line {line!r} has no colour, such as 250,50,83.")
    return values
