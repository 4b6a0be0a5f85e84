"""COCO panoptic: a JSON with `segments_info`, and a PNG for each image whose colours are the ids of segments."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from datasets.annotations.canvas import Canvas
from datasets.annotations.colours import distinct
from datasets.annotations.images import Images
from datasets.annotations.index import Index, naming
from datasets.annotations.json_spans import Span, parse, text, walk
from datasets.annotations.labels import Labels
from datasets.audit import BadFileError, Kind, Problem, open_image, raise_damage
from datasets.raw import Part, RawFolder
from datasets.reader import Drawing

NOTHING = 0  # Id of the pixels of no segment (panopticapi's VOID)


def index(raw: RawFolder, files: Sequence[str], images: Images) -> Index:
    """Read which image has which PNG and which segments; `files` are the JSONs and the PNGs.

    Raises:
        BadFileError: A JSON is not of COCO panoptic; the text names it.
    """
    contents = Index()
    masks = Images(file for file in files if file.lower().endswith(".png"))
    for file in files:
        if file.lower().endswith(".json"):
            _add(contents, raw, file, images, masks)
    return contents


def _add(contents: Index, raw: RawFolder, file: str, images: Images, masks: Images) -> None:
    names: dict[Any, str] = {}
    segments: dict[Any, tuple[str, Span]] = {}
    categories: dict[str, Any] = {}

    def visit_image(image: Any, _: Span) -> None:
        names[image["id"]] = text(image["file_name"])

    def visit_annotation(annotation: Any, span: Span) -> None:
        annotation["segments_info"]  # else it is not panoptic
        segments[annotation["image_id"]] = (text(annotation["file_name"]), span)

    def visit_category(category: Any, _: Span) -> None:
        categories[text(category["name"])] = category.get("color")

    with naming(file, "COCO panoptic"):
        visits = {"images": visit_image, "annotations": visit_annotation, "categories": visit_category}
        keys = walk(raw.read(file), visits)
        head = Part(file, *keys["categories"])
    drawn = masks.match([name for name, _ in segments.values()], file)
    entries = []
    for (id_, (mask, span)), png in zip(segments.items(), drawn, strict=True):
        if len(png) != 1:
            detail = f"{mask} may be {' or '.join(png)}" if png else f"there is no {mask}"
            contents.problems.append(Problem(Kind.WITHOUT_MASK, "", file, mask, detail))
        elif id_ not in names:
            detail = f"{mask} names the image_id {id_}, which `images` has not"
            contents.problems.append(Problem(Kind.WITHOUT_IMAGE, "", file, mask, detail))
        else:
            entries.append((names[id_], (head, Part(file, *span), Part(png[0]))))
    contents.add(file, images, entries)
    contents.declare(distinct(categories))


def draw(drawing: Drawing, labels: Labels) -> np.ndarray:
    """Give the pixels of each segment its category: uint8 [H, W]. Raises BadFileError."""
    (_, categories), (_, entry), (name, content) = drawing.files
    names = _names(categories)
    canvas = Canvas(drawing, labels)
    with open_image(content, ("PNG",)) as image, raise_damage():
        canvas.require_size(*image.size)
        colours = np.asarray(image.convert("RGB"), np.uint32)
    ids = colours[..., 0] + (colours[..., 1] << 8) + (colours[..., 2] << 16)  # panopticapi's rgb2id
    open_pixels = np.count_nonzero(ids != NOTHING)
    for segment in parse(entry)["segments_info"]:
        with canvas.shape(f"segment {segment.get('id')}"):
            mask = ids == segment["id"]
            pixels = np.count_nonzero(mask)
            if not pixels:
                raise BadFileError(Kind.ANNOTATION, f"no pixel of {name} has this id")
            if segment["category_id"] not in names:
                raise BadFileError(Kind.ANNOTATION, f"category_id {segment['category_id']} is not in `categories`")
            open_pixels -= pixels
            canvas.paint(mask, names[segment["category_id"]])
    if open_pixels:
        with canvas.shape(name):
            raise BadFileError(Kind.ANNOTATION, f"{open_pixels} pixels have ids that `segments_info` has not")
    return canvas.finish()


@lru_cache(maxsize=8)
def _names(content: bytes) -> dict[Any, str]:
    return {category["id"]: str(category["name"]) for category in parse(content)}
