"""A mask file for each class of an image: what is not 0 is of the class, and a class listed later lies on top."""

import re

import numpy as np

from datasets.annotations.canvas import Canvas
from datasets.annotations.labels import Labels
from datasets.audit import BadFileError, Kind, open_image, raise_damage
from datasets.raw import to_regex
from datasets.reader import Drawing

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")  # Formats that are read

LOSSY, HALF = ("JPEG", "WEBP"), 128
"""Formats that change values, and the value from which on a pixel is then of the class."""


def draw(drawing: Drawing, labels: Labels) -> np.ndarray:
    """Give the pixels of each mask the class that the file's name means: uint8 [H, W]. Raises BadFileError."""
    canvas = Canvas(drawing, labels)
    drawn = [(label_of(name, labels), name, content) for name, content in drawing.files]
    order = {label: place for place, label in enumerate(labels.train_ids)}
    for label, name, content in sorted(drawn, key=lambda one: order.get(one[0], len(order))):
        with canvas.shape(name):
            canvas.paint(read(content, canvas.size), label)
    return canvas.finish()


def label_of(file: str, labels: Labels) -> str:
    """Return which label `{label}` stands for in the name of a file; "" where no pattern matches."""
    known = "|".join(map(re.escape, labels.train_ids))  # else a_traffic_light could be that of a_traffic
    for pattern in labels.patterns:
        parts = {"id": ".+", "split": "[^/]+", "group": "[^/]+", "label": known}
        match = re.fullmatch(to_regex(pattern, **parts), file)
        if match:
            return match["label"]
    return ""


def read(content: bytes, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode the mask of a class: bool [H, W].

    Raises:
        BadFileError: No image, damaged, of another size, or of more than 0 and one other value, if not JPEG.
    """
    with open_image(content, FORMATS) as image, raise_damage():
        lossy = image.format in LOSSY
        pixels = np.asarray(image.convert("RGB") if image.mode in ("RGBA", "LA", "CMYK", "YCbCr") else image)
    values = pixels if pixels.ndim == 2 else pixels.max(axis=2)
    if size is not None and values.shape != size:
        shape, wanted = ("x".join(map(str, one)) for one in (values.shape, size))
        raise BadFileError(Kind.MASK_SIZE, f"mask {shape}, image {wanted}")
    if lossy:
        return values >= HALF
    other = values[values != 0]
    if other.size and (other != other[0]).any():
        raise BadFileError(Kind.LABEL_RANGE, f"holds {len(np.unique(values))} values; 0 and one other are a class")
    return values != 0
