"""Weights files, and every way in which reading one can fail, said in one sentence.

Segline's own is HDF5: one dataset for each weight, named as the weight is (`backbone_conv1_conv/kernel`), each with a
checksum. `h5dump`, `h5py` and people can read it. Keras's files are read too.
"""

import textwrap
import warnings
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
    if arrays is not None:
        _assign(model, arrays, path)
    check_finite(model, str(path))


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


def _assign(model: "keras.Model", arrays: dict[str, np.ndarray], path: Path) -> None:
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
            f"The weights file {path} cannot be loaded into model {model.name!r}: it is of another network or class "
            f"count ({'; '.join(told[:3])}{more})."
        )
    for name, weight in weights.items():
        weight.assign(arrays[name])
