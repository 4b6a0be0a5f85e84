"""The records that ingest wrote: TFRecord files in a TFDS folder, counted and listed without TensorFlow."""

import hashlib
import json
from pathlib import Path
from typing import Any

from datasets import tfrecord
from pipeline.errors import UserError

TRAIN = "train"
VAL = "val"

Address = tuple[int, int, int]
"""Where the bytes of a record lie: (number of its shard, offset, length)."""


def splits(folder: Path) -> dict[str, int]:
    """Number of examples of each split, in the order of dataset_info.json.

    Raises:
        UserError: `folder` holds no records.
    """
    return {str(split["name"]): sum(map(int, split["shardLengths"])) for split in _info(folder)["splits"]}


def require(folder: Path, split: str, key: str = "evaluate.split") -> None:
    """Raise UserError unless a split holds images; the text names those that do, and `key`, which asked for it."""
    there = splits(folder)
    if there.get(split):
        return
    state = "is empty" if split in there else "is not there"
    full = ", ".join(f"{name} ({count} images)" for name, count in there.items() if count)
    raise UserError(
        f"{key}: split {split!r} {state} in the ingested data. Splits with images: {full or 'none'}. "
        f"Set {key} to one of them, or add images to the raw folder."
    )


def shards(folder: Path, split: str) -> list[Path]:
    """Files of a split, in order.

    Raises:
        UserError: `folder` holds no records, or not this split, or not all of its files.
    """
    info = _info(folder)
    found = {part["name"]: len(part["shardLengths"]) for part in info["splits"]}
    if split not in found:
        raise UserError(f"{folder} holds no split {split!r}. Its splits: {', '.join(found) or 'none'}.")
    count = found[split]
    paths = [folder / f"{info['name']}-{split}.tfrecord-{index:05d}-of-{count:05d}" for index in range(count)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise UserError(f"{folder} is not complete: {', '.join(missing)} not there. Run again with --rerun ingest.")
    return paths


def addresses(folder: Path, split: str) -> list[Address]:
    """Where each record of a split lies, in the order of the files; reads 8 bytes of each.

    Layout of a record: length uint64, its checksum uint32, the bytes, their checksum uint32; little-endian.
    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details

    Raises:
        UserError: A file is cut off.
    """
    found = enumerate(shards(folder, split))
    return [(shard, offset, length) for shard, path in found for offset, length in tfrecord.extents(path)]


def checksum(folder: Path, split: str) -> str:
    """Give a digest of a split's contents, from the length and the checksum that TFRecord keeps of each record.

    Raises:
        UserError: A file is cut off.
    """
    digest = hashlib.sha256()
    for path in shards(folder, split):
        with path.open("rb") as file:
            for offset, length in tfrecord.extents(path):
                file.seek(offset + length)
                digest.update(length.to_bytes(8, "little") + file.read(tfrecord.FOOT))
    return digest.hexdigest()


def _info(folder: Path) -> dict[str, Any]:
    path = folder / "dataset_info.json"
    try:
        info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} holds no records: dataset_info.json is not there.") from None
    return info
