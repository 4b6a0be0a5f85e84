"""Which models there are: every file here with a function `build(num_classes, ...)`. No registry to edit.

Everything but `build` and `restore` reads the source of a model file and imports nothing: a recipe is checked at once.
"""

import ast
import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import parameters as kinds
from models.errors import ModelError

if TYPE_CHECKING:
    import keras

RESERVED = ("num_classes", "synchronized")
"""Parameters of a model's `build` that the pipeline sets; the others are the recipe's `model.options`."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model: its name, its annotation as source, its default."""

    name: str
    annotation: ast.expr
    default: Any


def names() -> list[str]:
    """Names of all models, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if _build_function(path) is not None)


def parameters(name: str) -> dict[str, Any]:
    """Give a model's own parameters with their defaults, in the order of its `build`. Raises ModelError if unknown."""
    return {parameter.name: parameter.default for parameter in _signature(name)}


def check(name: str, options: Mapping[str, Any]) -> None:
    """Raise ModelError, listing every problem, unless `name` is a model that takes these options."""
    signature = {parameter.name: parameter for parameter in _signature(name)}
    problems = []
    for key, value in options.items():
        parameter = signature.get(key)
        if parameter is None:
            problems.append(f"Model {name!r} takes no parameter {key!r}.{_guess(key, list(signature))}")
        elif not kinds.admits(parameter.annotation, value):
            allowed = kinds.allowed(parameter.annotation)
            problems.append(f"Parameter {key!r} of model {name!r} must be {allowed}. Received: {value!r}.")
    if problems:
        known = ", ".join(f"{parameter.name}={parameter.default!r}" for parameter in signature.values())
        raise ModelError(" ".join(problems) + f" Its parameters and their defaults: {known or 'none'}.")


def build(
    name: str, num_classes: int, options: Mapping[str, Any] | None = None, *, synchronized: bool = False
) -> "keras.Model":
    """Build a model: image [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes] at the image's size.

    Args:
        name: One of `names()`.
        num_classes: Classes that are predicted; the ignored label is none of them.
        options: Values of the model's own parameters; see `parameters(name)`.
        synchronized: Share the batch statistics of normalisation layers between replicas.

    Raises:
        ModelError: Unknown model, parameter or value, or weights that cannot be had.
    """
    options = dict(options or {})
    check(name, options)
    if num_classes < 1:
        raise ModelError(f"Model {name!r} needs at least one class. Received: num_classes={num_classes}.")
    model: keras.Model = importlib.import_module(f"models.{name}").build(
        num_classes, synchronized=synchronized, **options
    )
    return model


def restore(name: str, num_classes: int, options: Mapping[str, Any], weights: Path) -> "keras.Model":
    """Build a model and load what training left in a weights file.

    The weights that its backbone began with are not fetched again: no network is needed.

    Raises:
        ModelError: As `build`; or the file is missing, damaged, or of another network.
    """
    from models.weights import load

    started = {"weights": "random"} if "weights" in parameters(name) else {}
    model = build(name, num_classes, {**options, **started})
    load(model, weights)
    return model


def _signature(name: str) -> list[Parameter]:
    known = names()
    if name not in known:
        raise ModelError(f"There is no model {name!r}.{_guess(name, known)} Known models: {', '.join(known)}.")
    function = _build_function(Path(__file__).with_name(f"{name}.py"))
    assert function is not None
    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return [
        Parameter(argument.arg, argument.annotation or ast.Constant(None), ast.literal_eval(default))
        for argument, default in pairs
        if argument.arg not in RESERVED and default is not None
    ]


def _build_function(path: Path) -> ast.FunctionDef | None:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == "build":
            first = node.args.args[:1]
            return node if first and first[0].arg == "num_classes" else None
    return None


def _guess(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
