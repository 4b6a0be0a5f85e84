"""Which losses there are: every public function of pixels.py and regions.py. No registry to edit.

Only the source is read, and TensorFlow not imported: a recipe is checked at once.
"""

import ast
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from models import parameters as kinds
from models.errors import ModelError

FILES = ("pixels", "regions")

WEIGHT = "weight"
"""Key of a loss's weight in the sum, beside its own parameters."""

Terms = Mapping[str, float | Mapping[str, Any]]
"""{"cross_entropy": 1.0, "focal": {"weight": 0.5, "gamma": 3}}: a weight, or parameters and a weight (else 1)."""


def names() -> list[str]:
    """Names of all losses, sorted."""
    return sorted(_functions())


def parameters(name: str) -> dict[str, Any]:
    """Give a loss's own parameters with their defaults."""
    return {key: default for key, (_, default) in _signature(name).items()}


def split(term: float | Mapping[str, Any]) -> tuple[float, dict[str, Any]]:
    """Give the weight and the parameters of one term."""
    if not isinstance(term, Mapping):
        return term, {}
    return term.get(WEIGHT, 1.0), {key: value for key, value in term.items() if key != WEIGHT}


def check(terms: Terms) -> None:
    """Raise ModelError, listing every problem, unless these losses exist and take these parameters."""
    problems = []
    for name, term in terms.items():
        if name not in _functions():
            problems.append(
                f"There is no loss {name!r}.{kinds.near(name, names())} Known losses: {', '.join(names())}."
            )
            continue
        weight, options = split(term)
        if not _is_weight(weight):
            problems.append(f"The weight of loss {name!r} must be a number above 0. Received: {weight!r}.")
        problems += _wrong_options(name, options)
    if not terms:
        problems.append(f"At least one loss is needed. Known losses: {', '.join(names())}.")
    if problems:
        raise ModelError(" ".join(problems))


def _wrong_options(name: str, options: Mapping[str, Any]) -> list[str]:
    problems = []
    signature = _signature(name)
    for key, value in options.items():
        if key not in signature:
            known = ", ".join([WEIGHT, *signature])
            problems.append(
                f"Loss {name!r} takes no parameter {key!r}.{kinds.near(key, [WEIGHT, *signature])} Parameters: {known}."
            )
        elif not kinds.admits(signature[key][0], value):
            allowed = kinds.allowed(signature[key][0])
            problems.append(f"Parameter {key!r} of loss {name!r} must be {allowed}. Received: {value!r}.")
    return problems


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


@cache
def _functions() -> dict[str, ast.FunctionDef]:
    """Definition of every loss."""
    return {
        node.name: node
        for file in FILES
        for node in ast.parse(Path(__file__).with_name(f"{file}.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def _signature(name: str) -> dict[str, tuple[ast.expr, Any]]:
    """Annotation and default of each parameter."""
    arguments = _functions()[name].args
    return {
        argument.arg: (argument.annotation or ast.Constant(None), ast.literal_eval(default))
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    }
