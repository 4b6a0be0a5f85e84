"""Read arrays of numbers and lists of text from MATLAB files, in plain Python: no damage can end the process.

SciPy's reader is C code that trusts the file: a sparse matrix with a wrong row index, or an element of an unknown type,
ends the process. Source: MathWorks, MAT-File Format (versions 4 and 5; 5 is what -v6 and -v7 write).
"""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

HEADER = 128
"""Bytes before the first element of version 5; 126 and 127 are the mark of the byte order."""

HDF5 = 0x200
"""Version of files that only begin as one of version 5 does."""

INT32, UINT32, MATRIX, COMPRESSED = 5, 6, 14, 15
"""Types of data elements that have a meaning of their own (table 1-1)."""

DTYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""{type of a data element of numbers: NumPy's}."""

ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
"""{type of a data element of text: its encoding}."""

CELL, CHAR, OPAQUE = 1, 4, 17
CLASSES = {CELL: "cell array", 2: "struct", 3: "object", CHAR: "text", 5: "sparse matrix", 16: "function"}
"""{class of an array: its name} (table 1-3); 6 to 15 are numbers. OPAQUE: string, table, datetime, of no dimensions."""

NUMBERS = range(6, 16)

IS_COMPLEX = 0x800
"""Bit of the array flags."""

HEAD = 4096
"""Bytes of a compressed variable that are decompressed to learn what it is."""

OLD_DTYPES = {0: "f8", 1: "f4", 2: "i4", 3: "i2", 4: "u2", 5: "u1"}
"""{digit P of a header of version 4: NumPy's type}."""


class MatError(ValueError):
    """The bytes are no MATLAB file, are damaged, or hold what is not read; the text says which."""


@dataclass(frozen=True)
class Variable:
    """A variable that is not decoded yet.

    Attributes:
        name: Its name.
        kind: What it is, "numbers" if nothing else.
        shape: Its dimensions.
        start: Where its data begins in the decompressed element.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    _order: str
    _body: bytes | memoryview  # an element without its tag; compressed or not; or the data of version 4
    start: int
    _size: int  # of the decompressed element
    _dtype: str = ""  # of version 4

    def numbers(self) -> np.ndarray:
        """Decode it: [*shape], column by column, of the type it is stored in. Raises MatError if it is no numbers."""
        if self.kind != "numbers":
            raise MatError(f"{self.name} is a {self.kind}; read are full arrays of real numbers")
        count = math.prod(self.shape)
        if self._dtype:
            dtype, data = np.dtype(self._dtype), self._body
        else:
            if self._size > self.start + 16 + 8 * count:  # before it is decompressed
                raise MatError(f"{self.name} has {count} values by its header, and more by its size")
            kind, data, _ = _element(self._whole(), self.start, self._order)
            if kind not in DTYPES:
                raise MatError(f"{self.name} holds an element of type {kind}")
            dtype = np.dtype(self._order + DTYPES[kind])
        if len(data) != count * dtype.itemsize:
            raise MatError(f"{self.name} has {count} values by its header, and {len(data)} bytes of them")
        values = np.frombuffer(data, dtype).reshape(self.shape, order="F")
        return values.astype(dtype.newbyteorder("="), copy=False)

    def texts(self) -> list[str]:
        """Decode a cell array of lines of text. Raises MatError if it is none."""
        if self.kind != CLASSES[CELL] or self._size > HEAD + 2**20:
            raise MatError(f"{self.name} is a {self.kind} of {self._size} bytes; read is text, to 1 MiB")
        whole, at, texts = self._whole(), self.start, []
        for _ in range(math.prod(self.shape)):
            kind, body, at = _element(whole, at, self._order)
            cell = _array(body, len(body), self._order) if kind == MATRIX else None
            if cell is None or cell.kind != CLASSES[CHAR]:
                raise MatError(f"{self.name} holds another cell than a line of text")
            kind, data, _ = _element(body, cell.start, self._order)
            encoding = ENCODINGS.get(kind, "latin-1")
            suffix = {"<": "-le", ">": "-be"}[self._order] if encoding in ("utf-16", "utf-32") else ""
            texts.append(str(data, encoding + suffix, "replace"))
        return texts

    def _whole(self) -> bytes | memoryview:
        """Return the element without its tag, decompressed with its checksum compared."""
        if isinstance(self._body, memoryview):
            return self._body
        inflater = zlib.decompressobj()
        try:
            content = inflater.decompress(self._body, self._size + 16)  # with its tag of 8 bytes; more is damage
        except zlib.error as error:
            raise MatError(str(error)) from None
        if not inflater.eof or len(content) < self._size + 8:
            raise MatError(f"{self.name} is not of the size that its header says")
        return memoryview(content)[8 : 8 + self._size]


def variables(content: bytes) -> list[Variable]:
    """Return the variables of a file, in order, without decoding any.

    Raises:
        MatError: It is no MATLAB file, damaged, or of version 7.3, which is HDF5.
    """
    try:
        if len(content) >= 4 and 0 in content[:4]:
            return list(_old_variables(content))
        order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
        if order is None:
            raise MatError("it does not begin as one")
        if struct.unpack_from(f"{order}H", content, 124)[0] >= HDF5:
            raise MatError("version 7.3 (HDF5) is not read; save it with -v7")
        return list(_variables(content, order))
    except (struct.error, zlib.error) as error:
        raise MatError(str(error)) from None


def _variables(content: bytes, order: str) -> Iterator[Variable]:
    view, at = memoryview(content), HEADER
    while at < len(content):
        kind, body, at = _element(view, at, order)
        if kind == COMPRESSED:
            head = memoryview(zlib.decompressobj().decompress(body, HEAD))
            inner, size = struct.unpack_from(f"{order}II", head)
            if inner != MATRIX:
                raise MatError(f"there is an element of type {inner}")
            yield _array(head[8:], size, order, bytes(body))
        elif kind == MATRIX:
            if len(body):  # an empty element stands for an empty array
                yield _array(body, len(body), order)
        elif kind not in DTYPES and kind not in ENCODINGS:
            raise MatError(f"there is an element of type {kind}")


def _array(head: memoryview, size: int, order: str, compressed: bytes | None = None) -> Variable:
    """Return the variable whose element, without its tag, begins with `head` and has `size` bytes."""
    kind, flags, at = _element(head, 0, order)
    if kind != UINT32 or len(flags) != 8:
        raise MatError("an array does not begin with its flags")
    (flag,) = struct.unpack_from(f"{order}I", flags)
    class_ = flag & 0xFF
    if class_ == OPAQUE:
        _, name, _ = _element(head, at, order)
        whole = head if compressed is None else compressed
        return Variable(str(name, "latin-1"), "object", (), order, whole, at, size)
    kind, dimensions, at = _element(head, at, order)
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions[: len(dimensions) // 4 * 4])
    if kind not in (INT32, UINT32) or len(shape) < 2 or min(shape) < 0:
        raise MatError(f"an array of dimensions {list(shape)}")
    kind, name, at = _element(head, at, order)
    if kind not in ENCODINGS or (class_ not in CLASSES and class_ not in NUMBERS):
        raise MatError(f"an array of class {class_}, named by an element of type {kind}")
    what = CLASSES.get(class_) or ("complex array" if flag & IS_COMPLEX else "numbers")
    return Variable(str(name, "latin-1"), what, shape, order, head if compressed is None else compressed, at, size)


def _element(content: memoryview | bytes, at: int, order: str) -> tuple[int, memoryview, int]:
    """Return the type and the data of the element at `at`, and where the next one is."""
    if at + 8 > len(content):
        raise MatError("the file ends too soon")
    kind, size = struct.unpack_from(f"{order}II", content, at)
    if kind >> 16:  # a small one: up to four bytes, inside the tag itself
        kind, size, begin, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
    else:
        begin = at + 8
        end = begin + (size if kind == COMPRESSED else -(-size // 8) * 8)
    if begin + size > len(content) or (end == at + 8 and size > end - begin):
        raise MatError(f"an element of {size} bytes ends beyond the file, or what holds it")
    return kind, memoryview(content)[begin : begin + size], end


def _old_variables(content: bytes) -> Iterator[Variable]:
    at = 0
    while at < len(content):
        order = "<" if 0 <= struct.unpack_from("<i", content, at)[0] < 5000 else ">"
        kind, height, width, imaginary, length = struct.unpack_from(f"{order}5i", content, at)
        dtype = OLD_DTYPES.get(kind // 10 % 10)
        if dtype is None or not 0 <= kind < 5000 or min(height, width, length) < 0:
            raise MatError(f"a header of type {kind}, {height}x{width}")
        what = {0: "complex array" if imaginary else "numbers", 1: CLASSES[CHAR]}.get(kind % 10, CLASSES[5])
        begin = at + 20 + length
        size = height * width * np.dtype(dtype).itemsize * (2 if imaginary else 1)
        if begin + size > len(content):
            raise MatError("the file ends too soon")
        name = content[at + 20 : begin].rstrip(b"\0").decode("latin-1")
        data = memoryview(content)[begin : begin + size]
        yield Variable(name, what, (height, width), order, data, 0, size, order + dtype)
        at = begin + size
