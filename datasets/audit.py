"""Problems of raw files: their kinds, the checks that detect them, and one report of all of them."""

import io
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from PIL import Image

from datasets import pages
from datasets.foreign_text import escape

SHOWN = 20
"""Number of names that `join_names` shows by default; the others are counted."""

ELLIPSIS = " ..."
"""Marks a truncated text."""

REPORT_ROWS, COLUMNS = 16, 80
"""Size of the part of a report that names files, in terminal rows and columns; a whole report then fits 24 rows."""

MAX_PIXELS = 100_000_000
"""Default limit of pixels per image; decoded, that is 300 MB."""

_most_pixels = ContextVar("most_pixels", default=MAX_PIXELS)

SUFFIXES = frozenset(
    f".{name}" for name in ("png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "ppm", "pgm", "npy", "mat")
)
"""Suffixes of files that may be meant as images or masks; other files are passed over."""

PNG_SIGNATURE, JPEG_SIGNATURE = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"

HEADERS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Image formats whose size is checked before anything is decoded."""

FORMATS = ("PNG", "JPEG")
"""Image formats of records: TensorFlow decodes them in training and in serving."""


class Kind(StrEnum):
    """Kinds of problems; the values are the headings of the report."""

    EMPTY = "empty file"
    UNREADABLE = "cannot be read"
    OUTSIDE = "leads out of the raw folder"
    NAME = "file name is no plain text"
    NOT_AN_IMAGE = "not a PNG or JPEG image"
    DAMAGED = "truncated or damaged image"
    TOO_LARGE = "more pixels than data.max_pixels"
    PAGES = "several images in one file"
    BANDS = "bands that are not red, green and blue"
    ORIENTATION = "turned by EXIF, its labels perhaps not"
    DEPTH = "16-bit colour"
    MASK_CHANNELS = "mask is not a single channel of 8-bit ids"
    MASK_DIMENSIONS = "mask is not two-dimensional"
    MASK_KEY = "mask file without the key"
    MASK_SIZE = "mask of another size than its image"
    LABEL_RANGE = "label out of range"
    PALETTE = "an id of several colours (see mask.palette)"
    ANNOTATION = "bad annotation"
    WITHOUT_MASK = "image without mask"
    WITHOUT_IMAGE = "mask without image"
    DUPLICATE = "duplicate id"
    CROSSING = "shape that crosses itself, filled as its tool does"
    STRAY = "no image by its name, passed over"

    @property
    def is_error(self) -> bool:
        """Whether such a file must be repaired or left out. Other files are only listed in the JSON."""
        return self not in (Kind.CROSSING, Kind.STRAY)


ADVICE = {
    Kind.PALETTE: "Palettes differ: `mask: {read: colours}` reads colours; if ids are right, add `palette: ignore`.",
}
"""{kind: what to do}, where the text of the kind and the details do not say it."""


class BadFileError(Exception):
    """A raw file is invalid.

    Attributes:
        kind: What is wrong.
        detail: What was received; may be empty.
    """

    def __init__(self, kind: Kind, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else str(kind))
        self.kind, self.detail = kind, detail


@dataclass(frozen=True, order=True)
class Problem:
    """One problem of one file.

    Attributes:
        kind: What is wrong.
        split: Split that the file belongs to.
        file: The file, relative to the raw folder.
        id: Id of the example that it makes unusable; empty for a file that belongs to none.
        detail: What was received; may be empty.
    """

    kind: Kind
    split: str
    file: str
    id: str
    detail: str = ""

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Problem":
        """Return the problem whose `asdict` was stored as JSON."""
        return cls(**{**fields, "kind": Kind(fields["kind"])})


def image_size(content: bytes) -> tuple[int, int]:
    """Check the bytes of a PNG or JPEG file and return (height, width) in pixels.

    A PNG has checksums, which detect truncation and flipped bits without decoding. A JPEG has none: it is decoded, grey
    and at an eighth of the size, which reads every byte at half the cost of a full decode.

    Raises:
        BadFileError: Not a PNG or JPEG, or damaged.
    """
    with open_image(content) as image, raise_damage():
        width, height = image.size
        if image.format != "PNG":
            image.draft("L", (max(1, width // 8), max(1, height // 8)))
            image.load()
    return height, width


def open_image(content: bytes, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Open the bytes of an image file, without decoding pixels; a PNG's checksums are compared.

    Raises:
        BadFileError: Not of one of the `formats`, damaged, of more pixels than `require_pixels` allows, or several
            images in one file.
    """
    check_png(content)
    with raise_damage():  # also for a header with an absurd number of pixels
        try:
            image = Image.open(io.BytesIO(content), formats=formats)
        except Image.UnidentifiedImageError as error:
            kind = Kind.DAMAGED if content.startswith((PNG_SIGNATURE, JPEG_SIGNATURE)) else Kind.NOT_AN_IMAGE
            raise BadFileError(kind, f"{len(content)} bytes, none of {', '.join(formats)}") from error
        require_pixels(image.height, image.width)
        number = pages.count(image)
        if number != 1:
            raise BadFileError(Kind.PAGES, pages.describe(image.format or "image", number))
        return image


@contextmanager
def raise_damage() -> Iterator[None]:
    """Raise BadFileError for every exception of Pillow in the block; their types depend on where the damage is."""
    try:
        yield
    except BadFileError:
        raise
    except Image.UnidentifiedImageError as error:  # whose text has an address
        raise BadFileError(Kind.DAMAGED, "of no known kind") from error
    except Exception as error:
        raise BadFileError(Kind.DAMAGED, str(error)) from error


def check_png(content: bytes) -> None:
    """Raise BadFileError for a truncated PNG or one whose checksums do not match; other formats pass.

    Pillow does not compare the checksums of the chunks it decodes: a flipped bit could silently change a mask.
    """
    if not content.startswith(PNG_SIGNATURE):
        return
    chunks, begin, kind = memoryview(content), len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        length = int.from_bytes(chunks[begin : begin + 4], "big")
        kind, end = bytes(chunks[begin + 4 : begin + 8]), begin + 8 + length
        if len(content) < end + 4:
            raise BadFileError(Kind.DAMAGED, "the file ends too soon")
        if zlib.crc32(chunks[begin + 4 : end]) != int.from_bytes(chunks[end : end + 4], "big"):
            raise BadFileError(Kind.DAMAGED, f"checksum of the PNG chunk {str(kind, 'latin-1')!r}, byte {begin}")
        begin = end + 4


def check_pixels(content: bytes, max_pixels: int) -> None:
    """Raise BadFileError for an image of more than `max_pixels`, by its header. A file that is no image passes."""
    if content.startswith(PNG_SIGNATURE) and len(content) >= 24:
        width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    else:
        try:
            with lift_pillow_limit():
                width, height = Image.open(io.BytesIO(content), formats=HEADERS).size
        except Exception:  # no image, or a damaged one: decoding reports it
            return
    with lift_pillow_limit(max_pixels):
        require_pixels(height, width)


def require_pixels(height: int, width: int) -> None:
    """Raise BadFileError for more pixels than the surrounding `lift_pillow_limit` allows, or else MAX_PIXELS."""
    allowed = _most_pixels.get()
    if width * height > allowed:
        raise BadFileError(Kind.TOO_LARGE, f"{height}x{width} = {width * height} pixels, allowed {allowed}")


@contextmanager
def lift_pillow_limit(most: int = MAX_PIXELS) -> Iterator[None]:
    """Replace Pillow's own limit of pixels inside the block by that of `open_image`: `most` pixels."""
    before, ours = Image.MAX_IMAGE_PIXELS, _most_pixels.set(most)
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
        _most_pixels.reset(ours)


def format_report(dataset: str, problems: Iterable[Problem], advice: str) -> str:
    """Return one message with all problems, grouped by kind; each kind names as many files as fit a screen."""
    errors = sorted(problem for problem in problems if problem.kind.is_error)
    kinds = {kind: members for kind in Kind if (members := [problem for problem in errors if problem.kind is kind])}
    report = [f"{dataset}: {len(errors)} bad raw file{'s' * (len(errors) > 1)}. Nothing was written."]
    if 3 * len(kinds) > REPORT_ROWS:  # too many kinds for a heading and files each: one line per kind
        lines = [_one_line(kind, members) for kind, members in kinds.items()]
        if _rows(lines) > REPORT_ROWS:
            lines = [_one_line(kind, members, COLUMNS) for kind, members in kinds.items()]
        return "\n".join([*report, *lines, advice])
    files: dict[Kind, list[str]] = {}
    room = REPORT_ROWS - len(kinds)
    for kind in sorted(kinds, key=lambda kind: len(kinds[kind])):  # small kinds first: others get their unused rows
        files[kind] = _files(kinds[kind], room // (len(kinds) - len(files)))
        room -= _rows(files[kind])
    for kind, members in kinds.items():
        report += [f"{kind} ({len(members)}):", *files[kind]]
    return "\n".join([*report, advice])


def join_names(names: Sequence[str], shown: int = SHOWN) -> str:
    """Return "a, b, c", or the first names and the number of the others.

    >>> join_names(["val/a.png", "val/b.png"])
    'val/a.png, val/b.png'
    """
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def write(path: Path, dataset: str, splits: dict[str, Any], problems: Iterable[Problem]) -> None:
    """Write the audit as JSON: the counts of each split, every problem, and every file that was passed over."""
    problems = sorted(problems)
    content = {
        "dataset": dataset,
        "splits": splits,
        "problems": [asdict(problem) for problem in problems if problem.kind.is_error],
        "passed_over": [problem.file for problem in problems if problem.kind is Kind.STRAY],
        "noted": [asdict(problem) for problem in problems if problem.kind is Kind.CROSSING],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _files(problems: list[Problem], room: int) -> list[str]:
    """Return one line per file, at least one and at most `room` rows; the last line counts the files left out."""
    lines = [f"  {_describe(problem)}" for problem in problems]
    if _rows(lines) > room:
        lines = [f"  {_describe(problem, COLUMNS - 2)}" for problem in problems]
    if _rows(lines) <= room:
        return lines
    shown = 1
    while _rows(lines[: shown + 1]) < room:
        shown += 1
    return [*lines[:shown], f"  ... and {len(lines) - shown} more"] if shown < len(lines) else lines


def _one_line(kind: Kind, problems: list[Problem], columns: int | None = None) -> str:
    more = f"{ELLIPSIS} and {len(problems) - 1} more" if len(problems) > 1 else ""
    start = f"{kind} ({len(problems)}): "
    first = _describe(problems[0], columns and columns - len(start) - len(more))
    return start + first.removesuffix(ELLIPSIS if more else "") + more


def _describe(problem: Problem, columns: int | None = None) -> str:
    """Return the file and the detail, which is truncated to `columns`; the name of the file never is."""
    file, detail = escape(problem.file), f": {escape(problem.detail)}" if problem.detail else ""
    if columns is not None and len(file + detail) > columns:
        kept = columns - len(file) - len(ELLIPSIS)
        detail = f"{detail[:kept].rstrip()}{ELLIPSIS}" if kept > len(": ") else ""
    return file + detail


def _rows(lines: Iterable[str]) -> int:
    return sum(-(-len(line) // COLUMNS) for line in lines)
