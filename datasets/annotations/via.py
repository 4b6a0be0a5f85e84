"""VGG Image Annotator: JSON, a saved project, or CSV. Polygons are filled as in COCO; a later region lies on top."""

import csv
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from datasets.annotations import coco_runs
from datasets.annotations.canvas import Canvas, pillow_mask
from datasets.annotations.images import Images
from datasets.annotations.index import Index, naming
from datasets.annotations.json_spans import Span, parse, walk
from datasets.annotations.labels import Labels
from datasets.annotations.outlines import points_of
from datasets.audit import BadFileError, Kind
from datasets.raw import Part, RawFolder
from datasets.reader import Drawing

PROJECT = "_via_img_metadata"  # The key of a saved project under which its images are
COLUMN = b"region_shape_attributes"  # A column of its CSV, in which each region has a line

NAMES = ("label", "class", "class_name", "name", "type", "category")
"""Attributes that hold the class where regions have several."""

UNNAMED = "object"  # Label of regions without attributes, as in data of a single class
SHOWN = 4  # Number of values of an attribute that a message shows


def index(raw: RawFolder, files: Sequence[str], images: Images) -> Index:
    """Read which image has which regions. Raises BadFileError, which names the file."""
    contents = Index()
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for file in files:
        named: dict[int | str, tuple[str, list[Part]]] = {}
        with naming(file, "VIA"):
            for number, (entry, span) in enumerate(entries(file, raw.read(file))):
                key = entry["filename"] if _is_csv(file) else number  # in CSV an image has several lines
                named.setdefault(key, (entry["filename"], []))[1].append(Part(file, *span))
                for region in _regions(entry):
                    unnamed = {} if region.get("region_attributes") else {"": UNNAMED}
                    for attribute, value in (_values(region) or unnamed).items():
                        values[attribute][value] = None
        contents.add(file, images, [(name, tuple(parts)) for name, parts in named.values()])
    _choose(contents, values, files)
    return contents


def _choose(contents: Index, values: dict[str, dict[str, None]], files: Sequence[str]) -> None:
    """Declare the labels: the values of the one attribute, or of that whose name says so."""
    attributes = [attribute for attribute in values if attribute] or list(values)
    chosen = _of_class(attributes)
    if chosen is not None:
        contents.attribute = chosen if len(attributes) > 1 else ""
        contents.declare(dict.fromkeys(values[chosen]))
    elif attributes:
        shown = [f"{attribute} ({', '.join([*values[attribute]][:SHOWN])})" for attribute in attributes]
        contents.open_question = (
            f"which attribute of the regions in {', '.join(files)} is the class? There are: {'; '.join(shown)}. Name "
            "it `label` in VIA and export again, or write the layout by hand with annotations.attribute"
        )


def draw(drawing: Drawing, labels: Labels) -> np.ndarray:
    """Draw the regions in the order of the file: uint8 [H, W]. Raises BadFileError."""
    canvas = Canvas(drawing, labels)
    entries_ = [_row(content) if _is_csv(name) else parse(content) for name, content in drawing.files]
    for number, region in enumerate(region for entry in entries_ for region in _regions(entry)):
        with canvas.shape(f"region {number}"):
            canvas.paint(_mask(region["shape_attributes"], canvas), _label(region, canvas.attribute))
    return canvas.finish()


def entries(file: str, content: bytes) -> list[tuple[Any, Span]]:
    """Return the entry of each image, or of each line of CSV, with its place. Raises BadFileError."""
    spans: list[Span] = []
    if _is_csv(file):
        start = 0
        for line in content.splitlines(keepends=True):
            spans += [Span(start, len(line))] if start and line.strip() else []  # the first one is the head
            start += len(line)
        return [(_row(content[span.start : span.start + span.length]), span) for span in spans]
    keys = walk(content, {PROJECT: lambda _, span: spans.append(span)})
    spans = spans if PROJECT in keys else list(keys.values())
    read = [(parse(content[span.start : span.start + span.length]), span) for span in spans]
    if any(not isinstance(entry, dict) or not {"filename", "regions"} <= entry.keys() for entry, _ in read):
        raise BadFileError(Kind.ANNOTATION, "a JSON whose entries lack `filename` and `regions`: not of VIA")
    return read


def _is_csv(file: str) -> bool:
    return file.lower().endswith(".csv")


def _row(line: bytes) -> dict[str, Any]:
    """Return a line of CSV as an entry with at most one region."""
    try:
        ((name, _, _, _, _, shape, attributes),) = csv.reader([line.decode()], strict=True)
    except (ValueError, csv.Error):
        raise BadFileError(Kind.ANNOTATION, f"no line of VIA's CSV: {line[:80]!r}") from None
    drawn = parse(shape.encode())
    region = {"shape_attributes": drawn, "region_attributes": parse(attributes.encode())}
    return {"filename": name, "regions": [region] if drawn else []}


def _regions(entry: Any) -> list[Any]:
    regions = entry["regions"]
    return list(regions.values()) if isinstance(regions, dict) else regions  # VIA 1: {"0": region, ...}


def _values(region: Any) -> dict[str, str]:
    """Return {attribute: its value}, without those that are empty; of check boxes the one that is set."""
    values = {}
    for attribute, value in (region.get("region_attributes") or {}).items():
        chosen = [name for name, is_set in value.items() if is_set] if isinstance(value, dict) else [value]
        if len(chosen) == 1 and chosen[0] not in (None, ""):
            values[attribute] = str(chosen[0])
    return values


def _label(region: Any, attribute: str) -> str:
    """Return the label of a region, or raise BadFileError where it is not clear."""
    values, given = _values(region), ", ".join(region.get("region_attributes") or {})
    if not given and not attribute:
        return UNNAMED
    if attribute and attribute not in values:
        raise BadFileError(Kind.ANNOTATION, f"has no value of the attribute {attribute!r}. Received: {given or 'none'}")
    chosen = attribute or _of_class(list(values))
    if not chosen:
        raise BadFileError(Kind.ANNOTATION, f"which of its attributes is the class? Received: {given}")
    return values[chosen]


def _of_class(attributes: Sequence[str]) -> str | None:
    """Return the attribute that holds the class: the only one, or the one whose name says so; None where neither is."""
    named = [attribute for attribute in attributes if attribute.lower() in NAMES]
    if len(attributes) != 1:
        return min(named, key=lambda attribute: NAMES.index(attribute.lower()), default=None)
    return attributes[0]


def _mask(shape: Any, canvas: Canvas) -> np.ndarray:
    kind = shape["name"]
    if kind == "polygon":
        points = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
        return coco_runs.decode([[value for point in points for value in point]], canvas)
    if kind == "rect":
        x, y, width, height = (float(shape[key]) for key in ("x", "y", "width", "height"))
        return coco_runs.decode([[x, y, x + width, y, x + width, y + height, x, y + height]], canvas)
    if kind in ("circle", "ellipse") and not math.fmod(shape.get("theta") or 0, math.pi):
        radii = np.array([shape.get("rx", shape.get("r")), shape.get("ry", shape.get("r"))], float)
        centre = np.array([shape["cx"], shape["cy"]], float)
        box = points_of([centre - radii, centre + radii], canvas.size, least=2)
        return pillow_mask(canvas.size, "ellipse", box)
    read = "polygon, rect, circle and ellipse that is not turned"
    raise BadFileError(Kind.ANNOTATION, f"a shape of the kind {kind!r}; read are {read}")
