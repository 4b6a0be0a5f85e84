"""YAML of recipes and layouts as plain values: 1e-3 is a number, a date is text, a key that stands twice is an error.

PyYAML turns the text into nodes, and writes values. What nodes mean is decided here: only tags of plain values are
known, and size, depth and aliases are bounded while they are read.
"""

import re
from collections import ChainMap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1_000_000
"""Of a file. The longest recipe that comes with Segline has 2 kB; a megabyte takes PyYAML seconds."""

MAX_DEPTH = 50
"""Of lists and mappings in each other; recipes need 5."""

MAX_VALUES = 100_000
"""With what aliases stand for: ten lines of aliases of aliases stand for thousands of millions."""

TAG = "tag:yaml.org,2002:"
BOOLS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}

NATURAL = r"(?:0|[1-9](?:_?[0-9])*)"  # nothing else begins with 0, but names do: CamVid's sequence 0016E5
PATTERNS = {
    "null": r"~|null|Null|NULL|",
    "bool": "|".join(form for word in BOOLS for form in (word, word.title(), word.upper())),
    "int": rf"[-+]?(?:{NATURAL}|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+)",
    "float": (
        rf"[-+]?(?:{NATURAL}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
}
"""What text without quotes is read as; the first pattern that fits it counts, and else it is text.

YAML 1.1's words for true and false, and the numbers of YAML 1.2, for which 12:30 is text, and no number to the base 60.
"""

CONVERSIONS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: BOOLS[text.lower()],
    "int": lambda text: int(text, 0),
    "float": lambda text: float(re.sub(r"\.(?=inf|nan)", "", text.lower())),
    "str": str,
}

TAGS = {"scalar": tuple(CONVERSIONS), "sequence": ("seq",), "mapping": ("map",)}
"""Kind of a node -> tags that it may have, without their prefix."""


class YamlError(ValueError):
    """A text is no YAML of plain values, or too large. The message names the line."""


MERGE = "<<"
"""A merge key, and the tag of its node, which no text can hold: a key of this text in quotes is none."""

COMPLEX_KEY = {
    "mapping": "a mapping cannot be a key; text in braces must stand in quotes, and templates be filled in",
    "sequence": "a list cannot be a key; text in brackets must stand in quotes",
}


class _Dumper(yaml.SafeDumper):
    """Puts in quotes the text that `parse` would read as a number and YAML 1.1 does not, such as 1e-3 and 0o17.

    A value that stands twice is written twice: not every reader of such files knows aliases.
    """

    def ignore_aliases(self, data: Any) -> bool:
        return True


RESOLVERS = [(TAG + kind, re.compile(rf"(?:{pattern})\Z")) for kind, pattern in PATTERNS.items()]
for _tag, _pattern in RESOLVERS:
    _Dumper.add_implicit_resolver(_tag, _pattern, None)


def load(path: Path) -> Any:
    """Return what a file holds: None, bool, int, float, str, or lists and dicts of these.

    Raises:
        OSError: It cannot be read.
        YamlError: It is not UTF-8, no YAML of plain values, or larger than the bounds of this module.
    """
    with path.open("rb") as file:
        return parse(file.read(MAX_BYTES + 1))


