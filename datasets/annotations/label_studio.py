"""Label Studio: a JSON list of tasks. Polygons are filled as its COCO export is, brushes decoded; later lies on top."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from datasets.annotations import brush, coco_runs
from datasets.annotations.canvas import Canvas
from datasets.annotations.images import Images, plain_name
from datasets.annotations.index import Index, naming
from datasets.annotations.json_spans import Span, parse, text, walk
from datasets.annotations.labels import Labels
from datasets.audit import SUFFIXES, BadFileError, Kind
from datasets.raw import Part, RawFolder
from datasets.reader import Drawing

UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # What Label Studio puts before the name of an uploaded file

SHAPES = ("polygonlabels", "brushlabels", "rectanglelabels", "ellipselabels", "keypointlabels", "labels")
"""Types of results that give an area, or try to, a label."""


def index(raw: RawFolder, files: Sequence[str], images: Images) -> Index:
    """Read which image has which task. Raises BadFileError, which names the file."""
    contents = Index()
    for file in files:
        tasks: list[tuple[str, Part]] = []
        labels: dict[str, None] = {}

        def visit(task: Any, span: Span, file: str = file, tasks: list = tasks, labels: dict = labels) -> None:
            results = [result for annotation in _annotations(task) for result in annotation["result"]]
            labels |= {text(label): None for result in results for label in _labels(result)}
            if _annotations(task):
                tasks.append((text(_image(task)), Part(file, *span)))

        with naming(file, "Label Studio"):
            walk(raw.read(file), {"": visit})
        names = [plain_name(name) for name, _ in tasks]
        known = images.match(names, file)
        names = [name if fitting else _without_upload(name) for name, fitting in zip(names, known, strict=True)]
        contents.add(file, images, [(name, (part,)) for name, (_, part) in zip(names, tasks, strict=True)])
        contents.declare(labels)
    return contents


def draw(drawing: Drawing, labels: Labels) -> np.ndarray:
    """Draw the results in the order of the file: uint8 [H, W]. Raises BadFileError."""
    ((_, content),) = drawing.files
    annotations = _annotations(parse(content))
    chosen = [annotation for annotation in annotations if annotation.get("ground_truth")] or annotations
    if len(chosen) != 1:
        raise BadFileError(Kind.ANNOTATION, f"{drawing.image} has {len(chosen)} annotations: keep one of them")
    canvas = Canvas(drawing, labels)
    for result in chosen[0]["result"]:
        if result.get("type") in SHAPES:
            canvas.require_size(result.get("original_width"), result.get("original_height"))
            with canvas.shape(f"result {result.get('id')}"):
                names = _labels(result)
                if len(names) != 1:
                    raise BadFileError(Kind.ANNOTATION, f"has {len(names)} labels, where one is needed")
                canvas.paint(_mask(result["value"], canvas), names[0])
    return canvas.finish()


def _annotations(task: Any) -> list[Any]:
    """Return the annotations of a task that were not skipped. In JSON-MIN a task has one: its lists of values."""
    if "annotations" not in task:
        values = [value for values in task.values() if isinstance(values, list) for value in values]
        results = [_result(value) for value in values if isinstance(value, dict)]
        return [{"result": results}] if results else []
    return [annotation for annotation in task["annotations"] if not annotation.get("was_cancelled")]


def _result(value: Any) -> Any:
    """Return the result whose value JSON-MIN has."""
    kind = next((kind for kind in SHAPES if kind in value), "")
    sizes = {key: value.get(key) for key in ("original_width", "original_height")}
    return {"id": value.get("id"), "type": kind, "value": value, **sizes}


def is_task(value: Any) -> bool:
    """Whether an element of a list is a task of Label Studio, in full or in JSON-MIN."""
    if not isinstance(value, dict):
        return False
    lists = [entry for entries in value.values() if isinstance(entries, list) for entry in entries]
    return {"data", "annotations"} <= value.keys() or any(
        isinstance(entry, dict) and "original_width" in entry for entry in lists
    )


def _image(task: Any) -> str:
    values = [value for value in task.get("data", task).values() if isinstance(value, str)]
    images = [value for value in values if PurePosixPath(plain_name(value)).suffix.lower() in SUFFIXES]
    return (images or [str(task.get("file_upload") or "")])[0]


def _labels(result: Any) -> list[str]:
    return list(result["value"].get(result["type"]) or []) if result.get("type") in SHAPES else []


def _without_upload(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{UPLOAD.sub('', last)}"


def _mask(value: Any, canvas: Canvas) -> np.ndarray:
    scale = np.array([canvas.size[1], canvas.size[0]]) / 100  # from percent
    if "points" in value:
        points = np.array(value["points"], np.float64) * scale
        return coco_runs.decode([points.ravel().tolist()], canvas)
    if "rle" in value:
        return brush.decode(value["rle"], canvas.size)
    if "width" in value and "height" in value:
        corner, extent = np.array([value["x"], value["y"]]) * scale, np.array([value["width"], value["height"]]) * scale
        angle = np.radians(value.get("rotation") or 0)  # clockwise, about the corner
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        corners = corner + (np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * extent) @ turn
        return coco_runs.decode([corners.ravel().tolist()], canvas)
    raise BadFileError(Kind.ANNOTATION, "is neither polygon, brush nor rectangle, which are read")
