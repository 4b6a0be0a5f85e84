"""Types of the parameters of a model's `build`, and checks of their values.

A model file uses them as annotations: `def build(num_classes: int, *, width: Positive = 48, stride: Literal[8] = 8)`.
The catalogue parses them from the source, so that a recipe is checked without importing TensorFlow.
"""

import ast
import difflib
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import EllipsisType
from typing import Any

Positive = int
"""A whole number above 0."""

NotNegative = float
"""A number of 0 or more."""

Fraction = float
"""A number from 0 to 1."""

DropRate = float
"""Share dropped in training, from 0 to below 1: 1 would drop everything."""

Backbone = str
"""A key of models.backbones.BACKBONES."""

Weights = str
"""Initial weights of a backbone: `random`, `imagenet`, or the path of a weights file, which may be missing."""

GIVEN_WEIGHTS = ("random", "imagenet")
"""Values of type Weights that are not files."""

Sha256 = str
"""A SHA-256 in hexadecimal."""

_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "int": ("a whole number", lambda value: _is_int(value)),
    "Positive": ("a whole number above 0", lambda value: _is_int(value) and value > 0),
    "float": ("a number", lambda value: _is_number(value)),
    "NotNegative": ("a number of 0 or more", lambda value: _is_number(value) and 0 <= value < math.inf),
    "Fraction": ("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1),
    "DropRate": ("a number from 0 to below 1", lambda value: _is_number(value) and 0 <= value < 1),
    "str": ("a text", lambda value: isinstance(value, str)),
    "Weights": ("'random', 'imagenet' or the path of a weights file", lambda value: isinstance(value, str)),
    "Sha256": ("64 hexadecimal digits", lambda value: _is_sha256(value)),
}


def allowed(annotation: ast.expr) -> str:
    """Describe the values that an annotation accepts, such as `one of 8, 16, 32` or `a number from 0 to 1`."""
    match annotation:
        case ast.Name(id="Backbone"):
            return f"one of {', '.join(map(repr, backbones()))}"
        case ast.Name(id=name) if name in _TYPES:
            return _TYPES[name][0]
        case ast.Constant(value=None):
            return "null"
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{allowed(left)} or {allowed(right)}"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            values = _values(choices)
            return f"one of {', '.join(map(repr, values))}" if len(values) > 1 else repr(values[0])
        case ast.Subscript(
            value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, ast.Constant(value=EllipsisType())])
        ):
            return f"a list, each item {allowed(item)}"
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=items)) if _are_alike(items):
            return f"a list of {len(items)}, each item {allowed(items[0])}"
    raise TypeError(
        f"A parameter of a model cannot be annotated `{ast.unparse(annotation)}`. Known: see models/typed_values.py."
    )


def accepts(annotation: ast.expr, value: Any) -> bool:
    """Whether a value is valid for an annotation."""
    match annotation:
        case ast.Name(id="Backbone"):
            return value in backbones()
        case ast.Name(id=name) if name in _TYPES:
            return _TYPES[name][1](value)
        case ast.Constant(value=None):
            return value is None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return accepts(left, value) or accepts(right, value)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            return any(value == choice and type(value) is type(choice) for choice in _values(choices))
        case ast.Subscript(
            value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, ast.Constant(value=EllipsisType())])
        ):
            return isinstance(value, list | tuple) and all(accepts(item, entry) for entry in value)
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=items)):
            return isinstance(value, list | tuple) and len(value) == len(items) and all(map(accepts, items, value))
    raise TypeError(f"A parameter of a model cannot be annotated `{ast.unparse(annotation)}`.")


def suggest(annotation: ast.expr, value: Any) -> str:
    """Suggest the accepted value most similar to an invalid one; see `did_you_mean`."""
    match annotation:
        case ast.Name(id="Backbone"):
            return did_you_mean(str(value), backbones())
        case ast.Name(id="Weights"):
            return did_you_mean(str(value), GIVEN_WEIGHTS)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            return did_you_mean(str(value), [choice for choice in _values(choices) if isinstance(choice, str)])
    return ""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Suggest the most similar known word, or return "" if none is similar.

    >>> did_you_mean("vgg6", ["vgg16", "resnet50"])
    " Did you mean 'vgg16'?"
    """
    matches = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def is_file(value: str) -> bool:
    """Whether a value of type Weights is the path of a file, which may be missing."""
    return value not in GIVEN_WEIGHTS


@cache
def backbones() -> tuple[str, ...]:
    """Return the names of all backbones: the keys of BACKBONES, parsed from the source of models/backbones.py."""
    tree = ast.parse(Path(__file__).with_name("backbones.py").read_text(encoding="utf-8"))
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id="BACKBONES"), value=ast.Call(args=[ast.Dict(keys=keys)])):
                return tuple(ast.literal_eval(key) for key in keys if key is not None)
    raise TypeError("models/backbones.py has no `BACKBONES: ... = MappingProxyType({...})`.")


def _values(choices: ast.expr) -> list[Any]:
    nodes = choices.elts if isinstance(choices, ast.Tuple) else [choices]
    return [ast.literal_eval(node) for node in nodes]


def _are_alike(nodes: list[ast.expr]) -> bool:
    return len({ast.dump(node) for node in nodes}) == 1


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value.lower()) <= set("0123456789abcdef")
