"""The catalogue of losses: every public function of pixels.py and regions.py. No registry to edit.

Their source is parsed and not imported, so that a recipe is checked without TensorFlow.
"""

import ast
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from models import typed_values
from models.errors import ModelError

FILES = ("pixels", "regions")

WEIGHT = "weight"
"""Key of a loss's weight in the sum, next to its own parameters."""

Terms = Mapping[str, float | Mapping[str, Any]]
"""{"cross_entropy": 1.0, "focal": {"weight": 0.5, "gamma": 3}}: a weight, or parameters and a weight (default 1)."""


def names() -> list[str]:
    """Return the names of all losses, sorted."""
    return sorted(_functions())


def parameters(name: str) -> dict[str, Any]:
    """Return a loss's own parameters with their defaults.

    >>> parameters("tversky")
    {'alpha': 0.3, 'beta': 0.7, 'absent': False}
    """
    return {key: parameter.default for key, parameter in typed_values.parameters(_functions()[name]).items()}


def split(term: float | Mapping[str, Any]) -> tuple[float, dict[str, Any]]:
    """Return the weight and the parameters of one term.

    >>> split({"weight": 0.5, "gamma": 3})
    (0.5, {'gamma': 3})
    """
    if not isinstance(term, Mapping):
        return term, {}
    return term.get(WEIGHT, 1.0), {key: value for key, value in term.items() if key != WEIGHT}


def check(terms: Terms) -> None:
    """Raise ModelError, listing every problem, unless these losses exist and accept these parameters."""
    problems = []
    for name, term in terms.items():
        if name not in _functions():
            hint = typed_values.did_you_mean(name, names())
            problems.append(f"There is no loss {name!r}.{hint} Known losses: {', '.join(names())}.")
            continue
        weight, options = split(term)
        if not (typed_values.is_number(weight) and 0 < weight < math.inf):
            problems.append(f"The weight of loss {name!r} must be a number above 0. Received: {weight!r}.")
        problems += _invalid_options(name, options)
    if not terms:
        problems.append(f"At least one loss is needed. Known losses: {', '.join(names())}.")
    if problems:
        raise ModelError(" ".join(problems))


def _invalid_options(name: str, options: Mapping[str, Any]) -> list[str]:
    problems = []
    known = typed_values.parameters(_functions()[name])
    for key, value in options.items():
        if key not in known:
            keys = [WEIGHT, *known]
            hint = typed_values.did_you_mean(key, keys)
            problems.append(f"Loss {name!r} takes no parameter {key!r}.{hint} Parameters: {', '.join(keys)}.")
        elif not typed_values.accepts(known[key].annotation, value):
            problems.append(known[key].describe_invalid(f"loss {name!r}", value))
    return problems


@cache
def _functions() -> dict[str, ast.FunctionDef]:
    """Parse the definition of every loss."""
    return {
        node.name: node
        for file in FILES
        for node in ast.parse(Path(__file__).with_name(f"{file}.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
