"""Read and write TFRecord files without TensorFlow, whose import costs more CPU than converting a thousand images.

Layout of each record, little-endian: length uint64, its checksum uint32, the bytes, their checksum uint32.
Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import google_crc32c

from datasets.errors import DatasetError

HEAD, FOOT = 12, 4
"""Bytes of framing before and after the content of a record."""


def write(path: Path, records: Iterable[bytes]) -> int:
    """Write records to a file, one at a time, and return their number."""
    number = 0
    with path.open("wb") as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.writelines((length, _masked_crc(length), record, _masked_crc(record)))
            number += 1
    return number


def read(path: Path) -> Iterator[bytes]:
    """Yield the records of a file in order; every checksum is compared.

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
                    f"The records are damaged: {path.name}, before byte {file.tell()}. Run again with --rerun ingest."
                )
            yield record


def extents(path: Path) -> Iterator[tuple[int, int]]:
    """Yield (offset, length), in bytes, of the content of each record. Only lengths are read, no checksum is compared.

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
    """Return the CRC-32C of a whole file, 8 hexadecimal digits. It detects damage; it does not prove identity."""
    total = google_crc32c.Checksum()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            total.update(chunk)
    return total.digest().hex()


def _masked_crc(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)
