"""Read records without TensorFlow, whose import takes more CPU time than the reading."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tensorflow_datasets.proto import tf_example_pb2

from datasets import tfrecord


@dataclass(frozen=True)
class Record:
    """One example, still encoded.

    Attributes:
        id, group: As in the record.
        image: Bytes of the image file.
        label: Bytes of the PNG of train ids.
    """

    id: str
    group: str
    image: bytes
    label: bytes


def read(shard: Path) -> Iterator[Record]:
    """Yield the records of a TFRecord file in order.

    Raises:
        DatasetError: The file is damaged or cut short.
    """
    for content in tfrecord.read(shard):
        features = tf_example_pb2.Example.FromString(content).features.feature
        id_, group, image, label = (features[name].bytes_list.value[0] for name in ("id", "group", "image", "label"))
        yield Record(id_.decode(), group.decode(), image, label)
