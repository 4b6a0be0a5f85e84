"""Guess from a sample of images which 16-bit or floating-point values are black and white."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from datasets.image_folder import files
from datasets.image_folder.sampling import read_each
from datasets.image_folder.sections import ALL_16_BITS
from datasets.raw import RawFolder

SAMPLED = 50  # Number of images that are opened, evenly spaced
BOUNDS = (1, 255, 1023, 4095, 16383, 65535)  # Usual largest values: of fractions, and of 8, 10, 12, 14 and 16 bits


def guess(
    raw: RawFolder, names: Sequence[str], bands: Sequence[int] = ()
) -> tuple[tuple[float, float] | None, list[str]]:
    """Return `image.range`, the values that are black and white, or None where the default fits; and notes."""
    extrema = [limits for _, limits in read_each(raw, names, SAMPLED, partial(_extrema, bands=bands)) if limits]
    if not extrema:
        return None, []
    low, high = min(least for least, _ in extrema), max(greatest for _, greatest in extrema)
    bound = next((bound for bound in BOUNDS if high <= bound), None)
    limits = (low, high) if low < 0 or bound is None else (0, bound)
    if not low < high or limits == ALL_16_BITS:
        return None, []
    shown = "[{:g}, {:g}]".format(*limits)
    return limits, [f"images of 16 bits or floating point hold {low:g} to {high:g}: {shown} become black and white"]


def _extrema(content: bytes, bands: Sequence[int]) -> tuple[float, float] | None:
    """Return the least and the greatest value of an image; None of an 8-bit one. Raises BadFileError."""
    pixels = files.read_deep_pixels(content, bands)
    if pixels is None or not (finite := pixels[np.isfinite(pixels)]).size:
        return None
    return float(finite.min()), float(finite.max())
