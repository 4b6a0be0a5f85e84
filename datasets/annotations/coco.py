"""COCO: a JSON with `images`, `categories` and `annotations`, whose shapes are polygons or run-length codes."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from datasets.annotations import coco_runs
from datasets.annotations.canvas import Canvas
from datasets.annotations.colours import distinct
from datasets.annotations.images import Images
from datasets.annotations.index import Index, naming
from datasets.annotations.json_spans import Span, parse, text, walk
from datasets.annotations.labels import Labels
from datasets.audit import BadFileError, Kind, Problem
from datasets.raw import Part, RawFolder
from datasets.reader import Drawing

KEYS = {"images", "categories", "annotations"}  # Keys that a JSON of COCO has


def index(raw: RawFolder, files: Sequence[str], images: Images) -> Index:
    """Read which image has which annotations.

    Raises:
        BadFileError: A file is no COCO JSON; the text names it.
    """
    contents = Index()
    for file in files:
        _add(contents, raw, file, images)
    return contents


def _add(contents: Index, raw: RawFolder, file: str, images: Images) -> None:
    named: dict[Any, tuple[str, Span]] = {}
    spans: dict[Any, list[Span]] = defaultdict(list)
    categories: dict[str, Any] = {}
    above: dict[Any, tuple[str, str]] = {}
    used: set[Any] = set()

    def visit_image(image: Any, span: Span) -> None:
        named[image["id"]] = (text(image["file_name"]), span)

    def visit_annotation(annotation: Any, span: Span) -> None:
        spans[annotation["image_id"]].append(span)
        used.add(annotation["category_id"])

    def visit_category(category: Any, _: Span) -> None:
        categories[text(category["name"])] = category.get("color")
        above[category["id"]] = (text(category["name"]), text(category.get("supercategory")))

    with naming(file, "COCO"):
        visits = {"images": visit_image, "annotations": visit_annotation, "categories": visit_category}
        keys = walk(raw.read(file), visits)
        if missing := KEYS - keys.keys():
            raise BadFileError(Kind.ANNOTATION, f"a JSON without {', '.join(sorted(missing))}, so it is not of COCO")
    head = Part(file, *keys["categories"])
    entries = [
        (name, (head, Part(file, *span), *(Part(file, *shape) for shape in spans.pop(id_, ()))))
        for id_, (name, span) in named.items()
    ]
    contents.add(file, images, entries)
    for id_ in spans:
        detail = f"{len(spans[id_])} annotations name the image_id {id_}, which `images` has not"
        contents.problems.append(Problem(Kind.WITHOUT_IMAGE, "", file, f"image_id {id_}", detail))
    # Roboflow lists the name of the whole project as a category, above the others and without shapes.
    unused = {name for id_, (name, _) in above.items() if id_ not in used}
    titles = unused & {parent for _, parent in above.values()}
    contents.declare(distinct({name: colour for name, colour in categories.items() if name not in titles}))


def draw(drawing: Drawing, labels: Labels) -> Any:
    """Draw the annotations of an image in the order of the file, crowds too: uint8 [H, W]. Raises BadFileError."""
    (_, categories), (_, entry), *annotations = drawing.files
    names, image = _names(categories), parse(entry)
    canvas = Canvas(drawing, labels)
    canvas.require_size(image.get("width"), image.get("height"))
    for _, content in annotations:
        annotation = parse(content)
        with canvas.shape(f"annotation {annotation.get('id')}"):
            category = annotation["category_id"]
            if category not in names:
                raise BadFileError(Kind.ANNOTATION, f"category_id {category} is not in `categories`")
            canvas.paint(coco_runs.decode(annotation.get("segmentation"), canvas), names[category])
    return canvas.finish()


@lru_cache(maxsize=8)
def _names(content: bytes) -> dict[Any, str]:
    return {category["id"]: str(category["name"]) for category in parse(content)}
