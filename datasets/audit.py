"""What can be wrong with raw files, how it is found, and how all of it is told at once."""

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from PIL import Image

SHOWN = 20
"""Files of one kind that a message lists; the others are counted."""

FORMATS = ("PNG", "JPEG")
"""Image formats that a record may hold: those that TensorFlow decodes at training and at serving time alike."""


class Kind(StrEnum):
    """What is wrong with a file, in the words of the report."""

    EMPTY = "empty file"
    UNREADABLE = "cannot be read"
    NOT_AN_IMAGE = "not a PNG or JPEG image"
    DAMAGED = "truncated or damaged image"
    MASK_CHANNELS = "mask is not a single channel of 8-bit ids"
    MASK_SIZE = "mask of another size than its image"
    LABEL_RANGE = "label out of range"
    WITHOUT_MASK = "image without mask"
    WITHOUT_IMAGE = "mask without image"
    DUPLICATE = "duplicate id"


class BadFileError(Exception):
    """A file is not as it must be.

    Attributes:
        kind: What is wrong.
        detail: What was received; may be empty.
    """

    def __init__(self, kind: Kind, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong with one file.

    Attributes:
        kind: What is wrong.
        split: Split that the file belongs to.
        file: The file, relative to the raw folder.
        id: Id of the example that cannot be used because of it.
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


def read(path: Path) -> bytes:
    """Read a file that must be there and hold something, or raise BadFileError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadFileError(Kind.UNREADABLE, error.strerror or str(error)) from error
    if not content:
        raise BadFileError(Kind.EMPTY)
    return content


def image_size(content: bytes) -> tuple[int, int]:
    """Check the bytes of a PNG or JPEG file and give (height, width) in pixels.

    A PNG's chunks carry checksums, so that reading them finds truncation and flipped bits without decoding. A JPEG has
    none: it is decoded, grey and at an eighth of the size, which reads every byte at half the cost of a full decode.

    Raises:
        BadFileError: It is no image, or a damaged one.
    """
    with opened(content) as image:
        try:
            width, height = image.size
            if image.format == "PNG":
                image.verify()
            else:
                image.draft("L", (width // 8, height // 8))
                image.load()
        except Exception as error:  # what Pillow raises depends on where the damage lies
            raise BadFileError(Kind.DAMAGED, str(error)) from error
    return height, width


def opened(content: bytes) -> Image.Image:
    """Open the bytes of a PNG or JPEG file, or raise BadFileError. Pixels are not decoded yet."""
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.UnidentifiedImageError as error:
        known = content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))
        raise BadFileError(Kind.DAMAGED if known else Kind.NOT_AN_IMAGE, f"{len(content)} bytes") from error
    except Exception as error:  # as above; a header that asks for absurdly many pixels ends here too
        raise BadFileError(Kind.DAMAGED, str(error)) from error


def report(dataset: str, problems: Iterable[Problem], advice: str) -> str:
    """Tell all problems in one message, grouped by kind; of each kind the first `SHOWN` files are named."""
    found = sorted(problems)
    lines = [f"{dataset}: {len(found)} bad raw file{'s' * (len(found) > 1)}. Nothing was written."]
    for kind in Kind:
        of_kind = [problem for problem in found if problem.kind is kind]
        if of_kind:
            lines += [f"{kind} ({len(of_kind)}):", *_files(of_kind)]
    return "\n".join([*lines, advice])


def listed(names: Sequence[str]) -> str:
    """Give "a, b, c", or the first `SHOWN` names and the number of the others."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def write(path: Path, dataset: str, splits: dict[str, Any], problems: Iterable[Problem]) -> None:
    """Write the audit as JSON: what each split holds, and every problem."""
    facts = {"dataset": dataset, "splits": splits, "problems": [asdict(problem) for problem in sorted(problems)]}
    path.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _files(problems: list[Problem]) -> list[str]:
    lines = [f"  {problem.file}" + (f": {problem.detail}" if problem.detail else "") for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  ... and {len(problems) - SHOWN} more")
    return lines
