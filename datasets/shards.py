"""Shards, the units of work: a worker gets a list of file names, and reads, checks and writes all of them.

No pixels move between stages of the Beam pipeline; the result is a report of a few hundred bytes.
"""

import hashlib
import json
import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from datasets import audit, labels, tfrecord
from datasets.audit import BadFileError, Kind, Problem
from datasets.pairs import Pair
from datasets.raw import Part, RawFolder
from datasets.reader import Drawing, Reader
from datasets.record import Serializer, features
from datasets.spec import IGNORE
from datasets.writers import signature

SHARD_BYTES = 32 * 2**20
"""Upper limit, roughly, of a shard's image bytes where the number of shards is not given: small enough that even CamVid
keeps several workers busy, large enough that Cityscapes is a few hundred files."""

BYTES_PER_PIXEL, BYTES_BESIDE = 8, 2**24
"""A file larger than max_pixels * BYTES_PER_PIXEL (four 16-bit channels, or a double of a .mat file) + BYTES_BESIDE
(everything but pixels) is not read: it might not fit into memory."""

INCOMPLETE = ".incomplete."
"""Part of the name of an unfinished shard, before "<host>-<process>.<random>"."""

REPORT = ".report.json"
"""Suffix of a shard's report, after the shard's own name."""


@dataclass(frozen=True)
class Shard:
    """The task of a worker.

    Attributes:
        split: Name of the split.
        path: The TFRecord file to write.
        pairs: The examples, in the order of their records.
    """

    split: str
    path: Path
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class ShardReport:
    """The result of a worker.

    Attributes:
        records: Number of records written.
        bytes: Size of the TFRecord file.
        checksum: `tfrecord.checksum` of the file.
        problems: Problems of the files that were left out.
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
        """Read a report that `write` wrote."""
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**fields, "problems": tuple(map(Problem.from_json, fields["problems"]))})


@dataclass(frozen=True)
class ShardWriter:
    """The worker, picklable: writes one shard and its report.

    Attributes:
        raw: The raw folder.
        classes: Class names, by train id.
        reader: The dataset's functions to read an image and a mask.
        max_pixels: An image or mask with more pixels is refused, by its header, before it is decoded.
    """

    raw: RawFolder
    classes: tuple[str, ...]
    reader: Reader
    max_pixels: int = audit.MAX_PIXELS

    def __call__(self, shard: Shard) -> None:
        """Write `shard.path` and, beside it, the report; both appear only when complete."""
        problems: list[Problem] = []
        partial = shard.path.with_name(f"{shard.path.name}{INCOMPLETE}{signature()}.{uuid4().hex}")
        try:
            with audit.lift_pillow_limit(self.max_pixels):
                records = tfrecord.write(partial, self._records(shard, problems))
            report = report_path(partial)
            size, checksum = partial.stat().st_size, tfrecord.checksum(partial)
            ShardReport(records, size, checksum, tuple(problems)).write(report)
            report.replace(report_path(shard.path))
            partial.replace(shard.path)
        except BaseException:
            with suppress(OSError):  # the disk may be full; the exception below matters more
                partial.unlink(missing_ok=True)
                report_path(partial).unlink(missing_ok=True)
                fault_path(shard.path).write_text(traceback.format_exc(), encoding="utf-8")
            raise

    @property
    def _most_bytes(self) -> int:
        return self.max_pixels * BYTES_PER_PIXEL + BYTES_BESIDE

    def _records(self, shard: Shard, problems: list[Problem]) -> Iterator[bytes]:
        """Yield the record of each good pair; append the problems of the others to `problems`."""
        fields = features(self.classes)
        serializer = Serializer(fields.get_serialized_info())
        for pair in shard.pairs:
            pair_problems: list[Problem] = []
            try:
                image, label = self.read(pair, shard.split, pair_problems)
                problems += pair_problems
                if any(problem.kind.is_error for problem in pair_problems):
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

    def read(self, pair: Pair, split: str, problems: list[Problem]) -> tuple[bytes, np.ndarray]:
        """Read and check both files of a pair: return the image file's bytes and the train ids, uint8 [H, W].

        Both files are checked in any case, and their problems are appended to `problems`; those whose kind is no error
        leave the result as it is.
        """
        content = image = b""
        size = (0, 0)
        label = np.empty(size, np.uint8)
        with _collect_errors(problems, split, pair.image, pair.id):
            content = self.raw.read(pair.image, self._most_bytes)
            image = self.reader.image(content)
            size = audit.image_size(image)
        if self.reader.drawn is not None:
            with _collect_errors(problems, split, pair.image, pair.id):
                if self.reader.check and pair.mask and not problems:
                    self.reader.check(content, b"")
            return image, label if problems else self._draw(self.reader.drawn, pair, split, size, problems)
        if pair.mask is None:
            return image, np.full(size, IGNORE, np.uint8)
        if pair.mask == pair.image and problems:  # the same file: report it once
            return image, label
        return image, self._read_masks(pair, split, content, size, problems)

    def _read_masks(
        self, pair: Pair, split: str, image: bytes, size: tuple[int, int], problems: list[Problem]
    ) -> np.ndarray:
        """Read and check the masks of a pair; return the train ids of all, uint8 [H, W].

        Args:
            pair: The pair.
            split: Name of its split.
            image: Bytes of the image file.
            size: (height, width) of the image, unless there are problems.
            problems: Those of the image; those of the masks are appended.
        """
        label = np.empty((0, 0), np.uint8)
        for mask in filter(None, (pair.mask, *pair.further)):
            with _collect_errors(problems, split, mask, pair.id):
                content = image
                if mask != pair.image:
                    content = self.raw.read(mask, self._most_bytes)
                part = self.reader.mask(content)
                if part.ndim != 2:
                    raise BadFileError(Kind.MASK_DIMENSIONS, f"shape {_format(part.shape)}")
                if self.reader.check and not problems:
                    self.reader.check(image, content)
                if not problems and part.shape != size:
                    raise BadFileError(Kind.MASK_SIZE, f"mask {_format(part.shape)}, image {_format(size)}")
                label = part if mask == pair.mask or problems else labels.unite(label, part)
        return label

    def _draw(
        self,
        drawn: Callable[[Drawing], np.ndarray],
        pair: Pair,
        split: str,
        size: tuple[int, int],
        problems: list[Problem],
    ) -> np.ndarray:
        """Draw the label of a pair from its annotations; append their problems to `problems`."""
        file = pair.mask or pair.image
        parts = pair.parts or ((Part(pair.mask),) if pair.mask else ())
        with _collect_errors(problems, split, file, pair.id):
            contents = self.raw.read_parts(parts, self._most_bytes)
            notes: list[str] = []
            label = drawn(Drawing(pair.image, size, contents, notes))
            problems += [Problem(Kind.CROSSING, split, file, pair.id, note) for note in notes]
            return label
        return np.empty((0, 0), np.uint8)


def number_of_shards(image_bytes: int) -> int:
    """Return the default number of shards of a split with `image_bytes` bytes of images.

    It is a power of two, so that a few images more or less rarely change it, and with it the contents of every shard.

    >>> number_of_shards(100 * 2**20)
    4
    """
    return 1 << max(0, math.ceil(math.log2(max(1, image_bytes) / SHARD_BYTES)))


def partition(pairs: Sequence[Pair], num_shards: int) -> list[tuple[Pair, ...]]:
    """Sort pairs into the order of their records and partition them into `num_shards` of about equal length.

    The order is that of the SHA-256 of the ids: it depends on nothing else, and it separates the frames of one drive,
    which would otherwise be in a reader's shuffle buffer together. Shard i holds the i-th range of digests, so that an
    added or removed pair changes only its own shard. With few pairs a shard may be empty.
    """
    shards: list[list[Pair]] = [[] for _ in range(num_shards)]
    for digest, pair in sorted(((_digest(pair), pair) for pair in pairs), key=lambda both: both[0]):
        shards[int.from_bytes(digest[:8], "big") * num_shards >> 64].append(pair)
    return [tuple(shard) for shard in shards]


def report_path(path: Path) -> Path:
    """Return the path of the report of the shard `path`."""
    return path.with_name(f"{path.name}{REPORT}")


def fault_path(path: Path) -> Path:
    """Return the path where a worker that fails at the shard `path` writes its traceback."""
    return path.with_name(f"{path.name}.fault.txt")


def _digest(pair: Pair) -> bytes:
    return hashlib.sha256(pair.id.encode()).digest()


@contextmanager
def _collect_errors(problems: list[Problem], split: str, file: str, id_: str) -> Iterator[None]:
    """Append a BadFileError of the block to `problems`."""
    try:
        yield
    except BadFileError as error:
        problems.append(Problem(error.kind, split, file, id_, error.detail))


def _format(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
