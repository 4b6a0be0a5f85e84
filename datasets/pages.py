"""Count the images in one file: pages of a TIFF, frames of a GIF, a WebP or an animated PNG."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from PIL import Image

NEW_SUBFILE_TYPE, SUBFILE_TYPE = 254, 255
"""TIFF tags that say what a page is (TIFF 6.0, section 8)."""

PREVIEW, MASK_OF_PAGE = 1, 4
"""Bits of NewSubfileType: the page is a smaller version of another, or its transparency."""

OLD_PREVIEW = 2
"""Value of SubfileType: the page is a smaller version of another."""

ONE = ("JPEG", "MPO")
"""Formats that count as one image. MPO is a JPEG with previews or a second view behind it, as some phones write."""


def count(image: Image.Image) -> int:
    """Return the number of images in an opened file; previews of a TIFF, as in a pyramid, do not count.

    No pixel is decoded. The file is left at its first image. Pillow's exceptions pass through.
    """
    number = 1 if image.format in ONE else getattr(image, "n_frames", 1)
    if image.format != "TIFF" or number == 1:
        return number
    full = 0
    for page in range(number):
        with suppress(SyntaxError, KeyError):  # of bands that Pillow does not know: a page all the same
            image.seek(page)
        full += page == 0 or not is_part(getattr(image, "tag_v2", {}))
    image.seek(0)
    return full


def is_part(tags: Mapping[int, Any]) -> bool:
    """Whether a page of a TIFF is a preview or the transparency of another page, by its tags."""
    kind, old = (_first(tags.get(tag, 0)) for tag in (NEW_SUBFILE_TYPE, SUBFILE_TYPE))
    return bool(kind & (PREVIEW | MASK_OF_PAGE)) or old == OLD_PREVIEW


def describe(kind: str, number: int) -> str:
    """Return, say, "TIFF of 5 pages; only one can be read: write each into a file of its own"."""
    unit = "pages" if kind == "TIFF" else "frames"
    return f"{kind} of {number} {unit}; only one can be read: write each into a file of its own"


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value)
