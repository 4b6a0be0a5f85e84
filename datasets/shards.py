"""One shard is the unit of work: a list of file names goes to a worker, which reads, checks and writes all of it.

No pixel crosses from one stage of the pipeline to another; what comes back is a report of a few hundred bytes.
"""

import hashlib
import json
import math
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from datasets import audit, labels, tfrecord
from datasets.audit import BadFileError, Kind, Problem
from datasets.pairs import Pair
from datasets.raw import RawFolder
from datasets.reader import Reader
from datasets.record import Serializer, features
from datasets.spec import IGNORE
from datasets.writers import signature

SHARD_BYTES = 32 * 2**20
"""Image bytes of a shard, at most about, where their number is not given: small enough that even CamVid keeps several
workers busy, large enough that Cityscapes is a few hundred files."""

BYTES_PER_PIXEL, BYTES_BESIDE = 8, 2**24
"""A file of more bytes than this for each pixel (16 bits in four channels, or a number of a .mat file), and this much
for what else it holds, is not read: it might not fit the memory."""

INCOMPLETE = ".incomplete."
"""Stands in the name of a shard that is being written, before "<host>-<process>.<random>"."""

REPORT = ".report.json"
"""How the report of a shard is called, behind the shard's own name."""


@dataclass(frozen=True)
class Shard:
    """What a worker is told.

    Attributes:
        split: The split it belongs to.
        path: The TFRecord file to write.
        pairs: The examples, in the order of their records.
    """

    split: str
    path: Path
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class ShardReport:
    """What a worker tells.

    Attributes:
        records: Number of records written.
        bytes: Size of the file.
        checksum: See tfrecord.checksum.
        problems: What was wrong with the files that are not among the records.
    """

    records: int
    bytes: int
    checksum: str
    problems: tuple[Problem, ...]

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "ShardReport":
        """Read what `write` wrote."""
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**facts, "problems": tuple(Problem.from_json(problem) for problem in facts["problems"])})


@dataclass(frozen=True)
class ShardWriter:
    """The worker: writes one shard and its report. It can be pickled.

    Attributes:
        raw: The raw folder.
        classes: Names of the classes.
        reader: How to read an image and a mask.
        max_pixels: An image or mask of more is refused before it is decoded.
    """

    raw: RawFolder
    classes: tuple[str, ...]
    reader: Reader
    max_pixels: int = audit.MAX_PIXELS

    def __call__(self, shard: Shard) -> None:
        """Write `shard.path` and, beside it, the report; both appear when they are complete."""
        problems: list[Problem] = []
        partial = shard.path.with_name(f"{shard.path.name}{INCOMPLETE}{signature()}.{uuid4().hex}")
        try:
            with audit.no_limit_of_pillow():
                records = tfrecord.write(partial, self._records(shard, problems))
            report = report_path(partial)
            size, checksum = partial.stat().st_size, tfrecord.checksum(partial)
            ShardReport(records, size, checksum, tuple(problems)).write(report)
            report.replace(report_path(shard.path))
            partial.replace(shard.path)
        except BaseException:
            with suppress(OSError):  # the disk may be full; the exception below tells
                partial.unlink(missing_ok=True)
                report_path(partial).unlink(missing_ok=True)
                fault_path(shard.path).write_text(traceback.format_exc(), encoding="utf-8")
            raise

    @property
    def _most_bytes(self) -> int:
        return self.max_pixels * BYTES_PER_PIXEL + BYTES_BESIDE

    def _records(self, shard: Shard, problems: list[Problem]) -> Iterator[bytes]:
        """Yield the record of each good pair; what is wrong with the others is added to `problems`."""
        fields = features(self.classes)
        serializer = Serializer(fields.get_serialized_info())
        for pair in shard.pairs:
            found: list[Problem] = []
            try:
                image, label = self._decoded(pair, shard.split, found)
                if found:
                    problems += found
                    continue
                example = {
                    "image": image,
                    "label": labels.encode(label),
                    "id": pair.id,
                    "group": pair.group,
                    "height": label.shape[0],
                    "width": label.shape[1],
                }
                record = serializer.serialize_example(fields.encode_example(example))
            except Exception as error:
                error.add_note(f"While reading {pair.image}" + (f" with {pair.mask}" if pair.mask else ""))
                raise
            yield record

    def _decoded(self, pair: Pair, split: str, problems: list[Problem]) -> tuple[bytes, np.ndarray]:
        """Read and check both files of a pair: the image as a file, the mask as train ids [H, W].

        What is wrong with either is added to `problems`; both are looked at, whatever is wrong with the first.
        """
        content = image = b""
        size = (0, 0)
        label = np.empty(size, np.uint8)
        with _noting(problems, split, pair.image, pair.id):
            content = self.raw.read(pair.image, self._most_bytes)
            audit.check_pixels(content, self.max_pixels)
            image = self.reader.image(content)
            size = audit.image_size(image)
        if pair.mask is None:
            return image, np.full(size, IGNORE, np.uint8)
        if pair.mask == pair.image and problems:  # one file, and it is bad: once is enough
            return image, label
        with _noting(problems, split, pair.mask, pair.id):
            if pair.mask != pair.image:
                content = self.raw.read(pair.mask, self._most_bytes)
                audit.check_pixels(content, self.max_pixels)
            label = self.reader.mask(content)
            if label.ndim != 2:
                raise BadFileError(Kind.MASK_DIMENSIONS, f"shape {_text(label.shape)}")
            if not problems and label.shape != size:
                raise BadFileError(Kind.MASK_SIZE, f"mask {_text(label.shape)}, image {_text(size)}")
        return image, label


def number_of_shards(image_bytes: int) -> int:
    """How many shards a split of so many bytes is cut into where the user names no number.

    A power of two: then a few images more or less hardly ever change it, and with it what every shard holds.
    """
    return 1 << max(0, math.ceil(math.log2(max(1, image_bytes) / SHARD_BYTES)))


def cut(pairs: Sequence[Pair], num_shards: int) -> list[tuple[Pair, ...]]:
    """Put pairs into the order of their records and cut them into `num_shards`, of about equal length.

    The order is that of the ids' SHA-256, so that it depends on nothing else and frames of one drive do not lie side by
    side, where a reader's shuffle buffer would meet them together. Shard i holds the i-th part of all digests: a pair
    that comes or goes changes its own shard and no other. A shard of a handful of pairs may so be empty.
    """
    shards: list[list[Pair]] = [[] for _ in range(num_shards)]
    for digest, pair in sorted(((_digest(pair), pair) for pair in pairs), key=lambda both: both[0]):
        shards[int.from_bytes(digest[:8], "big") * num_shards >> 64].append(pair)
    return [tuple(shard) for shard in shards]


def report_path(path: Path) -> Path:
    """Where the report of the shard `path` lies."""
    return path.with_name(f"{path.name}{REPORT}")


def fault_path(path: Path) -> Path:
    """Where the worker that failed at the shard `path` leaves its traceback."""
    return path.with_name(f"{path.name}.fault.txt")


def _digest(pair: Pair) -> bytes:
    return hashlib.sha256(pair.id.encode()).digest()


@contextmanager
def _noting(problems: list[Problem], split: str, file: str, id_: str) -> Iterator[None]:
    """Turn a BadFileError of the block into a problem."""
    try:
        yield
    except BadFileError as error:
        problems.append(Problem(error.kind, split, file, id_, error.detail))


def _text(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
