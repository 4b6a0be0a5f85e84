"""Types of the parameters of a model's `build`, and how the value of one is checked.

A model file writes them as annotations: `def build(num_classes: int, *, width: Positive = 48, stride: Literal[8] = 8)`.
The catalogue reads them from the source, so that a recipe is checked without importing TensorFlow.
"""

import ast
from collections.abc import Callable
from typing import Any

Positive = int
"""A whole number above 0."""

Fraction = float
"""A number from 0 to 1."""

_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "int": ("a whole number", lambda value: _is_int(value)),
    "Positive": ("a whole number above 0", lambda value: _is_int(value) and value > 0),
    "float": ("a number", lambda value: _is_number(value)),
    "Fraction": ("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1),
    "str": ("a text", lambda value: isinstance(value, str)),
}


def allowed(annotation: ast.expr) -> str:
    """Say in words what an annotation lets through, such as `one of 8, 16, 32` or `a number from 0 to 1`."""
    match annotation:
        case ast.Name(id=name) if name in _TYPES:
            return _TYPES[name][0]
        case ast.Constant(value=None):
            return "null"
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{allowed(left)} or {allowed(right)}"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            values = _values(choices)
            return f"one of {', '.join(map(repr, values))}" if len(values) > 1 else repr(values[0])
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, ast.Constant(value=value)])):
            if value is Ellipsis:
                return f"a list, each item {allowed(item)}"
    raise TypeError(
        f"A parameter of a model cannot be annotated `{ast.unparse(annotation)}`. Known: see models/catalog.py."
    )


def admits(annotation: ast.expr, value: Any) -> bool:
    """Whether an annotation lets a value through."""
    match annotation:
        case ast.Name(id=name) if name in _TYPES:
            return _TYPES[name][1](value)
        case ast.Constant(value=None):
            return value is None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return admits(left, value) or admits(right, value)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            return any(value == choice and type(value) is type(choice) for choice in _values(choices))
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, _])):
            return isinstance(value, list | tuple) and all(admits(item, entry) for entry in value)
    raise TypeError(f"A parameter of a model cannot be annotated `{ast.unparse(annotation)}`.")


def _values(choices: ast.expr) -> list[Any]:
    nodes = choices.elts if isinstance(choices, ast.Tuple) else [choices]
    return [ast.literal_eval(node) for node in nodes]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
