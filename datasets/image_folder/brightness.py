"""Guessing from a few images which values of 16 bits, or of floating point, are black and white."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from datasets.audit import MAX_PIXELS, BadFileError, check_pixels, no_limit_of_pillow
from datasets.image_folder import files
from datasets.image_folder.sections import ALL_16_BITS
from datasets.raw import RawFolder

LOOKED_AT = 50
"""Images that are opened; they are taken evenly from all."""

BOUNDS = (1, 255, 1023, 4095, 16383, 65535)
"""Largest values that cameras, scanners and programs write: of shares, and of 8, 10, 12, 14 and 16 bits."""


def guess(raw: RawFolder, names: Sequence[str]) -> tuple[tuple[float, float] | None, list[str]]:
    """Open some of the images.

    Returns:
        `image.range`, or None where the default is right, and what was seen, for the user.
    """
    number = min(LOOKED_AT, len(names))
    extrema = []
    for index in range(number):
        with suppress(BadFileError):  # ingest tells of it
            extrema += _extrema(raw.read(names[index * len(names) // number]))
    if not extrema:
        return None, []
    low, high = min(one for one, _ in extrema), max(one for _, one in extrema)
    bound = next((bound for bound in BOUNDS if high <= bound), None)
    found = (low, high) if low < 0 or bound is None else (0, bound)
    if not low < high or found == ALL_16_BITS:
        return None, []
    told = "[{:g}, {:g}]".format(*found)
    return found, [f"images of 16 bits or floating point hold {low:g} to {high:g}: {told} become black and white"]


def _extrema(content: bytes) -> list[tuple[float, float]]:
    """Give the least and the greatest value of an image; of one of 8 bits nothing. Raises BadFileError."""
    with no_limit_of_pillow():  # for both: an image that Pillow will not look at would pass as none
        check_pixels(content, MAX_PIXELS)
        pixels = files.deep_pixels(content)
    if pixels is None or not (finite := pixels[np.isfinite(pixels)]).size:
        return []
    return [(float(finite.min()), float(finite.max()))]
