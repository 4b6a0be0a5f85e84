"""CVAT for images 1.1: an XML of all images. Drawn as CVAT's export of masks is: by z_order, polygons as in COCO."""

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from datasets.annotations import coco_runs
from datasets.annotations.canvas import Canvas
from datasets.annotations.colours import distinct
from datasets.annotations.images import Images
from datasets.annotations.index import Index, naming
from datasets.annotations.labels import Labels
from datasets.audit import BadFileError, Kind
from datasets.raw import Part, RawFolder
from datasets.reader import Drawing

WITHOUT_AREA = ("tag",)  # Elements of an image that are no shapes


def index(raw: RawFolder, files: Sequence[str], images: Images) -> Index:
    """Read which image has which shapes. Raises BadFileError, which names the file."""
    contents = Index()
    for file in files:
        with naming(file, "CVAT"):
            scan = _Scan(raw.read(file))
            if scan.fault:
                raise BadFileError(Kind.ANNOTATION, scan.fault)
        contents.add(file, images, [(name, (Part(file, start, length),)) for name, start, length in scan.images])
        contents.declare(distinct(scan.labels))
    return contents


class _Scan:
    """The images of an XML and where they are, and its labels with their colours."""

    def __init__(self, content: bytes) -> None:
        self.images: list[tuple[str, int, int]] = []
        self.labels: dict[str, str] = {}
        self.fault = ""
        self._content, self._text = content, ""
        self._path: list[str] = []
        self._start, self._name, self._label = 0, "", ""
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler, self._parser.EndElementHandler = self._begin, self._end
        self._parser.CharacterDataHandler = self._characters
        if b"<!ENTITY" in content or b"<!DOCTYPE" in content:
            self.fault = "an XML with a document type, which CVAT does not write"
            return
        try:
            self._parser.Parse(content, True)  # noqa: FBT003
        except expat.ExpatError as error:
            self.fault = f"no XML: {error}"
        if not self.fault and not self.images:
            self.fault = "an XML without <image> in <annotations>, so it is not of CVAT for images 1.1"

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        self._path.append(tag)
        self._text = ""
        if self._path == ["annotations", "image"]:
            self._start, self._name = self._parser.CurrentByteIndex, attributes.get("name", "")

    def _characters(self, text: str) -> None:
        self._text += text

    def _end(self, tag: str) -> None:
        if self._path == ["annotations", "image"]:
            end = self._parser.CurrentByteIndex  # of `<image/>` already behind it
            end = self._content.index(b">", end) + 1 if self._content.startswith(b"</", end) else end
            self.images.append((self._name, self._start, end - self._start))
        elif self._path[-3:] == ["labels", "label", "name"] and "meta" in self._path:
            self._label = self._text.strip()
            self.labels.setdefault(self._label, "")
        elif self._path[-3:] == ["labels", "label", "color"] and self._label:
            self.labels[self._label] = self._text.strip()
        self._path.pop()


def draw(drawing: Drawing, labels: Labels) -> np.ndarray:
    """Draw the shapes by z_order, and those of one z_order as in the file: uint8 [H, W]. Raises BadFileError."""
    ((_, content),) = drawing.files
    image = ElementTree.fromstring(content)
    canvas = Canvas(drawing, labels)
    canvas.require_size(image.get("width"), image.get("height"))
    shapes = [shape for shape in image if shape.tag not in WITHOUT_AREA]
    for shape in sorted(shapes, key=lambda shape: int(shape.get("z_order") or 0)):
        with canvas.shape(f"{shape.tag} {shapes.index(shape)} ({shape.get('label')})"):
            canvas.paint(_mask(shape, canvas), shape.attrib["label"])
    return canvas.finish()


def _mask(shape: Any, canvas: Canvas) -> np.ndarray:
    if shape.tag == "polygon":
        return coco_runs.decode([[float(value) for value in re.split("[,;]", shape.attrib["points"])]], canvas)
    if shape.tag == "box":
        return coco_runs.decode([_corners(shape).ravel().tolist()], canvas)
    if shape.tag == "mask":
        return _inset(shape, canvas.size)
    raise BadFileError(Kind.ANNOTATION, "a shape of this kind is not read; read are polygon, box and mask")


def _corners(shape: Any) -> np.ndarray:
    """Return the corners of a box, turned about its centre, [4, 2] of (x, y)."""
    left, top, right, bottom = (float(shape.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    angle = np.radians(float(shape.get("rotation") or 0))
    if not angle:
        return corners
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (corners - corners.mean(axis=0)) @ turn + corners.mean(axis=0)


def _inset(shape: Any, size: tuple[int, int]) -> np.ndarray:
    """Decode a run-length code, row by row, and place it at its corner."""
    left, top, width, height = (int(float(shape.attrib[key])) for key in ("left", "top", "width", "height"))
    runs = [int(run) for run in re.findall(r"-?\d+", shape.attrib["rle"])]
    if sum(runs) != width * height or min(runs) < 0:
        raise BadFileError(Kind.ANNOTATION, f"a run-length code of {sum(runs)} pixels, not {width}x{height}")
    if left < 0 or top < 0 or left + width > size[1] or top + height > size[0]:
        raise BadFileError(Kind.ANNOTATION, f"a mask of {height}x{width} at {left},{top} leaves the image")
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width)
    return mask
