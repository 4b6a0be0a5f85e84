"""The bytes of a record, and the file that holds them."""

from pathlib import Path

import pytest

from datasets import tfrecord
from datasets.record import Serializer, features

EXAMPLE = {"image": b"image bytes", "label": b"label bytes", "id": "a", "group": "ä", "height": 2, "width": 3}


@pytest.fixture
def content() -> bytes:
    fields = features(["sky", "road"])
    return Serializer(fields.get_serialized_info()).serialize_example(fields.encode_example(EXAMPLE))


def test_fields_come_in_a_fixed_order(content: bytes) -> None:
    """The order itself is checked: two equal runs prove nothing, as an arbitrary order may be the same twice."""
    offsets = [content.index(f"\x0a{chr(len(name))}{name}\x12".encode()) for name in sorted(EXAMPLE)]
    assert offsets == sorted(offsets)


def test_tensorflow_reads_the_written_records(content: bytes, tmp_path: Path) -> None:
    import tensorflow as tf

    records = [content, b"", bytes(range(256)) * 1000]
    assert tfrecord.write(tmp_path / "file", iter(records)) == 3
    assert [record.numpy() for record in tf.data.TFRecordDataset(str(tmp_path / "file"))] == records
    example = tf.train.Example.FromString(content).features.feature
    assert example["image"].bytes_list.value == [b"image bytes"]
    assert example["group"].bytes_list.value == ["ä".encode()]
    assert example["width"].int64_list.value == [3]
