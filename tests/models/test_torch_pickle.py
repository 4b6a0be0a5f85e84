"""PyTorch's old file format: tensors of every form, and files that are damaged or hostile."""

import io
import os
import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import torch_pickle
from models.errors import ModelError

RANGE = np.arange(24, dtype=np.float32)


class Storage:
    """Stands for a storage while it is pickled."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values


class Tensor:
    """Pickles itself as PyTorch's tensors did; strides and offset are in elements."""

    def __init__(self, storage: Storage, size: Any, strides: Any, offset: Any = 0) -> None:
        self.view = (storage, offset, size, strides, False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.view


@pytest.fixture(autouse=True)
def torch(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Modules with the names that PyTorch's pickles hold."""
    module, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "DoubleStorage"):
        setattr(module, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2() -> None:
        """Only its name is pickled."""

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", module)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return module


def write(path: Path, tensors: Any, *, kind: str = "", protocol: int = 2, keys: Any = None) -> Path:
    """Write a file as PyTorch's `_legacy_save` did."""
    storages: dict[str, Storage] = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, item: Any) -> Any:
            if not isinstance(item, Storage):
                return None
            storages[str(id(item))] = item
            name = kind or ("LongStorage" if item.values.dtype == np.int64 else "FloatStorage")
            return ("storage", getattr(sys.modules["torch"], name), str(id(item)), "cpu", len(item.values), None)

    file = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}):
        pickle.dump(value, file, protocol=2)
    Pickler(file, protocol=protocol).dump(tensors)
    pickle.dump(sorted(storages) if keys is None else keys, file, protocol=2)
    for _, storage in sorted(storages.items()):
        file.write(len(storage.values).to_bytes(8, "little") + storage.values.tobytes())
    path.write_bytes(file.getvalue())
    return path


def test_tensors_are_read_in_their_own_order_whatever_that_of_their_storage(tmp_path: Path) -> None:
    shared = Storage(RANGE)
    tensors = OrderedDict(
        rows=Tensor(shared, (2, 3, 4), (12, 4, 1)),
        transposed=Tensor(shared, (4, 3, 2), (1, 4, 12)),
        part=Tensor(shared, (2, 2), (4, 1), 5),
        count=Tensor(Storage(np.array([7], np.int64)), (), ()),
    )
    tensors._metadata = {"": {"version": 1}}  # type: ignore[attr-defined]  # PyTorch's state_dict has it
    arrays = torch_pickle.read(write(tmp_path / "weights.pth", tensors))
    whole = RANGE.reshape(2, 3, 4)
    expected = {"rows": whole, "transposed": whole.T, "part": [[5, 6], [9, 10]], "count": 7}
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array)
    assert [str(array.dtype) for array in arrays.values()] == ["float32"] * 3 + ["int64"]
    assert all(array.flags.c_contiguous for array in arrays.values())


class Runs:
    """Calls a function where it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize(
    ("function", "protocol", "name"),
    [(os.system, 2, rf"{os.system.__module__}\.system"), (exec, 2, r"__builtin__\.exec"), (os.system, 4, "pickle's ")],
)
@pytest.mark.parametrize("place", ["dictionary", "tensor", "keys"])
def test_a_hostile_file_is_refused_and_runs_nothing(
    tmp_path: Path, function: Any, protocol: int, name: str, place: str
) -> None:
    marker = tmp_path / "ran"
    text = f"touch {marker}" if function is os.system else f"open({str(marker)!r}, 'w')"
    bad, path = Runs(function, text), tmp_path / "weights.pth"
    if place == "keys":
        write(path, {}, keys=bad)
        name = name if protocol == 2 else rf"{os.system.__module__}\.system"  # PyTorch writes the keys with protocol 2
    else:
        write(path, bad if place == "dictionary" else {"a": bad}, protocol=protocol)
    with pytest.raises(ModelError, match=rf"weights\.pth is refused: it asks for {name}.*only collections\."):
        torch_pickle.read(path)
    assert not marker.exists()
    if protocol == 2 and place == "dictionary":  # the file is indeed hostile
        with path.open("rb") as file:
            for _ in range(4):
                pickle.load(file)
        assert marker.exists()


@pytest.mark.parametrize(
    ("size", "strides", "offset"),
    [((24,), (1,), 1), ((2,), (24,), 0), ((10**12,), (0,), 0), ((2,), (-1,), 4), ((2, 2), (1,), 0), ((True,), (1,), 0)],
)
def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path, size: Any, strides: Any, offset: int) -> None:
    path = write(tmp_path / "weights.pth", {"a": Tensor(Storage(RANGE), size, strides, offset)})
    with pytest.raises(ModelError, match=r"is damaged, or holds something else .*ValueError: a tensor "):
        torch_pickle.read(path)


@pytest.mark.parametrize("place", ["size", "call", "tensor", "keys", "key", "machine"])
def test_tuples_in_tuples_neither_take_long_nor_fill_the_message(tmp_path: Path, place: str) -> None:
    """Each is twice in the next: shown or hashed in full they would be 2**60 values."""
    nested: Any = ()
    for _ in range(60):
        nested = (nested, nested)
    view = Tensor(Storage(RANGE), nested, (1,))
    tensors = {"size": {"a": view}, "call": {"a": Runs(OrderedDict, nested)}, "tensor": Runs(OrderedDict, view)}
    path = write(tmp_path / "weights.pth", tensors.get(place, {}), keys=[nested] if place == "keys" else None)
    inner, whole = pickle.dumps(nested, protocol=2)[2:-1], path.read_bytes()
    if place == "key":
        whole = whole.replace(pickle.dumps({}, protocol=2), b"\x80\x02}" + inner + b"K\x01s.")
    elif place == "machine":
        whole = whole.replace(pickle.dumps(1001, protocol=2), b"\x80\x02" + inner + b".")
    path.write_bytes(whole)
    with pytest.raises(ModelError, match="is damaged") as caught:
        torch_pickle.read(path)
    assert len(str(caught.value)) < 1000


def test_damaged_files_and_other_contents_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "weights.pth", {"a": Tensor(Storage(RANGE), (24,), (1,))})
    whole = path.read_bytes()
    assert torch_pickle.is_torch(path) and len(torch_pickle.read(path)["a"]) == 24
    for length in range(len(torch_pickle.START), len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="is damaged"):
            torch_pickle.read(path)
    path.write_bytes(whole.replace((24).to_bytes(8, "little"), (2**63).to_bytes(8, "little")))
    with pytest.raises(ModelError, match="a storage of 24 elements has 9223372036854775808"):
        torch_pickle.read(path)
    for other in ([1], {"a": 1}, 5, {"a": Tensor(Storage(RANGE), [2], None)}):
        with pytest.raises(ModelError, match="is damaged"):
            torch_pickle.read(write(path, other))
    with pytest.raises(ModelError, match=r"it asks for torch\.DoubleStorage"):
        torch_pickle.read(write(path, {"a": Tensor(Storage(RANGE), (2,), (1,))}, kind="DoubleStorage"))
    path.write_bytes(b"PK\x03\x04")
    assert not torch_pickle.is_torch(path) and not torch_pickle.is_torch(tmp_path / "none")
