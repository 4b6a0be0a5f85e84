"""The bands of a TIFF, of any number and depth, which Pillow itself reads for red, green, blue and transparency only.

Each band, or all of them side by side, is described as a grey image by a directory that is appended to the file: then
Pillow, with libtiff, decodes it, whatever the compression. TIFF 6.0, sections 2 and 8; BigTIFF has longer offsets.
"""

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from datasets import pages
from datasets.audit import BadFileError, Kind, raise_damage, require_pixels

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIPS, SAMPLES, STRIP_BYTES, PLANAR, PREDICTOR = 273, 277, 279, 284, 317
TILE_WIDTH, TILES, TILE_BYTES, EXTRA, SAMPLE_FORMAT, ORIENTATION = 322, 324, 325, 338, 339, 274
NEEDED = (WIDTH, HEIGHT, BITS, COMPRESSION, STRIPS, 278, STRIP_BYTES, PREDICTOR, TILE_WIDTH, 323, TILES, TILE_BYTES,
          SAMPLE_FORMAT, 266)  # fmt: skip
"""Tags that a grey image of the bands keeps; 278 is RowsPerStrip, 323 TileLength, 266 FillOrder."""

SIZES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # {TIFF type: struct's letter} of the types that the tags above have

LOSSLESS = (1, 5, 8, 32773, 32946, 34925, 50000)
"""Compressions whose bytes do not depend on the number of bands: none, LZW, deflate, PackBits, LZMA, Zstandard."""

PREDICTED = (5, 8, 32946, 34925, 50000)  # Compressions that a predictor may precede
GREY, COLOUR, YCBCR, PALETTE = (0, 1), 2, 6, 3  # Values of PhotometricInterpretation
BITS_PER_PIXEL = 64  # Of all bands together; where there are more, as many times fewer pixels are allowed
ALPHA = (1, 2)  # Values of ExtraSamples that mean transparency; 0 is a band of an unknown kind

Tags = Mapping[int, tuple[int, ...]]


@dataclass(frozen=True)
class _Tiff:
    content: bytes
    order: str
    tags: dict[int, tuple[int, ...]]
    pages: int

    def one(self, tag: int, default: int) -> int:
        return (self.tags.get(tag) or (default,))[0]  # an entry may be of no values

    @property
    def bands(self) -> int:
        return self.one(SAMPLES, 1)


def is_tiff(content: bytes) -> bool:
    """Whether the bytes begin as a TIFF."""
    return content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def count(content: bytes) -> int:
    """Return the number of bands of a TIFF. Raises BadFileError if it is damaged."""
    return _parse(content).bands


def orientation(content: bytes) -> int:
    """Return the orientation of a TIFF, 1 where it is upright. Raises BadFileError if it is damaged."""
    return _parse(content).one(ORIENTATION, 1)


def require_colours(content: bytes) -> None:
    """Raise BadFileError for a TIFF of other bands than grey, or red, green and blue, with or without transparency."""
    tiff = _parse(content)
    kind, extra = tiff.one(PHOTOMETRIC, 1), tiff.tags.get(EXTRA, ())
    colours = tiff.bands - len(extra)
    is_known = (kind in (*GREY, PALETTE) and colours == 1) or (kind in (COLOUR, YCBCR) and colours == 3)
    if not is_known or len(extra) > 1 or any(one not in ALPHA for one in extra):
        raise BadFileError(Kind.BANDS, f"TIFF of {tiff.bands} bands{_named(kind)}; {advice(tiff.bands)}")


def advice(bands: int) -> str:
    """Say how the layout chooses among a number of bands."""
    example = "[1, 2, 3]" if bands > 2 else "[1]"
    return f"say which are red, green and blue, counted from 1, such as `image: {{bands: {example}}}`"


