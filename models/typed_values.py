"""Types of the parameters of a model's `build`, and checks of their values.

A model file uses them as annotations: `def build(num_classes: int, *, width: Positive = 48, stride: Literal[8] = 8)`.
The catalogue parses them from the source, so that a recipe is checked without importing TensorFlow.
"""

import ast
import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from models import published_weights

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
"""Initial weights of a backbone: `random`, `imagenet`, `package:NAME`, or the path of a file, which may be missing."""

GIVEN_WEIGHTS = ("random", "imagenet")
"""Values of type Weights that are not files."""

Preset = str
"""A preset of KerasHub: a key of models.hub_presets.PUBLISHED, or the path of a folder, which may be missing."""

PresetWeights = str
"""Initial weights of a network that a preset describes: `preset` or `random`."""

Sha256 = str
"""A SHA-256 in hexadecimal."""


class _Rule(NamedTuple):
    """What an annotation accepts: in words, as a test of a value, and as texts to suggest instead of an invalid one."""

    words: str
    accepts: Callable[[Any], bool]
    suggestions: Sequence[str] = ()


_RULES = {
    "bool": _Rule("true or false", lambda value: isinstance(value, bool)),
    "int": _Rule("a whole number", lambda value: _is_int(value)),
    "Positive": _Rule("a whole number above 0", lambda value: _is_int(value) and value > 0),
    "float": _Rule("a number", lambda value: is_number(value)),
    "NotNegative": _Rule("a number of 0 or more", lambda value: is_number(value) and 0 <= value < math.inf),
    "Fraction": _Rule("a number from 0 to 1", lambda value: is_number(value) and 0 <= value <= 1),
    "DropRate": _Rule("a number from 0 to below 1", lambda value: is_number(value) and 0 <= value < 1),
    "str": _Rule("a text", lambda value: isinstance(value, str)),
    "Weights": _Rule(
        "'random', 'imagenet', 'package:NAME' (`segline weights` lists them) or the path of a weights file",
        lambda value: isinstance(value, str),
        GIVEN_WEIGHTS,
    ),
    "Preset": _Rule(
        "a preset of KerasHub (`segline weights` lists them) or the path of a preset's folder",
        lambda value: isinstance(value, str),
    ),
    "PresetWeights": _Rule("'preset' or 'random'", lambda value: value in ("preset", "random"), ("preset", "random")),
    "Sha256": _Rule("64 hexadecimal digits", lambda value: _is_sha256(value)),
}


@dataclass(frozen=True)
class Parameter:
    """One keyword parameter of a function: its name, its annotation as source, its default."""

    name: str
    annotation: ast.expr
    default: Any

    def describe_invalid(self, owner: str, value: Any, but: str = "") -> str:
        """Describe in one sentence which values `owner` accepts instead of `value`."""
        hint = suggest(self.annotation, value)
        return f"Parameter {self.name!r} of {owner} must be {allowed(self.annotation)}{but}. Received: {value!r}.{hint}"


def parameters(function: ast.FunctionDef) -> dict[str, Parameter]:
    """Return the keyword parameters of a function that have a default, by name, in their order."""
    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return {
        argument.arg: Parameter(argument.arg, argument.annotation or ast.Constant(None), ast.literal_eval(default))
        for argument, default in pairs
        if default is not None
    }


def allowed(annotation: ast.expr) -> str:
    """Describe the values that an annotation accepts, such as `one of 8, 16, 32` or `a number from 0 to 1`."""
    return _rule(annotation).words


def accepts(annotation: ast.expr, value: Any) -> bool:
    """Whether a value is valid for an annotation."""
    return _rule(annotation).accepts(value)


def suggest(annotation: ast.expr, value: Any) -> str:
    """Suggest the accepted value most similar to an invalid one; see `did_you_mean`."""
    return did_you_mean(str(value), _rule(annotation).suggestions)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Suggest the most similar known word, or return "" if none is similar.

    >>> did_you_mean("vgg6", ["vgg16", "resnet50"])
    " Did you mean 'vgg16'?"
    """
    matches = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def is_file(value: str) -> bool:
    """Whether a value of type Weights is the path of a file, which may be missing."""
    return value not in GIVEN_WEIGHTS and not published_weights.is_package(value)


@cache
def backbones() -> tuple[str, ...]:
    """Return the names of all backbones: the keys of BACKBONES, parsed from the source of models/backbones.py."""
    tree = ast.parse(Path(__file__).with_name("backbones.py").read_text(encoding="utf-8"))
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id="BACKBONES"), value=ast.Call(args=[ast.Dict(keys=keys)])):
                return tuple(ast.literal_eval(key) for key in keys if key is not None)
    raise TypeError("models/backbones.py has no `BACKBONES: ... = MappingProxyType({...})`.")


def _rule(annotation: ast.expr) -> _Rule:
    match annotation:
        case ast.Name(id="Backbone"):
            return _one_of(backbones())
        case ast.Name(id=name) if name in _RULES:
            return _RULES[name]
        case ast.Constant(value=None):
            return _Rule("null", lambda value: value is None)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            one, other = _rule(left), _rule(right)
            return _Rule(f"{one.words} or {other.words}", lambda value: one.accepts(value) or other.accepts(value))
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            return _one_of([ast.literal_eval(node) for node in getattr(choices, "elts", [choices])])
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, *others])):
            texts = {ast.unparse(other) for other in others}
            if texts == {"..."}:
                return _list_of(_rule(item), None)
            if texts <= {ast.unparse(item)}:
                return _list_of(_rule(item), 1 + len(others))
    raise TypeError(
        f"A parameter of a model cannot be annotated `{ast.unparse(annotation)}`. Known: see models/typed_values.py."
    )


def _one_of(choices: Sequence[Any]) -> _Rule:
    words = f"one of {', '.join(map(repr, choices))}" if len(choices) > 1 else repr(choices[0])
    texts = [choice for choice in choices if isinstance(choice, str)]
    # With the type, as True == 1 == 1.0.
    return _Rule(words, lambda value: any(type(value) is type(choice) and value == choice for choice in choices), texts)


def _list_of(item: _Rule, length: int | None) -> _Rule:
    """Return the rule of a list of items, of any length if it is None."""

    def are_valid(values: Any) -> bool:
        return isinstance(values, list | tuple) and length in (None, len(values)) and all(map(item.accepts, values))

    return _Rule(f"a list{f' of {length}' if length else ''}, each item {item.words}", are_valid)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is an int or a float; a bool is neither here."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value.lower()) <= set("0123456789abcdef")
