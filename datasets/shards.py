"""One shard is the unit of work: a list of file names goes to a worker, which reads, checks and writes all of it.

No pixel crosses from one stage of the pipeline to another; what comes back is a report of a few hundred bytes.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from datasets import audit, labels, tfrecord
from datasets.audit import BadFileError, Kind, Problem
from datasets.pairs import Pair
from datasets.record import Serializer, features

SHARD_BYTES = 32 * 2**20
"""Image bytes of a shard, about, where their number is not given: small enough that even CamVid keeps several
workers busy, large enough that Cityscapes is 200 files."""

ReadMask = Callable[[bytes], np.ndarray]
"""From the bytes of a mask file to train ids, uint8 [H, W]; raises BadFileError."""


@dataclass(frozen=True)
class Shard:
    """What a worker is told.

    Attributes:
        split: The split it belongs to.
        raw: The raw folder.
        path: The TFRecord file to write.
        pairs: The examples, in the order of their records.
    """

    split: str
    raw: Path
    path: Path
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class ShardReport:
    """What a worker tells.

    Attributes:
        records: Number of records written.
        bytes: Size of the file.
        problems: What was wrong with the files that are not among the records.
    """

    records: int
    bytes: int
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
        classes: Names of the classes.
        read_mask: How to read a mask.
    """

    classes: tuple[str, ...]
    read_mask: ReadMask

    def __call__(self, shard: Shard) -> None:
        """Write `shard.path` and, beside it, the report; both appear when they are complete."""
        problems: list[Problem] = []
        partial = shard.path.with_name(f"{shard.path.name}.incomplete.{uuid4().hex}")
        records = tfrecord.write(partial, self._records(shard, problems))
        ShardReport(records, partial.stat().st_size, tuple(problems)).write(report_path(shard.path))
        partial.replace(shard.path)

    def _records(self, shard: Shard, problems: list[Problem]) -> Iterator[bytes]:
        """Yield the record of each good pair; what is wrong with the others is added to `problems`."""
        fields = features(self.classes)
        serializer = Serializer(fields.get_serialized_info())
        for pair in shard.pairs:
            found: list[Problem] = []
            with _noting(found, shard.split, pair.image, pair.id):
                image = audit.read(shard.raw / pair.image)
                size = audit.image_size(image)
            with _noting(found, shard.split, pair.mask, pair.id):
                label = self.read_mask(audit.read(shard.raw / pair.mask))
                if not found and label.shape != size:
                    raise BadFileError(Kind.MASK_SIZE, f"mask {_text(label.shape)}, image {_text(size)}")
            if found:
                problems += found
                continue
            example = {
                "image": image,
                "label": labels.encode(label),
                "id": pair.id,
                "group": pair.group,
                "height": size[0],
                "width": size[1],
            }
            yield serializer.serialize_example(fields.encode_example(example))


def number_of_shards(image_bytes: int) -> int:
    """How many shards a split of so many bytes is cut into where the user names no number."""
    return math.ceil(image_bytes / SHARD_BYTES)


def cut(pairs: Sequence[Pair], num_shards: int) -> list[tuple[Pair, ...]]:
    """Put pairs into the order of their records and cut them into `num_shards` of equal length (or one each).

    The order is that of the ids' SHA-256, so that it depends on nothing else and frames of one drive do not lie side by
    side, where a reader's shuffle buffer would meet them together.
    """
    number = min(max(1, num_shards), len(pairs))
    ordered = sorted(pairs, key=lambda pair: hashlib.sha256(pair.id.encode()).digest())
    bounds = [len(ordered) * index // number for index in range(number + 1)] if number else []
    return [tuple(ordered[low:high]) for low, high in pairwise(bounds)]


def image_bytes(raw: Path, pairs: Sequence[Pair]) -> int:
    """Bytes of all images; one that cannot be read counts 0, and the audit tells of it later."""
    total = 0
    for pair in pairs:
        with suppress(OSError):
            total += (raw / pair.image).stat().st_size
    return total


def report_path(path: Path) -> Path:
    """Where the report of the shard `path` lies."""
    return path.with_name(f"{path.name}.report.json")


@contextmanager
def _noting(problems: list[Problem], split: str, file: str, id_: str) -> Iterator[None]:
    """Turn a BadFileError of the block into a problem."""
    try:
        yield
    except BadFileError as error:
        problems.append(Problem(error.kind, split, file, id_, error.detail))


def _text(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