def read(content: bytes) -> np.ndarray:
    """Decode all bands of a TIFF, as stored: [H, W, bands], of its own dtype. Raises BadFileError."""
    tiff = _parse(content)
    if tiff.pages > 1:
        raise BadFileError(Kind.PAGES, pages.describe("TIFF", tiff.pages))
    compression = tiff.one(COMPRESSION, 1)
    predictor = tiff.one(PREDICTOR, 1) if compression in PREDICTED else 1
    if compression not in LOSSLESS or predictor > 2 or len(set(tiff.tags.get(BITS, (1,)))) > 1:
        received = f"compression {compression}, predictor {predictor}, bits {tiff.tags.get(BITS, (1,))}"
        raise BadFileError(Kind.BANDS, f"a TIFF whose bands cannot be chosen: {received}; write it with deflate")
    with raise_damage():
        require_pixels(tiff.one(HEIGHT, 0), tiff.one(WIDTH, 0) * -(-tiff.bands * tiff.one(BITS, 1) // BITS_PER_PIXEL))
        if tiff.bands > 1 and tiff.one(PLANAR, 1) == 2:
            return np.dstack([_decode(tiff, _plane(tiff, band)) for band in range(tiff.bands)])
        wide = {tag: values for tag, values in tiff.tags.items() if tag in NEEDED and tag != PREDICTOR}
        wide |= {tag: (tiff.tags[tag][0] * tiff.bands,) for tag in (WIDTH, TILE_WIDTH) if tag in wide}
        pixels = _decode(tiff, wide)
        pixels = pixels.reshape(len(pixels), -1, tiff.bands)
        return pixels if predictor == 1 else _add_up(pixels, tiff.one(TILE_WIDTH, pixels.shape[1]))


def _named(photometric: int) -> str:
    return {5: " (CMYK)", 8: " (CIE L*a*b*)"}.get(photometric, "")


def _parse(content: bytes) -> _Tiff:
    """Return the numbers of the first directory of a TIFF or BigTIFF, and the number of its pages."""
    order, is_big = "<" if content[:2] == b"II" else ">", content[2:4] in (b"+\0", b"\0+")
    offset, amount, entry = ("Q", "Q", "HHQ") if is_big else ("I", "H", "HHI")
    directories: dict[int, dict[int, tuple[int, ...]]] = {}
    with raise_damage():
        (at,) = struct.unpack_from(f"{order}{offset}", content, 8 if is_big else 4)
        while at and at not in directories:
            (number,) = struct.unpack_from(f"{order}{amount}", content, at)
            first, size = at + struct.calcsize(amount), struct.calcsize(f"<{entry}{offset}")
            tags = directories[at] = {}
            for place in range(first, first + size * number, size):
                tag, kind, values = struct.unpack_from(f"{order}{entry}", content, place)
                if kind in SIZES and tag <= SAMPLE_FORMAT:
                    tags[tag] = _values(content, f"{order}{values}{SIZES[kind]}", place + size, order + offset)
            (at,) = struct.unpack_from(f"{order}{offset}", content, first + size * number)
    full = [tags for tags in directories.values() if not pages.is_part(tags)]
    return _Tiff(content, order, next(iter(directories.values()), {}), max(1, len(full)))


def _values(content: bytes, form: str, end: int, offset: str) -> tuple[int, ...]:
    """Return the values of an entry that ends at `end`: in its last bytes, or where these point to."""
    place = end - struct.calcsize(offset)
    if struct.calcsize(form) > struct.calcsize(offset):
        (place,) = struct.unpack_from(offset, content, place)
    return struct.unpack_from(form, content, place)


def _plane(tiff: _Tiff, band: int) -> dict[int, tuple[int, ...]]:
    """Return the tags of one band of a TIFF that stores them one after the other."""
    tags = {tag: values for tag, values in tiff.tags.items() if tag in NEEDED}
    for tag in (STRIPS, STRIP_BYTES, TILES, TILE_BYTES):
        if tag in tags:
            part = len(tags[tag]) // tiff.bands
            tags[tag] = tags[tag][band * part : (band + 1) * part]
    return tags


def _decode(tiff: _Tiff, tags: Tags) -> np.ndarray:
    """Decode the file as a grey image that `tags` describe: [H, W]."""
    tags = {**tags, PHOTOMETRIC: (1,), SAMPLES: (1,)}
    tags |= {tag: tags[tag][:1] for tag in (BITS, SAMPLE_FORMAT) if tag in tags}
    content = tiff.content + bytes(len(tiff.content) % 2)
    start = len(content) + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag in sorted(tags):
        packed = struct.pack(f"{tiff.order}{len(tags[tag])}I", *tags[tag])
        if len(packed) > 4:
            packed, values = struct.pack(f"{tiff.order}I", start + len(values)), values + packed
        entries += struct.pack(f"{tiff.order}HHI", tag, 4, len(tags[tag])) + packed
    directory = struct.pack(f"{tiff.order}H", len(tags)) + entries + bytes(4) + values
    head = struct.pack(f"{tiff.order}2sHI", content[:2], 42, len(content))
    with Image.open(io.BytesIO(head + content[8:] + directory), formats=("TIFF",)) as image:
        return np.asarray(image)


def _add_up(pixels: np.ndarray, tile: int) -> np.ndarray:
    """Undo the horizontal differences of predictor 2, which begin at the left of each tile."""
    parts = [pixels[:, left : left + tile] for left in range(0, pixels.shape[1], tile)]
    return np.concatenate([np.cumsum(part, axis=1, dtype=pixels.dtype) for part in parts], axis=1)
