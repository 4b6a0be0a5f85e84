"""Masks in MATLAB files: decode them to raw ids."""

from collections.abc import Callable
from typing import Any

import numpy as np

from datasets import labels, mat_file
from datasets.audit import BadFileError, Kind, require_pixels
from datasets.mat_file import Variable


def read(content: bytes, key: str) -> np.ndarray:
    """Read one variable of a .mat file (v4 to v7.2) as raw ids.

    Args:
        content: The file's bytes.
        key: Name of the variable: whole numbers, [H, W].

    Returns:
        Raw ids as stored: [H, W], an integer dtype.

    Raises:
        BadFileError: Not a .mat file, damaged, no such variable, or not [H, W] of whole numbers.
    """
    variable = _variable(content, key)
    if variable.kind == "numbers":  # what is not has no shape, or one that means nothing; `numbers` refuses it
        if len(variable.shape) != 2:
            shape = "x".join(map(str, variable.shape))
            raise BadFileError(Kind.MASK_DIMENSIONS, f"{key} is {shape}; allowed is height x width")
        require_pixels(*variable.shape)
    return labels.to_integers(_checked(variable.numbers), key)


def read_texts(content: bytes, key: str) -> list[str]:
    """Read a variable that is a cell array of lines of text. Raises BadFileError as `read` does."""
    return _checked(_variable(content, key).texts)


def matrices(content: bytes) -> list[str]:
    """Return the names of the variables that may be masks: numbers, [H, W]; none of a file that is damaged."""
    try:
        every = mat_file.variables(content)
    except mat_file.MatError:
        return []
    return [one.name for one in every if one.kind == "numbers" and len(one.shape) == 2 and min(one.shape) > 1]


def _variable(content: bytes, key: str) -> Variable:
    by_name = {variable.name: variable for variable in _checked(mat_file.variables, content)}
    if key not in by_name:
        raise BadFileError(Kind.MASK_KEY, f"no {key!r}; it holds {', '.join(by_name) or 'nothing'}")
    return by_name[key]


def _checked(read: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except mat_file.MatError as error:
        raise BadFileError(Kind.DAMAGED, f"as a .mat file: {error}") from None
