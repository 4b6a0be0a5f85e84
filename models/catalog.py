"""Which models there are: every file here with a function `build(num_classes, ...)`. No registry to edit.

Everything but `build` and `restore` reads the source of a model file and imports nothing: a recipe is checked at once.
"""

import ast
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import parameters as kinds
from models.errors import ModelError

if TYPE_CHECKING:
    import keras

RESERVED = {
    "num_classes": "the dataset says how many classes there are",
    "synchronized": "it follows from the number of devices",
}
"""Parameters of a model's `build` that the pipeline sets, and by what; the others are the recipe's `model.options`."""

HASH = "_sha256"
"""Ends the name of the parameter that holds a weights file's SHA-256; it begins with that of the file's."""


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
    """Raise ModelError, listing every problem, unless `name` is a model that takes these options.

    Whether a weights file is there is for `require_weights`: what was trained is rebuilt without it.
    """
    signature = {parameter.name: parameter for parameter in _signature(name)}
    problems = []
    for key, value in options.items():
        parameter = signature.get(key)
        if key in RESERVED:
            problems.append(f"Model {name!r} takes no parameter {key!r}: {RESERVED[key]}. Remove it.")
        elif parameter is None:
            problems.append(f"Model {name!r} takes no parameter {key!r}.{kinds.near(key, list(signature))}")
        elif not kinds.admits(parameter.annotation, value):
            problems.append(_wrong(name, parameter, value))
    problems += _hashes_of_nothing(name, options, signature)
    if options.keys() - signature.keys() - RESERVED.keys():
        known = ", ".join(f"{parameter.name}={parameter.default!r}" for parameter in signature.values())
        problems.append(f"Its parameters and their defaults: {known or 'none'}.")
    if problems:
        raise ModelError(" ".join(problems))


def require_weights(name: str, options: Mapping[str, Any]) -> None:
    """Raise ModelError unless every weights file that these options name is there."""
    begun = begins_with(name, options)
    problems = [
        _wrong(name, parameter, value, but=", and there is no file of that name")
        for parameter, value in zip(_weights(name), begun, strict=True)
        if kinds.is_file(value) and not Path(value).is_file()
    ]
    if problems:
        raise ModelError(" ".join(problems))


def begins_with(name: str, options: Mapping[str, Any]) -> list[str]:
    """Give the weights that the parts of a model begin with: each `random`, `imagenet` or the path of a file."""
    return [options.get(parameter.name, parameter.default) for parameter in _weights(name)]


def untrained(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Give a model's options with random weights in place of those that it would begin with: nothing is fetched."""
    begun = [parameter.name for parameter in _weights(name)]
    kept = {key: value for key, value in options.items() if key.removesuffix(HASH) not in begun}
    return {**kept, **dict.fromkeys(begun, "random")}


def has_backbone(name: str) -> bool:
    """Whether a model is built over a backbone, which can be frozen and can begin with weights of its own."""
    return bool(_weights(name))


def build(
    name: str, num_classes: int, options: Mapping[str, Any] | None = None, *, synchronized: bool = False
) -> "keras.Model":
    """Build a model: image [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes] at the image's size.

    Args:
        name: One of `names()`.
        num_classes: Classes that are predicted; the ignored label is none of them.
        options: Values of the model's own parameters; see `parameters(name)`.
        synchronized: Share the batch statistics of normalisation layers between replicas.

    Returns:
        For training: with auxiliary heads, where the model has such (see models.auxiliary).

    Raises:
        ModelError: Unknown model, parameter or value, or weights that cannot be had.
    """
    options = dict(options or {})
    check(name, options)
    require_weights(name, options)
    if num_classes < 1:
        raise ModelError(f"Model {name!r} needs at least one class. Received: num_classes={num_classes}.")
    model: keras.Model = importlib.import_module(f"models.{name}").build(
        num_classes, synchronized=synchronized, **options
    )
    return model


def stride(name: str, options: Mapping[str, Any]) -> int:
    """Give the stride to a multiple of which a model pads its images, as its file says.

    That is its parameter `output_stride`, or 2 to the power of its parameter `depth`, or else the constant STRIDE.
    """
    values = {**parameters(name), **options}
    if "output_stride" in values:
        return int(values["output_stride"])
    if "depth" in values:
        return int(2 ** values["depth"])
    found = _constant(name, "STRIDE")
    if found is None:
        raise TypeError(f"models/{name}.py must hold STRIDE, or a parameter `output_stride` or `depth`.")
    return found


def least_batch(name: str) -> int:
    """Give how many images a model must see together in training: its constant LEAST_BATCH, else 1.

    Normalised by itself, a single pixel is always 0, and the variance that is kept for inference falls to nothing.
    """
    return _constant(name, "LEAST_BATCH") or 1


def check_size(name: str, options: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Raise ModelError for images (height, width) smaller than the model's stride: they would be padding mostly."""
    least = stride(name, options)
    height, width = size
    if min(size) < least:
        raise ModelError(
            f"Images of {height}x{width} are smaller than the stride {least} of model {name!r}. Give it at least "
            f"{max(height, least)}x{max(width, least)}, or another model."
        )


def restore(name: str, num_classes: int, options: Mapping[str, Any], weights: Path) -> "keras.Model":
    """Build a model and load what training left in a weights file; auxiliary heads are read and left out.

    The weights that its backbone began with are not fetched again: no network is needed.

    Raises:
        ModelError: As `build`; or the file is missing, damaged, or of another network.
    """
    from models.auxiliary import without_heads
    from models.weights import load

    model = build(name, num_classes, untrained(name, options))
    load(model, weights)
    return without_heads(model)


def _constant(name: str, constant: str) -> int | None:
    """Read a constant of a model's file."""
    for node in ast.parse(_file(name).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == constant:
            return int(ast.literal_eval(node.value))
    return None


def _signature(name: str) -> list[Parameter]:
    known = names()
    if name not in known:
        raise ModelError(f"There is no model {name!r}.{kinds.near(name, known)} Known models: {', '.join(known)}.")
    function = _build_function(_file(name))
    assert function is not None
    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return [
        Parameter(argument.arg, argument.annotation or ast.Constant(None), ast.literal_eval(default))
        for argument, default in pairs
        if argument.arg not in RESERVED and default is not None
    ]


def _weights(name: str) -> list[Parameter]:
    """Give the parameters that say which weights something begins with."""
    return [p for p in _signature(name) if isinstance(p.annotation, ast.Name) and p.annotation.id == "Weights"]


def _wrong(name: str, parameter: Parameter, value: Any, but: str = "") -> str:
    allowed, near = kinds.allowed(parameter.annotation), kinds.guess(parameter.annotation, value)
    return f"Parameter {parameter.name!r} of model {name!r} must be {allowed}{but}. Received: {value!r}.{near}"


def _hashes_of_nothing(name: str, options: Mapping[str, Any], signature: Mapping[str, Parameter]) -> list[str]:
    """Find hashes that would be compared with no file."""
    values = {key: parameter.default for key, parameter in signature.items()} | dict(options)
    return [
        f"Parameter {key!r} of model {name!r} is of a weights file, and {key.removesuffix(HASH)!r} names none. "
        f"Received: {values[key.removesuffix(HASH)]!r}."
        for key in signature
        if key.endswith(HASH) and values[key] is not None and not kinds.is_file(values[key.removesuffix(HASH)])
    ]


def _file(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.py")


def _build_function(path: Path) -> ast.FunctionDef | None:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == "build":
            first = node.args.args[:1]
            return node if first and first[0].arg == "num_classes" else None
    return None
