"""TFRecord files without TensorFlow, whose import costs more CPU than converting a thousand images.

Layout of each record, little-endian: length uint64, its checksum uint32, the bytes, their checksum uint32.
Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import google_crc32c

from datasets.errors import DatasetError

HEAD, FOOT = 12, 4
"""Bytes before and after those of a record."""


def write(path: Path, records: Iterable[bytes]) -> int:
    """Write records to a file, one at a time, and give their number."""
    number = 0
    with path.open("wb") as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.writelines((length, _masked_crc(length), record, _masked_crc(record)))
            number += 1
    return number


def read(path: Path) -> Iterator[bytes]:
    """Read the records of a file in their order, one at a time.

    Raises:
        DatasetError: The file is damaged or cut short.
    """
    with path.open("rb") as file:
        while head := file.read(HEAD):
            length = head[:8]
            record = foot = b""
            if _masked_crc(length) == head[8:]:
                record, foot = file.read(struct.unpack("<Q", length)[0]), file.read(FOOT)
            if _masked_crc(record) != foot:
                raise DatasetError(
                    f"The records are damaged: {path.name}, before byte {file.tell()}. "
                    "Make them anew: run with --rerun ingest."
                )
            yield record


def extents(path: Path) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of the bytes of each record of a file; only lengths are read, no checksum is compared.

    Raises:
        DatasetError: The last record is cut off.
    """
    size, begin = path.stat().st_size, 0
    with path.open("rb") as file:
        while begin < size:
            file.seek(begin)
            head = file.read(HEAD)
            length = int.from_bytes(head[:8], "little")
            end = begin + HEAD + length + FOOT
            if len(head) < HEAD or end > size:
                raise DatasetError(f"{path} is damaged: its last record is cut off. Run again with --rerun ingest.")
            yield begin + HEAD, length
            begin = end


def checksum(path: Path) -> str:
    """CRC-32C of a whole file, 8 hexadecimal digits: tells damage fast, and does not prove identity."""
    total = google_crc32c.Checksum()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            total.update(chunk)
    return total.digest().hex()


def _masked_crc(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)
