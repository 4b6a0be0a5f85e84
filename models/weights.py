"""Weights files: saving, loading, and a one-sentence error for every way in which loading can fail.

Segline's format is HDF5 with one dataset for each weight, under the weight's name (`backbone_conv1_conv/kernel`) and
with a checksum; `h5dump` and `h5py` can read it. Keras's formats can be loaded, too, and those that
models.weight_layouts knows.
"""

import hashlib
import textwrap
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from models import weight_layouts
from models.errors import ModelError

if TYPE_CHECKING:
    import keras

FORMAT = "segline weights 1"
"""Value of the attribute `format` of Segline's files."""


def save(model: "keras.Model", path: Path) -> None:
    """Write all weights of a model, including the moving statistics of batch normalisation."""
    with h5py.File(path, "w") as file:
        file.attrs["format"] = FORMAT
        for weight in model.weights:
            array = np.asarray(weight)
            # Only chunked datasets can have a checksum, and scalars and empty arrays cannot be chunked.
            options = {"chunks": array.shape, "fletcher32": True} if array.size and array.ndim else {}
            file.create_dataset(weight.path, data=array, **options)


def load(model: "keras.Model", path: Path, *, prefix: str = "") -> None:
    """Load a weights file: Segline's, Keras's `.weights.h5` or legacy `.h5`, or one of models.weight_layouts.

    Args:
        model: Model to load the weights into.
        path: The file.
        prefix: From a file of Segline's, load only the weights whose names start with this.

    Raises:
        ModelError: The file is missing, damaged or of another network.
    """
    arrays = _read_or_load(model, path, prefix)
    if arrays is not None:
        _assign(model, arrays, path, "of another network or class count")
    check_finite(model, str(path))


def load_matching(model: "keras.Model", path: Path, num_classes: int) -> list[str]:
    """Load the weights of a trained network that may have another number of classes.

    A weight is not loaded if its shape differs, and differs only in the number of classes: `num_classes` here, one
    other number in the file. This holds for Segline's files; the shapes in a file of Keras's must all be equal.

    Args:
        model: The network, with its auxiliary heads.
        path: As in `load`.
        num_classes: Number of classes of the network.

    Returns:
        Names of the weights that were not loaded.

    Raises:
        ModelError: The file is missing or damaged, or differs from the network in more than the number of classes.
    """
    arrays, skipped = _read_or_load(model, path, ""), list[str]()
    if arrays is not None:
        skipped = _of_other_classes(model, arrays, num_classes)
        own = {name: np.asarray(weight) for weight in model.weights if (name := weight.path) in skipped}
        _assign(model, arrays | own, path, "of another network, or one of other options")
    check_finite(model, str(path))
    return skipped


def _read_or_load(model: "keras.Model", path: Path, prefix: str) -> dict[str, np.ndarray] | None:
    """Read a file of Segline's, or what the model has of one in another layout; or load Keras's and return None."""
    if not path.is_file():
        raise ModelError(f"There is no weights file {path}.")
    try:
        published = weight_layouts.read(path)
        if published is not None:
            return {weight.path: published[weight.path] for weight in model.weights if weight.path in published}
        arrays = _read(path, prefix)
        if arrays is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # one for each layer that does not fit, before the error
                model.load_weights(path)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise ModelError(
            f"The weights file {path} cannot be loaded into model {model.name!r}: it is damaged, or of another network "
            f"or class count ({reason(error)})."
        ) from error
    return arrays


def check_sha256(path: Path, expected: str | None) -> None:
    """Raise ModelError if a file's SHA-256 is not the expected one; None: do not check."""
    if expected is None or not path.is_file():  # load reports a missing file
        return
    with path.open("rb") as file:
        received = hashlib.file_digest(file, "sha256").hexdigest()
    if received != expected.lower():
        raise ModelError(
            f"The weights file {path} is not the expected one: its SHA-256 is {received} in place of {expected}. "
            "Download it or install its package again, or correct `weights_sha256`."
        )


def check_finite(model: "keras.Model", source: str) -> None:
    """Raise ModelError if a weight is NaN or infinite: a file damaged in the middle can load without an error."""
    broken = [variable.path for variable in model.variables if not np.isfinite(np.asarray(variable)).all()]
    if broken:
        raise ModelError(
            f"The weights {source} are damaged: not every number in {', '.join(broken)} is finite. Download them again."
        )


def reason(error: Exception) -> str:
    """Return an error's message as one short line; those of Keras and HDF5 have many lines."""
    message, _, _ = str(error).partition("List of objects")  # Keras lists every object of the file
    return textwrap.shorten(message or type(error).__name__, 300, placeholder=" ...").rstrip(".")


def is_own(path: Path) -> bool:
    """Whether a file is in Segline's format; False if it is Keras's, damaged or missing."""
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("format") == FORMAT)
    except OSError:
        return False


def has_weight(path: Path, name: str) -> bool:
    """Whether a file is in Segline's format and has a weight of this name."""
    if not is_own(path):
        return False
    with h5py.File(path, "r") as file:
        return bool(name in file)


def _read(path: Path, prefix: str) -> dict[str, np.ndarray] | None:
    """Read a file of Segline's: {name: array}; None if it is in another format."""
    arrays: dict[str, np.ndarray] = {}

    def add(name: str, item: "h5py.Group | h5py.Dataset") -> None:
        if isinstance(item, h5py.Dataset) and name.startswith(prefix):
            arrays[name] = item[()]

    with h5py.File(path, "r") as file:
        if file.attrs.get("format") != FORMAT:
            return None
        file.visititems(add)
    return arrays


def _of_other_classes(model: "keras.Model", arrays: Mapping[str, np.ndarray], num_classes: int) -> list[str]:
    """Return the weights whose shapes differ only in the number of classes; [] if other shapes contradict that."""
    counts: dict[str, set[tuple[int, int]]] = {}
    for weight in model.weights:
        there = arrays[weight.path].shape if weight.path in arrays else weight.shape
        if len(there) == len(weight.shape) and tuple(there) != tuple(weight.shape):
            counts[weight.path] = {pair for pair in zip(there, weight.shape, strict=True) if pair[0] != pair[1]}
    pairs = set[tuple[int, int]]().union(*counts.values())
    return list(counts) if len(pairs) == 1 and pairs.pop()[1] == num_classes else []


def _assign(model: "keras.Model", arrays: Mapping[str, np.ndarray], path: Path, what: str) -> None:
    weights = {weight.path: weight for weight in model.weights}
    differing = [
        f"{name} is {list(arrays[name].shape)} there and {list(weight.shape)} here"
        for name, weight in weights.items()
        if name in arrays and arrays[name].shape != tuple(weight.shape)
    ]
    missing, extra = sorted(weights.keys() - arrays.keys()), sorted(arrays.keys() - weights.keys())
    problems = [*differing, *(f"it lacks {name}" for name in missing), *(f"it also has {name}" for name in extra)]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ModelError(
            f"The weights file {path} cannot be loaded into model {model.name!r}: it is {what} "
            f"({'; '.join(problems[:3])}{more})."
        )
    for name, weight in weights.items():
        weight.assign(arrays[name])
