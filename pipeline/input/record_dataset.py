"""The records of a split as a tf.data.Dataset. Steps that do without TensorFlow use record_reader."""

from pathlib import Path

import tensorflow as tf

from pipeline.input import records


def parse(example: tf.Tensor) -> dict[str, tf.Tensor]:
    """Parse a serialised record; image and label stay encoded.

    Args:
        example: String scalar, a serialised tf.train.Example.

    Returns:
        image, label, id, group: string scalars (image file, PNG of train ids, text, text); height, width: int64.
    """
    texts = {name: tf.io.FixedLenFeature([], tf.string) for name in ("image", "label", "id", "group")}
    lengths = {name: tf.io.FixedLenFeature([], tf.int64) for name in ("height", "width")}
    parsed: dict[str, tf.Tensor] = tf.io.parse_single_example(example, texts | lengths)
    return parsed


def encoded(folder: Path, split: str) -> tf.data.Dataset:
    """Dataset of a split's records, parsed by `parse`, in the order of the files."""
    paths = [str(path) for path in records.shards(folder, split)]
    return tf.data.TFRecordDataset(paths).map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