def parse(text: str | bytes) -> Any:
    """Return what a text, or its UTF-8, means.

    >>> parse("{rate: 1e-3, day: 2026-02-28, size: &s {H: 4, W: 4}, wide: {<<: *s, W: 8}}")
    {'rate': 0.001, 'day': '2026-02-28', 'size': {'H': 4, 'W': 4}, 'wide': {'H': 4, 'W': 8}}

    Raises:
        YamlError: It is no YAML of plain values, or larger than the bounds of this module.
    """
    if len(text) > MAX_BYTES:
        raise YamlError(f"it is larger than {MAX_BYTES} bytes")
    try:
        return _Loader(text if isinstance(text, str) else text.decode("utf-8")).document()
    except yaml.MarkedYAMLError as error:
        problem, mark = (
            ", ".join(filter(None, [error.context, error.problem])),
            error.problem_mark or error.context_mark,
        )
        raise YamlError(f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the latter of "\UFFFFFFFF", which is no character
        raise YamlError(" ".join(str(error).split())) from None


def value(text: str) -> Any:
    """Return what a text of the command line means, as in KEY=VALUE; what is no YAML is text.

    >>> value("[1, 2]"), value("1e-3"), value("[1, 2")
    ([1, 2], 0.001, '[1, 2')
    """
    try:
        return parse(text)
    except YamlError:
        return text


def dump(value: Any, **style: Any) -> str:
    """Return plain values as YAML that `parse` reads back, keys in their order; `style` as of `yaml.dump`."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **style)
    return text


class _Loader(yaml.SafeLoader):
    """Builds plain values from PyYAML's nodes; an alias is a value of its own, built again from the node it names."""

    depth = values = 0

    def document(self) -> Any:
        """Return the value of the only document; None where there is none."""
        node = self.get_node() if self.check_node() else None
        if self.check_node():
            raise _error("a second document begins, where one is expected", self.peek_event().start_mark)
        return None if node is None else self._value(node, 1)

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the next node of the text, checked for what its value no longer shows: depth, aliases and keys."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            named = self.anchors.get(event.anchor)
            if named is None or named.end_mark is None:
                raise _error(f"the alias *{event.anchor} stands before the end of what it names", event.start_mark)
        else:
            self.anchors.pop(event.anchor, None)  # so that an anchor may be set again
        self.depth += 1
        _require_depth(self.depth, event.start_mark)
        node: Any = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(parent, yaml.MappingNode) and index is None:  # the node is a key
            if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value == MERGE:
                node.tag = MERGE
            elif not isinstance(node, yaml.ScalarNode):
                raise _error(COMPLEX_KEY[node.id], event.start_mark)
        return node

    def _value(self, node: Any, depth: int) -> Any:
        _require_depth(depth, node.start_mark)
        self.values += 1
        if self.values > MAX_VALUES:
            raise _error(f"it holds more than {MAX_VALUES} values, counting what aliases stand for", node.start_mark)
        kind, allowed = node.tag.removeprefix(TAG), TAGS[node.id]
        if kind not in allowed:
            names = ", ".join(f"!!{name}" for name in allowed)
            raise _error(f"the tag {node.tag.replace(TAG, '!!')} cannot stand here. Allowed: {names}", node.start_mark)
        if kind == "map":
            return self._mapping(node, depth + 1)
        if kind == "seq":
            return [self._value(item, depth + 1) for item in node.value]
        try:
            return CONVERSIONS[kind](node.value)
        except (ValueError, LookupError):
            raise _error(f"no such value: !!{kind} {node.value:.40}", node.start_mark) from None

    def _mapping(self, node: Any, depth: int) -> dict[Any, Any]:
        own: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            is_merge = key_node.tag == MERGE
            key = MERGE if is_merge else self._value(key_node, depth)
            if key in (mapping := merged if is_merge else own):
                raise _error(f"the key {key!r} stands twice", key_node.start_mark)
            value = self._value(value_node, depth)
            mapping[key] = _merge(value, value_node.start_mark) if is_merge else value
        return {**merged.get(MERGE, {}), **own}  # a mapping's own keys win over those it takes over


_Loader.yaml_implicit_resolvers = {None: RESOLVERS}  # in place of YAML 1.1's, which know dates and 12:30


def _require_depth(depth: int, mark: Any) -> None:
    if depth > MAX_DEPTH:
        raise _error(f"lists and mappings are nested more than {MAX_DEPTH} deep", mark)


def _merge(value: Any, mark: Any) -> dict[Any, Any]:
    """Return what a merge key takes over, from a mapping or from a list of mappings, of which an earlier one wins."""
    mappings = value if isinstance(value, list) else [value]
    for mapping in mappings:
        if not isinstance(mapping, dict):
            raise _error(f"<< expected a mapping or a list of mappings. Received: {type(mapping).__name__}", mark)
    return dict(ChainMap(*mappings))


def _error(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
