"""Recognise the tool that wrote the annotation files of a folder, by the keys in them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from datasets import plain_yaml
from datasets.annotations import coco, label_studio, via
from datasets.annotations.json_spans import walk
from datasets.audit import BadFileError
from datasets.raw import RawFolder

SAMPLED = 5
"""Number of files that are opened of each folder with many."""

HEAD = 4096
"""Bytes of an XML in which its first elements are."""

ORDER = ("coco_panoptic", "coco", "cvat", "label_studio", "via", "supervisely", "yolo", "labelme")
"""Of files of several tools the first counts; COCO is the form to which others are exported."""


def recognise(raw: RawFolder, files: Sequence[str]) -> dict[str, list[str]]:
    """Return {tool: its files} of the tools in `ORDER`.

    Args:
        raw: The raw folder.
        files: Names of all its files.
    """
    by_tool: dict[str, list[str]] = defaultdict(list)
    by_folder: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file in files:
        path = PurePosixPath(file)
        if path.suffix.lower() in (".json", ".xml"):
            by_folder[str(path.parent), path.suffix.lower()].append(file)
    for (_, suffix), members in sorted(by_folder.items()):
        kind_of = _kind_of_xml if suffix == ".xml" else _kind_of_json
        step = max(1, len(members) // SAMPLED)
        kinds = {kind_of(raw, file) for file in (members if len(members) <= 2 * SAMPLED else members[::step])}
        if len(members) <= 2 * SAMPLED:
            for file in members:
                by_tool[kind_of(raw, file)].append(file)
        elif len(kinds) == 1:
            by_tool[kinds.pop()] += members
    if names := yolo_names(raw, files):
        by_tool["yolo"] = [file for file in files if _is_label_file(file)] if names else []
    return {tool: by_tool[tool] for tool in ORDER if by_tool.get(tool)}


def yolo_names(raw: RawFolder, files: Sequence[str]) -> Mapping[int, str]:
    """Return {number: name} of the classes in Ultralytics' YAML, such as data.yaml; empty where there is none."""
    for file in sorted(files, key=lambda file: (file.count("/"), file)):
        if PurePosixPath(file).suffix in (".yaml", ".yml"):
            with suppress(plain_yaml.YamlError, OSError, BadFileError):
                tree = plain_yaml.load(raw.path / file)
                names = tree.get("names") if isinstance(tree, dict) and ("train" in tree or "path" in tree) else None
                if isinstance(names, list) and names:
                    return {number: str(name) for number, name in enumerate(names)}
                if isinstance(names, dict) and names and all(str(number).isdecimal() for number in names):
                    return {int(number): str(name) for number, name in names.items()}
    return {}


def _is_label_file(file: str) -> bool:
    parts = PurePosixPath(file).parts
    return file.endswith(".txt") and "labels" in parts[:-1]


def _kind_of_xml(raw: RawFolder, file: str) -> str:
    with suppress(BadFileError):
        content = raw.read(file)
        if b"<annotations>" in content[:HEAD] and b"<image " in content:
            return "cvat"
    return ""


def _kind_of_json(raw: RawFolder, file: str) -> str:
    """Return the tool of a JSON; "" where it is of none, or no JSON."""
    first: dict[str, Any] = {}

    def keep(key: str) -> Any:
        return lambda value, _: first.update({key: value}) if not _is_drawn(first.get(key)) else None

    try:
        visits = {
            "": keep(""),
            "annotations": keep("annotations"),
            "shapes": keep("shapes"),
            "objects": keep("objects"),
        }
        keys = walk(raw.read(file), visits).keys()
    except BadFileError:
        return ""
    if keys >= coco.KEYS:
        return _kind_of_coco(first.get("annotations"))
    if "shapes" in keys and keys & {"imagePath", "imageHeight"}:
        return "labelme"
    if keys >= {"objects", "size"} and (first.get("objects") is None or "classTitle" in first["objects"]):
        return "supervisely"
    if label_studio.is_task(first.get("")):
        return "label_studio"
    with suppress(BadFileError, KeyError, TypeError, AttributeError):
        return "via" if via.PROJECT in keys or via.entries(raw.read(file)) else ""
    return ""


def _kind_of_coco(annotation: Any) -> str:
    """Return the kind of COCO by an annotation: "" for captions and boxes, which say nothing about pixels."""
    if isinstance(annotation, dict) and "segments_info" in annotation:
        return "coco_panoptic"
    return "coco" if isinstance(annotation, dict) and "segmentation" in annotation and _is_drawn(annotation) else ""


def _is_drawn(value: Any) -> bool:
    """Whether an element says where its pixels are: captions and boxes of COCO do not."""
    return value is not None and not (isinstance(value, dict) and "bbox" in value and not value.get("segmentation"))
