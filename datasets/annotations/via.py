"""VGG Image Annotator: a JSON of all images, or a saved project. Polygons are filled as in COCO; later lies on top."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from datasets.annotations.canvas import Canvas, coco_runs, pillow_mask, points_of
from datasets.annotations.images import Images
from datasets.annotations.index import Index
from datasets.annotations.json_spans import Span, parse, text, walk
from datasets.annotations.labels import Labels
from datasets.audit import BadFileError, Kind
from datasets.raw import Part, RawFolder
from datasets.reader import Drawing

PROJECT = "_via_img_metadata"
"""The key of a saved project under which its images are."""

NAMES = ("label", "class", "class_name", "name", "type", "category")
"""Attributes that hold the class where a region has several."""

UNNAMED = "object"
"""Label of regions without attributes, as in data of a single class."""


def index(raw: RawFolder, files: Sequence[str], images: Images) -> Index:
    """Read which image has which regions. Raises BadFileError, which names the file."""
    contents = Index()
    for file in files:
        named: list[tuple[str, tuple[Part, ...]]] = []
        labels: dict[str, None] = {}
        try:
            content = raw.read(file)
            for entry, span in entries(content):
                named.append((text(entry["filename"]), (Part(file, *span),)))
                labels |= {text(label): None for region in _regions(entry) if (label := _label(region)) is not None}
        except (KeyError, TypeError, AttributeError) as error:
            detail = f"not as VIA has it ({type(error).__name__}: {error})"
            raise BadFileError(Kind.ANNOTATION, f"{file}: {detail}") from None
        except BadFileError as error:
            raise BadFileError(error.kind, f"{file}: {error.detail}") from None
        contents.add(file, images, named)
        contents.declare(labels)
    return contents


def draw(drawing: Drawing, labels: Labels) -> np.ndarray:
    """Draw the regions in the order of the file: uint8 [H, W]. Raises BadFileError."""
    ((_, content),) = drawing.files
    canvas = Canvas(drawing, labels)
    for number, region in enumerate(_regions(parse(content))):
        with canvas.shape(f"region {number}"):
            label = _label(region)
            if label is None:
                names = ", ".join(region["region_attributes"])
                raise BadFileError(Kind.ANNOTATION, f"which of its attributes is the class? Received: {names}")
            canvas.paint(_mask(region["shape_attributes"], canvas), label)
    return canvas.finish()


def entries(content: bytes) -> list[tuple[Any, Span]]:
    """Return the entry of each image, with its place."""
    entries: list[tuple[Any, Span]] = []
    keys = walk(content, {PROJECT: lambda entry, span: entries.append((entry, span))})
    if PROJECT in keys:
        return entries
    for span in keys.values():
        entry = parse(content[span.start : span.start + span.length])
        if not isinstance(entry, dict) or not {"filename", "regions"} <= entry.keys():
            raise BadFileError(Kind.ANNOTATION, "a JSON whose entries lack `filename` and `regions`: not of VIA")
        entries.append(({**entry, "filename": entry["filename"].encode().decode("latin-1")}, span))
    return entries


def _regions(entry: Any) -> list[Any]:
    regions = entry["regions"]
    return list(regions.values()) if isinstance(regions, dict) else regions  # VIA 1: {"0": region, ...}


def _label(region: Any) -> str | None:
    """Return the label of a region; None where it is not clear."""
    attributes = region.get("region_attributes") or {}
    values = list(attributes.values())
    if len(values) > 1:
        values = [attributes[name] for name in NAMES if name in attributes][:1]
    if not attributes:
        return UNNAMED
    value = values[0] if len(values) == 1 else None
    if isinstance(value, dict):  # check boxes
        chosen = [name for name, is_set in value.items() if is_set]
        value = chosen[0] if len(chosen) == 1 else None
    return str(value) if value not in (None, "") else None


def _mask(shape: Any, canvas: Canvas) -> np.ndarray:
    kind = shape["name"]
    if kind == "polygon":
        points = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
        return coco_runs([[value for point in points for value in point]], canvas)
    if kind == "rect":
        x, y, width, height = (float(shape[key]) for key in ("x", "y", "width", "height"))
        return coco_runs([[x, y, x + width, y, x + width, y + height, x, y + height]], canvas)
    if kind in ("circle", "ellipse") and not math.fmod(shape.get("theta") or 0, math.pi):
        radii = np.array([shape.get("rx", shape.get("r")), shape.get("ry", shape.get("r"))], float)
        centre = np.array([shape["cx"], shape["cy"]], float)
        box = points_of([centre - radii, centre + radii], canvas.size, least=2)
        return pillow_mask(canvas.size, "ellipse", box)
    read = "polygon, rect, circle and ellipse that is not turned"
    raise BadFileError(Kind.ANNOTATION, f"a shape of the kind {kind!r}; read are {read}")
