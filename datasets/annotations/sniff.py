"""Recognise the tool that wrote the annotation files of a folder, by what is in them."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from datasets import plain_yaml
from datasets.annotations import coco, label_studio, via
from datasets.annotations.json_spans import parse, walk
from datasets.audit import BadFileError
from datasets.raw import Part, RawFolder

SAMPLED = 5  # Number of files that are opened of each folder with many
HEAD = 4096  # Bytes of an XML in which its first elements are, and of a CSV with its first line

ORDER = ("coco_panoptic", "coco", "cvat", "label_studio", "via", "supervisely", "yolo", "labelme")
"""Of files of several tools the first counts; COCO is the form to which others are exported."""

NO_JSON, COCO_UNDRAWN, CVAT_VIDEO, YOLO_UNNAMED, BRUSH_PNG = UNREAD = (
    "no_json", "coco_undrawn", "cvat_video", "yolo_unnamed", "brush_png"
)  # fmt: skip
"""Kinds of files that are recognised and cannot be read: `tool_refusals.py` says why, and what to do."""

BRUSH = re.compile(r"(?:^|/)task-\d+-annotation-\d+-by-\d*-tag-[^/]*-\d+\.(?:png|npy)$")
"""Name of a brush that Label Studio exported as PNG or NumPy."""

ROW = re.compile(rb"\s*\d+(?:\s+[\d.eE+-]+){4,}\s*$")  # A line of YOLO: a class and a box or a polygon


def recognise(raw: RawFolder, files: Sequence[str]) -> dict[str, list[str]]:
    """Return {tool: its files} of the tools in `ORDER`, then those of the kinds in `UNREAD`.

    Args:
        raw: The raw folder.
        files: Names of all its files.
    """
    by_tool: dict[str, list[str]] = defaultdict(list)
    by_folder: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file in files:
        path = PurePosixPath(file)
        if path.suffix.lower() in _KIND_OF:
            by_folder[str(path.parent), path.suffix.lower()].append(file)
    for (_, suffix), members in sorted(by_folder.items()):
        kind_of = _KIND_OF[suffix]
        sample = members[:: max(1, len(members) // SAMPLED)] if len(members) > 2 * SAMPLED else []
        kinds = {kind_of(raw, file) for file in sample}
        for file in members:  # each is opened unless the files of a large folder are alike
            by_tool[min(kinds) if len(kinds) == 1 else kind_of(raw, file)].append(file)
    lines = [file for file in files if _is_label_file(file)]
    named = bool(lines and yolo_names(raw, files))
    by_tool["yolo" if named else YOLO_UNNAMED] = lines if named or _are_rows(raw, lines[:SAMPLED]) else []
    by_tool[BRUSH_PNG] = [file for file in files if BRUSH.search(file)]
    return {tool: by_tool[tool] for tool in (*ORDER, *UNREAD) if by_tool.get(tool)}


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


def _are_rows(raw: RawFolder, files: Sequence[str]) -> bool:
    """Whether all lines of some text files are YOLO's, and there is one."""
    lines: list[bytes] = []
    for file in files:
        with suppress(BadFileError):  # an empty one is of an image without objects
            lines += filter(bytes.strip, raw.read(file).splitlines())
    return bool(lines) and all(ROW.match(line) for line in lines)


def _kind_of_xml(raw: RawFolder, file: str) -> str:
    with suppress(BadFileError):
        content = raw.read(file)
        if b"<annotations>" in content[:HEAD]:
            return "cvat" if b"<image " in content else CVAT_VIDEO if b"<track " in content else ""
    return ""


def _kind_of_csv(raw: RawFolder, file: str) -> str:
    with suppress(BadFileError):
        ((_, head),) = raw.read_parts([Part(file, 0, HEAD)])
        return "via" if via.COLUMN in head.split(b"\n", 1)[0] else ""
    return ""


def _kind_of_json(raw: RawFolder, file: str) -> str:
    """Return the tool of a JSON, or its kind of `UNREAD`; "" where it is of none."""
    first: dict[str, Any] = {}

    def keep(key: str) -> Any:
        return lambda value, _: first.setdefault(key, value)

    def keep_drawn(value: Any, _: Any) -> None:
        if not _is_drawn(first.get("annotations")):
            first["annotations"] = value

    try:
        content = raw.read(file)
        keys = walk(content, {"": keep(""), "objects": keep("objects"), "annotations": keep_drawn}).keys()
    except BadFileError:
        return _kind_of_broken(raw, file)
    if keys >= coco.KEYS:
        drawn: Any = first.get("annotations")
        return COCO_UNDRAWN if not _is_drawn(drawn) else "coco_panoptic" if "segments_info" in drawn else "coco"
    if "shapes" in keys and keys & {"imagePath", "imageHeight"}:
        return "labelme"
    if keys >= {"objects", "size"} and (first.get("objects") is None or "classTitle" in first["objects"]):
        return "supervisely"
    if label_studio.is_task(first.get("")):
        return "label_studio"
    with suppress(BadFileError, KeyError, TypeError, AttributeError):
        return "via" if via.PROJECT in keys or via.entries(file, content) else ""
    return ""


def _kind_of_broken(raw: RawFolder, file: str) -> str:
    """Return the kind of a file that cannot be walked: no JSON, unless it is one whose top is a number or a text."""
    try:
        parse(raw.read(file))
    except BadFileError:
        return NO_JSON
    return ""


def _is_drawn(annotation: Any) -> bool:
    """Whether an annotation of COCO says where its pixels are: captions and boxes do not."""
    return isinstance(annotation, dict) and bool(annotation.get("segmentation") or "segments_info" in annotation)


_KIND_OF = {".json": _kind_of_json, ".xml": _kind_of_xml, ".csv": _kind_of_csv}
