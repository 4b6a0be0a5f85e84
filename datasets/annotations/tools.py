"""The tools whose files are read: the functions that index and draw them. The layout's `annotations.tool` names one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from datasets.annotations import class_masks, coco, coco_panoptic, cvat, label_studio, labelme, supervisely, via, yolo
from datasets.annotations.canvas import DAMAGE
from datasets.annotations.images import Images
from datasets.annotations.index import Index
from datasets.annotations.labels import Labels
from datasets.audit import BadFileError, Kind
from datasets.raw import RawFolder
from datasets.reader import Drawing


@dataclass(frozen=True)
class Tool:
    """How the files of a tool are read.

    Attributes:
        title: Its name, for the user.
        draw: (drawing, labels) -> train ids, uint8 [H, W]. Raises BadFileError.
        index: (raw folder, annotation files, images) -> Index, or BadFileError; None: there is a file for each image.
        needs_file: Whether an image without a file is unlabelled, rather than without any object.
    """

    title: str
    draw: Callable[[Drawing, Labels], np.ndarray]
    index: Callable[[RawFolder, Sequence[str], Images], Index] | None = None
    needs_file: bool = True


TOOLS: Mapping[str, Tool] = {
    "coco": Tool("COCO", coco.draw, coco.index),
    "class_masks": Tool("a mask for each class", class_masks.draw),
    "coco_panoptic": Tool("COCO panoptic", coco_panoptic.draw, coco_panoptic.index),
    "labelme": Tool("labelme", labelme.draw),
    "yolo": Tool("YOLO polygons", yolo.draw, needs_file=False),
    "label_studio": Tool("Label Studio", label_studio.draw, label_studio.index),
    "supervisely": Tool("Supervisely", supervisely.draw),
    "via": Tool("VGG Image Annotator", via.draw, via.index),
    "cvat": Tool("CVAT for images 1.1", cvat.draw, cvat.index),
}
"""{name: tool}."""


def draw(drawing: Drawing, tool: str, labels: Labels) -> np.ndarray:
    """Draw the label of an image with a tool of `TOOLS`: uint8 [H, W]. Raises BadFileError."""
    try:
        return TOOLS[tool].draw(drawing, labels)
    except BadFileError:
        raise
    except DAMAGE as error:  # outside any shape: a list where the tool has an object, or the like
        detail = f"{drawing.image}: not as {TOOLS[tool].title} has it ({type(error).__name__}: {error})"
        raise BadFileError(Kind.ANNOTATION, detail) from None
