"""JPEGs with a photo in the left half and its mask, in Cityscapes' colours, in the right half."""

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
"""((red, green, blue), train id) of each colour of the official table. Pole and polegroup, and car and license plate,
share a colour; it maps to the one that is a class."""

BIN_OF_RED = (np.searchsorted([low for low, _ in BINS], np.arange(256), side="right") - 1).astype(np.uint8)
"""Bin by red value, uint8 [256]."""


def read_photo(content: bytes) -> bytes:
    """Return the left half as a PNG, with exactly the decoded pixels of the JPEG.

    Raises:
        BadFileError: Not an image, damaged, grey, or of odd width.
    """
    file = io.BytesIO()
    left, _ = _halves(content)
    Image.fromarray(left).save(file, "PNG", compress_level=1)
    return file.getvalue()


def read_nearest_classes(content: bytes) -> np.ndarray:
    """Map the right half to train ids, uint8 [H, W], by the nearest colours, since JPEG has changed them.

    Raises:
        BadFileError: As `read_photo`.
    """
    return colour_labels.map_nearest(_halves(content)[1], PALETTE)


def read_red_bins(content: bytes) -> np.ndarray:
    """Divide the red channel of the right half into 13 bins at 20, 40 ... 240: uint8 [H, W] in 0..12.

    Raises:
        BadFileError: As `read_photo`.
    """
    return BIN_OF_RED[_halves(content)[1][..., 0]]


def _halves(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    both = colour_labels.decode(content)
    height, width, _ = both.shape
    if width % 2:
        raise BadFileError(Kind.DAMAGED, f"{height}x{width}; a photo and its mask side by side have an even width")
    return np.ascontiguousarray(both[:, : width // 2]), np.ascontiguousarray(both[:, width // 2 :])
