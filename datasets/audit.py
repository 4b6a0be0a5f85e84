"""What can be wrong with raw files, how it is found, and how all of it is told at once."""

import io
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from PIL import Image

SHOWN = 20
"""Names that `listed` gives; the others are counted."""

CUT = " ..."
"""Ends a text of which there is more."""

REPORT_ROWS, COLUMNS = 16, 80
"""Rows of a terminal, and their width, for the lines of a report that name files: with what stands around them, 24 rows
show all."""

MAX_PIXELS = 100_000_000
"""Pixels of the largest image that is read where nothing else is said; decoded, that is 300 MB."""

SUFFIXES = frozenset(
    f".{name}" for name in ("png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "ppm", "npy", "mat")
)
"""How a file ends that somebody may have meant as an image or a mask."""

PNG_START = b"\x89PNG\r\n\x1a\n"

HEADERS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Image formats whose size is looked at before anything is decoded."""

FORMATS = ("PNG", "JPEG")
"""Image formats that a record may hold: those that TensorFlow decodes at training and at serving time alike."""


class Kind(StrEnum):
    """What is wrong with a file, in the words of the report."""

    EMPTY = "empty file"
    UNREADABLE = "cannot be read"
    OUTSIDE = "leads out of the raw folder"
    NAME = "file name is not UTF-8"
    NOT_AN_IMAGE = "not a PNG or JPEG image"
    DAMAGED = "truncated or damaged image"
    TOO_LARGE = "more pixels than data.max_pixels"
    DEPTH = "16-bit colour"
    MASK_CHANNELS = "mask is not a single channel of 8-bit ids"
    MASK_DIMENSIONS = "mask is not two-dimensional"
    MASK_KEY = "mask file without the key"
    MASK_SIZE = "mask of another size than its image"
    LABEL_RANGE = "label out of range"
    WITHOUT_MASK = "image without mask"
    WITHOUT_IMAGE = "mask without image"
    DUPLICATE = "duplicate id"
    STRAY = "no image by its name, passed over"

    @property
    def grave(self) -> bool:
        """Whether such a file must be put right or left out; others are noted in the JSON alone."""
        return self is not Kind.STRAY


class BadFileError(Exception):
    """A file is not as it must be.

    Attributes:
        kind: What is wrong.
        detail: What was received; may be empty.
    """

    def __init__(self, kind: Kind, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else str(kind))
        self.kind, self.detail = kind, detail


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong with one file.

    Attributes:
        kind: What is wrong.
        split: Split that the file belongs to.
        file: The file, relative to the raw folder.
        id: Id of the example that cannot be used because of it; empty for a file that belongs to none.
        detail: What was received; may be empty.
    """

    kind: Kind
    split: str
    file: str
    id: str
    detail: str = ""

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> "Problem":
        """Make a problem from what `asdict` gave and JSON kept."""
        return cls(**{**facts, "kind": Kind(facts["kind"])})


def image_size(content: bytes) -> tuple[int, int]:
    """Check the bytes of a PNG or JPEG file and give (height, width) in pixels.

    A PNG's checksums are compared, which finds truncation and flipped bits without decoding. A JPEG has none: it is
    decoded, grey and at an eighth of the size, which reads every byte at half the cost of a full decode.

    Raises:
        BadFileError: It is no image, or a damaged one.
    """
    with opened(content) as image:
        try:
            width, height = image.size
            if image.format != "PNG":
                image.draft("L", (width // 8, height // 8))
                image.load()
        except Exception as error:  # what Pillow raises depends on where the damage lies
            raise BadFileError(Kind.DAMAGED, str(error)) from error
    return height, width


def opened(content: bytes) -> Image.Image:
    """Open the bytes of a PNG or JPEG file, or raise BadFileError. Pixels are not decoded yet; see `check_png`."""
    check_png(content)
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.UnidentifiedImageError as error:
        known = content.startswith((PNG_START, b"\xff\xd8\xff"))
        raise BadFileError(Kind.DAMAGED if known else Kind.NOT_AN_IMAGE, f"{len(content)} bytes") from error
    except Exception as error:  # as above; a header that asks for absurdly many pixels ends here too
        raise BadFileError(Kind.DAMAGED, str(error)) from error


def check_png(content: bytes) -> None:
    """Raise BadFileError for a PNG that does not end where it should, or a chunk of which has changed.

    Pillow compares no checksum of the chunks that it decodes: a mask with a flipped bit may come out as another mask.
    """
    if not content.startswith(PNG_START):
        return
    chunks, begin, kind = memoryview(content), len(PNG_START), b""
    while kind != b"IEND":
        length = int.from_bytes(chunks[begin : begin + 4], "big")
        kind, end = bytes(chunks[begin + 4 : begin + 8]), begin + 8 + length
        if len(content) < end + 4:
            raise BadFileError(Kind.DAMAGED, "the file ends too soon")
        if zlib.crc32(chunks[begin + 4 : end]) != int.from_bytes(chunks[end : end + 4], "big"):
            raise BadFileError(Kind.DAMAGED, f"checksum of the PNG chunk {str(kind, 'latin-1')!r}, byte {begin}")
        begin = end + 4


def check_pixels(content: bytes, max_pixels: int) -> None:
    """Raise BadFileError for an image of more pixels, by its header alone; what is no image passes."""
    if content.startswith(PNG_START) and len(content) >= 24:
        width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    else:
        try:
            width, height = Image.open(io.BytesIO(content), formats=HEADERS).size
        except Exception:  # no image, or a damaged one: whoever reads it tells
            return
    if width * height > max_pixels:
        raise BadFileError(Kind.TOO_LARGE, f"{height}x{width} = {width * height} pixels, allowed {max_pixels}")


@contextmanager
def no_limit_of_pillow() -> Iterator[None]:
    """Lift Pillow's own limit of pixels while the block runs: `check_pixels` is asked before every decoding there."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def report(dataset: str, problems: Iterable[Problem], advice: str) -> str:
    """Tell all problems in one message, grouped by kind; of each kind as many files are named as fit a screen."""
    found = sorted(problem for problem in problems if problem.kind.grave)
    kinds = {kind: of_kind for kind in Kind if (of_kind := [problem for problem in found if problem.kind is kind])}
    told = [f"{dataset}: {len(found)} bad raw file{'s' * (len(found) > 1)}. Nothing was written."]
    if 3 * len(kinds) > REPORT_ROWS:  # each has a line of its own, and no more
        lines = [_one_line(kind, of_kind) for kind, of_kind in kinds.items()]
        if _rows(lines) > REPORT_ROWS:
            lines = [_one_line(kind, of_kind, COLUMNS) for kind, of_kind in kinds.items()]
        return "\n".join([*told, *lines, advice])
    files: dict[Kind, list[str]] = {}
    room = REPORT_ROWS - len(kinds)
    for kind in sorted(kinds, key=lambda kind: len(kinds[kind])):  # what few need, many may have
        files[kind] = _files(kinds[kind], room // (len(kinds) - len(files)))
        room -= _rows(files[kind])
    for kind, of_kind in kinds.items():
        told += [f"{kind} ({len(of_kind)}):", *files[kind]]
    return "\n".join([*told, advice])


def listed(names: Sequence[str]) -> str:
    """Give "a, b, c", or the first `SHOWN` names and the number of the others."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def write(path: Path, dataset: str, splits: dict[str, Any], problems: Iterable[Problem]) -> None:
    """Write the audit as JSON: what each split holds, every problem, and every file that was passed over."""
    found = sorted(problems)
    facts = {
        "dataset": dataset,
        "splits": splits,
        "problems": [asdict(problem) for problem in found if problem.kind.grave],
        "passed_over": [problem.file for problem in found if not problem.kind.grave],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _files(problems: list[Problem], room: int) -> list[str]:
    """One line a file, at least one and as many as `room` rows hold; the last says how many more there are."""
    lines = [f"  {_told(problem)}" for problem in problems]
    if _rows(lines) > room:
        lines = [f"  {_told(problem, COLUMNS - 2)}" for problem in problems]
    if _rows(lines) <= room:
        return lines
    shown = 1
    while _rows(lines[: shown + 1]) < room:
        shown += 1
    return [*lines[:shown], f"  ... and {len(lines) - shown} more"] if shown < len(lines) else lines


def _one_line(kind: Kind, problems: list[Problem], columns: int | None = None) -> str:
    more = f"{CUT} and {len(problems) - 1} more" if len(problems) > 1 else ""
    start = f"{kind} ({len(problems)}): "
    told = _told(problems[0], columns and columns - len(start) - len(more))
    return start + told.removesuffix(CUT if more else "") + more


def _told(problem: Problem, columns: int | None = None) -> str:
    """Name the file and say what is wrong; of that, with `columns`, only as much as fits them."""
    file, detail = printable(problem.file), f": {printable(problem.detail)}" if problem.detail else ""
    if columns is not None and len(file + detail) > columns:
        kept = columns - len(file) - len(CUT)
        detail = f"{detail[:kept].rstrip()}{CUT}" if kept > len(": ") else ""
    return file + detail


def printable(text: str) -> str:
    """Give a text that does to a terminal nothing but appear on it: line breaks and the like are written as escapes."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _rows(lines: Iterable[str]) -> int:
    return sum(-(-len(line) // COLUMNS) for line in lines)
