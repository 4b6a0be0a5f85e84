"""Weights files, and every way in which reading one can fail, said in one sentence.

Segline's own is HDF5: one dataset for each weight, named as the weight is (`backbone_conv1_conv/kernel`), each with a
checksum. `h5dump`, `h5py` and people can read it. Keras's files are read too.
"""

import textwrap
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from models.errors import ModelError

if TYPE_CHECKING:
    import keras

FORMAT = "segline weights 1"
"""Marks a file of Segline's, in its attribute `format`."""


def save(model: "keras.Model", path: Path) -> None:
    """Write all weights of a model, the statistics of normalisation layers included."""
    with h5py.File(path, "w") as file:
        file.attrs["format"] = FORMAT
        for weight in model.weights:
            array = np.asarray(weight)
            # Only a chunk can have a checksum, and a scalar cannot be one.
            options = {"chunks": array.shape, "fletcher32": True} if array.size and array.ndim else {}
            file.create_dataset(weight.path, data=array, **options)


def load(model: "keras.Model", path: Path, *, prefix: str = "") -> None:
    """Load a file of Segline's, or Keras's `.weights.h5` or legacy `.h5`.

    Args:
        model: What the weights are for.
        path: The file.
        prefix: Of a file of Segline's, take those weights alone whose names begin so.

    Raises:
        ModelError: The file is missing, damaged or of another network.
    """
    arrays = _read_or_load(model, path, prefix)
    if arrays is not None:
        _assign(model, arrays, path, "of another network or class count")
    check_finite(model, str(path))


def begin(model: "keras.Model", path: Path, num_classes: int) -> list[str]:
    """Give a network the weights of a whole one that was trained before, perhaps for another number of classes.

    A weight belongs to the classes where every length that differs is their number: `num_classes` here, and one number
    there. Those keep what they have; of a file of Segline's, that is. A file of Keras's must fit as it is.

    Args:
        model: The network, with its auxiliary heads.
        path: See `load`.
        num_classes: Classes of the network.

    Returns:
        Names of the weights that were not taken.

    Raises:
        ModelError: The file is missing or damaged, or differs from the network in more than the number of classes.
    """
    arrays, left = _read_or_load(model, path, ""), list[str]()
    if arrays is not None:
        left = _of_other_classes(model, arrays, num_classes)
        own = {name: np.asarray(weight) for weight in model.weights if (name := weight.path) in left}
        _assign(model, arrays | own, path, "of another network, or one of other options")
    check_finite(model, str(path))
    return left


def _read_or_load(model: "keras.Model", path: Path, prefix: str) -> dict[str, np.ndarray] | None:
    """Read a file of Segline's; load one of Keras's into the model and give None."""
    if not path.is_file():
        raise ModelError(f"There is no weights file {path}.")
    try:
        arrays = _read(path, prefix)
        if arrays is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of each layer that does not fit, before the error
                model.load_weights(path)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise ModelError(
            f"The weights file {path} cannot be loaded into model {model.name!r}: it is damaged, or of another network "
            f"or class count ({reason(error)})."
        ) from error
    return arrays


def check_finite(model: "keras.Model", source: str) -> None:
    """Raise ModelError if a weight is NaN or infinite: a file damaged in the middle can load without a word."""
    broken = [variable.path for variable in model.variables if not np.isfinite(np.asarray(variable)).all()]
    if broken:
        raise ModelError(
            f"The weights {source} are damaged: not every number in {', '.join(broken)} is finite. Fetch them anew."
        )


def reason(error: Exception) -> str:
    """Give what an error says as one short line; Keras and HDF5 go on for many."""
    said, _, _ = str(error).partition("List of objects")  # Keras lists them all
    return textwrap.shorten(said or type(error).__name__, 300, placeholder=" ...").rstrip(".")


def is_own(path: Path) -> bool:
    """Whether a file is one of Segline's, rather than Keras's, damaged or missing."""
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("format") == FORMAT)
    except OSError:
        return False


def has_weight(path: Path, name: str) -> bool:
    """Whether a file is one of Segline's that holds a weight of this name."""
    if not is_own(path):
        return False
    with h5py.File(path, "r") as file:
        return bool(name in file)


def _read(path: Path, prefix: str) -> dict[str, np.ndarray] | None:
    """Read a file of Segline's; None if it is another's."""
    arrays: dict[str, np.ndarray] = {}

    def take(name: str, item: "h5py.Group | h5py.Dataset") -> None:
        if isinstance(item, h5py.Dataset) and name.startswith(prefix):
            arrays[name] = item[()]

    with h5py.File(path, "r") as file:
        if file.attrs.get("format") != FORMAT:
            return None
        file.visititems(take)
    return arrays


def _of_other_classes(model: "keras.Model", arrays: Mapping[str, np.ndarray], num_classes: int) -> list[str]:
    """Find the weights whose shapes differ by the number of classes alone; none, if other shapes speak against it."""
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
    missing, further = sorted(weights.keys() - arrays.keys()), sorted(arrays.keys() - weights.keys())
    told = [*differing, *(f"it lacks {name}" for name in missing), *(f"it has {name} besides" for name in further)]
    if told:
        more = f" and {len(told) - 3} more" if len(told) > 3 else ""
        raise ModelError(
            f"The weights file {path} cannot be loaded into model {model.name!r}: it is {what} "
            f"({'; '.join(told[:3])}{more})."
        )
    for name, weight in weights.items():
        weight.assign(arrays[name])
