"""Weights files: reading one into a model, with every way in which that can fail said in one sentence."""

import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.errors import ModelError

if TYPE_CHECKING:
    import keras


def load(model: "keras.Model", path: Path) -> None:
    """Load a `.weights.h5` or legacy `.h5` file. Raises ModelError if it is missing, damaged or of another network."""
    if not path.is_file():
        raise ModelError(f"There is no weights file {path}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of each layer that does not fit, before the error
            model.load_weights(path)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ModelError(
            f"The weights file {path} cannot be loaded into model {model.name!r}: it is damaged, or of another network "
            f"or class count ({reason(error)})."
        ) from error
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
    return textwrap.shorten(str(error) or type(error).__name__, 300, placeholder=" ...").rstrip(".")
