"""TFRecord files, written without TensorFlow: importing that costs more CPU than converting a thousand images."""

import struct
from collections.abc import Iterable
from pathlib import Path

import google_crc32c


def write(path: Path, records: Iterable[bytes]) -> int:
    """Write records to a TFRecord file, one at a time, and give their number.

    Layout of each, little-endian: length uint64, its checksum uint32, the bytes, their checksum uint32.
    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
    """
    number = 0
    with path.open("wb") as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.writelines((length, _masked_crc(length), record, _masked_crc(record)))
            number += 1
    return number


def _masked_crc(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)
