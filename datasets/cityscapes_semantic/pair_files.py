"""JPEGs that hold a photo on their left and its mask, in Cityscapes' colours, on their right."""

import io

import numpy as np
from PIL import Image

from datasets import colour_labels
from datasets.audit import BadFileError, Kind
from datasets.cityscapes_semantic.classes import BINS
from datasets.cityscapes_semantic.label_table import LABELS

PALETTE: colour_labels.Colours = tuple(
    {label.colour: label.train_id for label in sorted(LABELS, key=lambda label: -label.train_id)}.items()
)
"""((red, green, blue), train id) of each colour of the official table. Two colours are shared: pole's with polegroup,
car's with license plate. The class has it."""

BIN_OF_RED = (np.searchsorted([low for low, _ in BINS], np.arange(256), side="right") - 1).astype(np.uint8)


def photo(content: bytes) -> bytes:
    """Give the left half as a PNG: it is what JPEG made of the photo, to the bit.

    Raises:
        BadFileError: No image, damaged, grey, or of odd width.
    """
    file = io.BytesIO()
    left, _ = _halves(content)
    Image.fromarray(left).save(file, "PNG", compress_level=1)
    return file.getvalue()


def nearest_class(content: bytes) -> np.ndarray:
    """Turn the right half into train ids, uint8 [H, W]: those of the nearest colours, since JPEG has bent them all.

    Raises:
        BadFileError: As `photo`.
    """
    return colour_labels.nearest(_halves(content)[1], PALETTE)


def red_bin(content: bytes) -> np.ndarray:
    """Cut the red channel of the right half into 13 bins at 20, 40 ... 240: uint8 [H, W] in 0..12.

    Raises:
        BadFileError: As `photo`.
    """
    return BIN_OF_RED[_halves(content)[1][..., 0]]


def _halves(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    both = colour_labels.decode(content)
    height, width, _ = both.shape
    if width % 2:
        raise BadFileError(Kind.DAMAGED, f"{height}x{width}; a photo and its mask side by side have an even width")
    return np.ascontiguousarray(both[:, : width // 2]), np.ascontiguousarray(both[:, width // 2 :])
