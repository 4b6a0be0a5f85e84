"""The records that ingest wrote, as every later step reads them: TFRecord files in a TFDS folder.

Counting and listing them does not import TensorFlow.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import tfrecord
from pipeline.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

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


def require(folder: Path, split: str) -> None:
    """Raise UserError unless the split that is to be evaluated holds images; the text names those that do."""
    there = splits(folder)
    if there.get(split):
        return
    state = "is empty" if split in there else "is not there"
    full = ", ".join(f"{name} ({count} images)" for name, count in there.items() if count)
    raise UserError(
        f"evaluate.split: split {split!r} {state} in the ingested data. Splits with images: {full or 'none'}. "
        "Set evaluate.split to one of them, or add images to the raw folder."
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


def parse(example: "tf.Tensor") -> "dict[str, tf.Tensor]":
    """Take a serialised record apart; nothing is decoded.

    Args:
        example: String scalar.

    Returns:
        image, label, id, group: string scalars (image file, PNG of train ids, text, text); height, width: int64.
    """
    import tensorflow as tf

    texts = {name: tf.io.FixedLenFeature([], tf.string) for name in ("image", "label", "id", "group")}
    lengths = {name: tf.io.FixedLenFeature([], tf.int64) for name in ("height", "width")}
    parsed: dict[str, tf.Tensor] = tf.io.parse_single_example(example, texts | lengths)
    return parsed


def encoded(folder: Path, split: str) -> "tf.data.Dataset":
    """Every record of a split as `parse` gives it, in the order of the files."""
    import tensorflow as tf

    paths = [str(path) for path in shards(folder, split)]
    return tf.data.TFRecordDataset(paths).map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def addresses(folder: Path, split: str) -> list[Address]:
    """Where each record of a split lies, in the order of the files; reads 8 bytes of each.

    Layout of a record: length uint64, its checksum uint32, the bytes, their checksum uint32; little-endian.
    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details

    Raises:
        UserError: A file is cut off.
    """
    found = enumerate(shards(folder, split))
    return [(shard, offset, length) for shard, path in found for offset, length in tfrecord.extents(path)]


def _info(folder: Path) -> dict[str, Any]:
    path = folder / "dataset_info.json"
    try:
        info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} holds no records: dataset_info.json is not there.") from None
    return info
