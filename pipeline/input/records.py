"""The records folder that ingest wrote, TFRecord files as TFDS lays them out; read without TensorFlow."""

import hashlib
from pathlib import Path
from typing import Any

from datasets import tfrecord
from pipeline.errors import UserError
from pipeline.workspace import json_file

TRAIN = "train"
VAL = "val"

Address = tuple[int, int, int]
"""Location of a record's bytes: (index of its shard, offset, length)."""


def splits(folder: Path) -> dict[str, int]:
    """Number of examples of each split, in the order of dataset_info.json.

    Raises:
        UserError: `folder` holds no records.
    """
    return {str(split["name"]): sum(map(int, split["shardLengths"])) for split in _info(folder)["splits"]}


def require(folder: Path, split: str, key: str = "evaluate.split") -> None:
    """Raise UserError unless a split holds images.

    Args:
        folder: The records folder.
        split: Name of the split.
        key: Recipe key or option that names the split; the message quotes it.
    """
    counts = splits(folder)
    if counts.get(split):
        return
    state = "is empty" if split in counts else "is not there"
    full = ", ".join(f"{name} ({count} images)" for name, count in counts.items() if count)
    raise UserError(
        f"{key}: split {split!r} {state} in the ingested data. Splits with images: {full or 'none'}. "
        f"Set {key} to one of them, or add images to the raw folder."
    )


def shards(folder: Path, split: str) -> list[Path]:
    """Files of a split, in order.

    Raises:
        UserError: `folder` holds no records, lacks this split, or lacks some of its files.
    """
    info = _info(folder)
    counts = {entry["name"]: len(entry["shardLengths"]) for entry in info["splits"]}
    if split not in counts:
        raise UserError(f"{folder} holds no split {split!r}. Its splits: {', '.join(counts) or 'none'}.")
    count = counts[split]
    paths = [folder / f"{info['name']}-{split}.tfrecord-{index:05d}-of-{count:05d}" for index in range(count)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise UserError(f"{folder} is not complete: {', '.join(missing)} not there. Run again with --rerun ingest.")
    return paths


def addresses(folder: Path, split: str) -> list[Address]:
    """Locate each record of a split, in the order of the files; reads 8 bytes of each.

    Layout of a record: length uint64, its checksum uint32, the bytes, their checksum uint32; little-endian.
    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details

    Raises:
        UserError: As `shards`.
        DatasetError: A file is cut off.
    """
    paths = enumerate(shards(folder, split))
    return [(shard, offset, length) for shard, path in paths for offset, length in tfrecord.extents(path)]


def checksum(folder: Path, split: str) -> str:
    """Digest of a split's contents, SHA-256 of the length and the CRC that TFRecord stores with each record.

    Raises:
        UserError: As `shards`.
        DatasetError: A file is cut off.
    """
    digest = hashlib.sha256()
    for path in shards(folder, split):
        with path.open("rb") as file:
            for offset, length in tfrecord.extents(path):
                file.seek(offset + length)
                digest.update(length.to_bytes(8, "little") + file.read(tfrecord.FOOT))
    return digest.hexdigest()


def _info(folder: Path) -> dict[str, Any]:
    try:
        info: dict[str, Any] = json_file.read(folder / "dataset_info.json")
    except FileNotFoundError:
        raise UserError(f"{folder} holds no records: dataset_info.json is not there.") from None
    return info
