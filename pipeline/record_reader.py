"""Reading records without TensorFlow, whose import costs more CPU than the reading."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
from tensorflow_datasets.proto import tf_example_pb2

from pipeline.errors import UserError

HEAD = struct.Struct("<QI")
FOOT = struct.Struct("<I")


@dataclass(frozen=True)
class Record:
    """One example, as encoded.

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
    """Read the records of a TFRecord file in their order, one at a time.

    Layout of each, little-endian: length uint64, its checksum uint32, the bytes, their checksum uint32.
    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details

    Raises:
        UserError: The file is damaged or cut short.
    """
    for content in _contents(shard):
        features = tf_example_pb2.Example.FromString(content).features.feature
        id_, group, image, label = (features[name].bytes_list.value[0] for name in ("id", "group", "image", "label"))
        yield Record(id_.decode(), group.decode(), image, label)


def _contents(shard: Path) -> Iterator[bytes]:
    with shard.open("rb") as file:
        while head := file.read(HEAD.size):
            content = foot = b""
            if len(head) == HEAD.size and _masked_crc(head[:8]) == HEAD.unpack(head)[1]:
                content, foot = file.read(HEAD.unpack(head)[0]), file.read(FOOT.size)
            if len(foot) != FOOT.size or _masked_crc(content) != FOOT.unpack(foot)[0]:
                raise UserError(
                    f"The records are damaged: {shard.name}, before byte {file.tell()}. "
                    "Make them anew: run with --rerun ingest."
                )
            yield content


def _masked_crc(content: bytes) -> int:
    crc = int(google_crc32c.value(content))
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
