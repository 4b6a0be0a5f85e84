"""Read a dictionary of tensors in PyTorch's old file format (before 1.6), without PyTorch and without pickle.

The file is four pickles (a magic number, a version, facts of the machine, the dictionary), a fifth with the keys of its
storages, and for each storage the number of its elements and the elements (torch/serialization.py, `_legacy_save`).
A pickle is a program, which can call any function that it names. This reader only parses it, and does itself what a
dictionary of tensors needs; a file that names anything else, or uses another instruction, is refused.
"""

import io
import math
import pickletools
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from models.errors import ModelError

START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The bytes with which a file starts: the pickle of the magic number."""

VERSION = 1001
"""The second pickle: the only version there is."""

DTYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {"torch FloatStorage": np.dtype("<f4"), "torch LongStorage": np.dtype("<i8")}
)
"""Names of storages, as a pickle writes them, and the types of their elements."""

DICTIONARY, TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
"""What a pickle may call."""

VALUES = ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE")
"""Instructions whose argument is a value: a number or a text."""

CONSTANTS: Mapping[str, Any] = MappingProxyType({"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()})
TUPLES = MappingProxyType({"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3})
"""Instructions that make a tuple, and of how many values."""


@dataclass(frozen=True)
class _Name:
    """A function or class that a pickle names."""

    text: str


@dataclass(eq=False)
class _Storage:
    """The elements that tensors share: their number and type, and their values once they are read."""

    count: int
    dtype: np.dtype[Any]
    values: np.ndarray | None = None


@dataclass(frozen=True, repr=False)  # what a message shows must be short, whatever the view consists of
class _Tensor:
    """A view of a storage; all lengths are in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        """Return the values, row by row, whatever the order in which the storage holds them.

        Raises:
            ValueError: The view has another form than a tensor's, or reaches beyond its storage.
        """
        size, strides, values = self.size, self.strides, self.storage.values
        numbers = (self.offset, *size, *strides)
        if len(size) != len(strides) or not all(type(number) is int and number >= 0 for number in numbers):
            shown = map(reprlib.repr, (size, strides, self.offset))
            raise ValueError("a tensor has size {}, strides {} and offset {}".format(*shown))
        last = self.offset + sum((length - 1) * stride for length, stride in zip(size, strides, strict=True))
        if values is None or not 0 < math.prod(size) <= len(values) or last >= len(values):
            raise ValueError(f"a tensor of size {size} is empty, or larger than its storage of {self.storage.count}")
        steps = [stride * values.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(values[self.offset :], size, steps).copy(order="C")


class _Refused(Exception):
    """A pickle names what no weights need."""


class _Pickle:
    """Computes the value of one pickle after the other: numbers, texts, tuples, lists, dictionaries and tensors."""

    def __init__(self, stream: io.BytesIO) -> None:
        self._stream, self.storages = stream, dict[Any, _Storage]()
        self._stack, self._marks, self._memory = list[Any](), list[int](), dict[int, Any]()

    def next(self) -> Any:
        """Return the value of the next pickle of the stream."""
        self._stack, self._marks, self._memory = [], [], {}
        for instruction, argument, _ in pickletools.genops(self._stream):
            self._do(instruction.name, argument)
        return self._stack.pop()

    def _do(self, instruction: str, argument: Any) -> None:
        stack = self._stack
        match instruction:
            case "PROTO" | "STOP":
                pass
            case _ if instruction in VALUES:
                stack.append(argument)
            case _ if instruction in CONSTANTS:
                stack.append(CONSTANTS[instruction])
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "MARK":
                self._marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(self._last(len(stack) - self._marks.pop())))
            case _ if instruction in TUPLES:
                stack.append(tuple(self._last(TUPLES[instruction])))
            case "APPEND" | "APPENDS":
                items = self._last(1 if instruction == "APPEND" else len(stack) - self._marks.pop())
                list.extend(stack[-1], items)
            case "SETITEM" | "SETITEMS":
                items = self._last(2 if instruction == "SETITEM" else len(stack) - self._marks.pop())
                dict.update(stack[-1], zip(map(_key, items[::2]), items[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                self._memory[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memory[argument])
            case "GLOBAL" if argument in (DICTIONARY, TENSOR, *DTYPES):
                stack.append(_Name(argument))
            case "REDUCE":
                stack.append(_called(*self._last(2)))
            case "BUILD":
                self._last(1)  # attributes of the dictionary: versions of PyTorch's layers
            case "BINPERSID":
                stack.append(self._storage(*self._last(1)[0]))
            case _:
                raise _Refused(argument.replace(" ", ".") if instruction == "GLOBAL" else f"pickle's {instruction}")

    def _last(self, count: int) -> list[Any]:
        """Remove the last values from the stack, and return them."""
        if not 0 <= count <= len(self._stack):
            raise ValueError("a pickle takes more values than it has made")
        start = len(self._stack) - count
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _storage(self, kind: Any, name: Any, key: Any, _: Any, count: Any, view: Any) -> _Storage:
        if kind != "storage" or not isinstance(name, _Name) or type(count) is not int or view is not None:
            raise ValueError(f"a storage is described by {reprlib.repr((kind, name, key, count, view))}")
        return self.storages.setdefault(_key(key), _Storage(count, DTYPES[name.text]))


def _key(value: Any) -> str:
    """Check a key. Of tuples in one another, each twice in the next, the hash and the text take 2**depth steps."""
    if not isinstance(value, str):
        raise TypeError(f"a key is {reprlib.repr(value)}")
    return value


def _called(function: Any, arguments: Any) -> Any:
    """Return what a call gives. A tensor's arguments after the first four are for gradients."""
    if function == _Name(DICTIONARY) and isinstance(arguments, tuple) and not arguments:
        return {}
    if function == _Name(TENSOR) and isinstance(arguments[0], _Storage):
        return _Tensor(*arguments[:4])
    raise ValueError(f"a pickle calls {reprlib.repr(function)} with {reprlib.repr(arguments)}")


def is_torch(path: Path) -> bool:
    """Whether a file is in this format; False if it is missing."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(START)) == START


def read(path: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a file: {name: array}, float32 or int64.

    Raises:
        ModelError: The file is damaged, holds something else than a dictionary of tensors, or names what none needs.
    """
    try:
        return _tensors(io.BytesIO(path.read_bytes()))
    except _Refused as error:
        allowed = ", ".join(name.replace(" ", ".") for name in (DICTIONARY, TENSOR, *DTYPES))
        raise ModelError(
            f"The weights file {path} is refused: it asks for {error}, and only {allowed} are allowed. A file that "
            "asks for more can run a program where it is opened without this check. Get it from its publisher again."
        ) from None
    except Exception as error:  # a damaged pickle can raise any
        raise ModelError(
            f"The weights file {path} is damaged, or holds something else than a dictionary of float32 and int64 "
            f"tensors ({type(error).__name__}: {error}). Get the file from its publisher again."
        ) from error


def _tensors(stream: io.BytesIO) -> dict[str, np.ndarray]:
    pickles = _Pickle(stream)
    _, version, machine = pickles.next(), pickles.next(), pickles.next()
    if version != VERSION or machine["little_endian"] is not True:
        facts = map(reprlib.repr, (version, machine))
        raise ValueError("version {} of PyTorch's format, written on a machine with {}".format(*facts))
    tensors = pickles.next()
    for key in pickles.next():
        storage, count = pickles.storages[_key(key)], int.from_bytes(stream.read(8), "little")
        data = stream.read(storage.count * storage.dtype.itemsize)
        if not count == storage.count == len(data) / storage.dtype.itemsize:
            raise ValueError(f"a storage of {storage.count} elements has {count} in {len(data)} bytes")
        storage.values = np.frombuffer(data, storage.dtype)
    return {name: tensor.array() for name, tensor in tensors.items()}
