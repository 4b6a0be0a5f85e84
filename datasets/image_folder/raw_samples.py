"""Some raw image files as they are, a few of each kind: with them export proves that it reads files as ingest did.

Records hold what ingest made of a file. A turned photo, a TIFF or a 16-bit image is not in them as users have it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

from datasets import audit
from datasets.image_folder import files
from datasets.pairs import Pair, Split
from datasets.raw import RawFolder

FOLDER = "raw_samples"  # Its name in the folder of the records

INDEX = "index.json"

SCANNED = 1000
"""Images of a split whose headers are read, in the order of the digests of their ids, which is a random sample."""

EACH, MOST = 2, 24  # Files of a kind, and of all kinds, at most
MOST_BYTES = 1 << 26  # Bytes of all files at most; the first of a kind is kept at any size that ingest reads


@dataclass(frozen=True)
class RawSample:
    """A raw image file.

    Attributes:
        split, id: Those of its record.
        name: Its name in the raw folder.
        kind: Its format, its kind of pixels, and its EXIF orientation.
        content: Its bytes.
    """

    split: str
    id: str
    name: str
    kind: str
    content: bytes


def write(folder: Path, raw: RawFolder, splits: Mapping[str, Split]) -> None:
    """Copy up to EACH files of each kind into a new folder, with an index. Files that are bad are passed over."""
    folder.mkdir()
    counts, total = Counter[str](), 0
    entries: list[dict[str, str]] = []
    with audit.lift_pillow_limit():
        for split, pair in _scanned(splits):
            if len(entries) == MOST:
                break
            try:
                content = raw.read(pair.image)
                own = kind(content)
            except Exception:  # a bad file, which ingest reports
                continue
            if counts[own] == EACH or (counts[own] and total + len(content) > MOST_BYTES):
                continue
            counts[own], total = counts[own] + 1, total + len(content)
            file = f"{len(entries):03d}{PurePath(pair.image).suffix.lower()}"
            (folder / file).write_bytes(content)
            entries.append({"file": file, "split": split, "id": pair.id, "name": pair.image, "kind": own})
    (folder / INDEX).write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read(folder: Path) -> list[RawSample]:
    """Read what `write` wrote. A dataset whose records hold the raw files themselves has no such folder: []."""
    if not folder.is_dir():
        return []
    return [
        RawSample(entry["split"], entry["id"], entry["name"], entry["kind"], (folder / entry["file"]).read_bytes())
        for entry in json.loads((folder / INDEX).read_text(encoding="utf-8"))
    ]


def kind(content: bytes) -> str:
    """Return the format of an image file, Pillow's mode and the EXIF orientation, such as "JPEG RGB, turned 6".

    Raises:
        Exception: The file is no image, or damaged.
    """
    with audit.open_image(content, files.FORMATS) as image:
        pixels = f"{image.format} {image.mode}"
    orientation, _ = files.orientation(content)
    return f"{pixels}, turned {orientation}" if orientation != 1 else pixels


def _scanned(splits: Mapping[str, Split]) -> Iterator[tuple[str, Pair]]:
    """Yield SCANNED pairs of each split; a file of several examples has no single record, and is left out."""
    for name, split in splits.items():
        times = Counter(pair.image for pair in split.pairs)
        single = (pair for pair in split.pairs if times[pair.image] == 1)
        for pair in islice(sorted(single, key=lambda pair: hashlib.sha256(pair.id.encode()).digest()), SCANNED):
            yield name, pair
