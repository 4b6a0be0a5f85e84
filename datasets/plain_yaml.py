"""YAML of recipes and layouts as plain values: 1e-3 is a number, a date is text, a key that stands twice is an error.

PyYAML turns the text into events, by `yaml.parse`, which it documents, and writes values. What events mean is decided
here: only tags of plain values are known, and size, depth and aliases are bounded while they are read.
"""

import copy
import re
from collections.abc import Callable, Iterator
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
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile("|".join(form for word in BOOLS for form in (word, word.title(), word.upper()))),
    "int": re.compile(rf"[-+]?(?:{NATURAL}|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+)"),
    "float": re.compile(
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


class YamlError(ValueError):
    """A text is no YAML of plain values, or too large. The message names the line."""


class _Dumper(yaml.SafeDumper):
    """Puts in quotes the text that `parse` would read as a number and YAML 1.1 does not, such as 1e-3 and 0o17."""


for _kind in ("int", "float"):
    _Dumper.add_implicit_resolver(TAG + _kind, re.compile(f"(?:{PATTERNS[_kind].pattern})$"), list("-+.0123456789"))


def load(path: Path) -> Any:
    """Return what a file holds: None, bool, int, float, str, or lists and dicts of these.

    Raises:
        OSError: It cannot be read.
        YamlError: It is not UTF-8, no YAML of plain values, or larger than the bounds of this module.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    try:
        return parse(content.decode("utf-8")) if len(content) <= MAX_BYTES else _refuse_size()
    except UnicodeDecodeError as error:
        raise YamlError(str(error)) from None


def parse(text: str) -> Any:
    """Return what a text means.

    >>> parse("{rate: 1e-3, day: 2026-02-28, size: &s {H: 4, W: 4}, wide: {<<: *s, W: 8}}")
    {'rate': 0.001, 'day': '2026-02-28', 'size': {'H': 4, 'W': 4}, 'wide': {'H': 4, 'W': 8}}

    Raises:
        YamlError: It is no YAML of plain values, or larger than the bounds of this module.
    """
    if len(text) > MAX_BYTES:
        _refuse_size()
    try:
        return _Reader(yaml.parse(text, yaml.SafeLoader)).document()
    except yaml.MarkedYAMLError as error:
        problem = ", ".join(filter(None, [error.context, error.problem]))
        raise _error(problem, error.problem_mark or error.context_mark) from None
    except YamlError:
        raise
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


class _Reader:
    """Builds values from the events of one text."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Any] = {}
        self._values = 0

    def document(self) -> Any:
        """Return the value of the only document; None where there is none."""
        document, documents = None, 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _error("a second document begins, where one is expected", event.start_mark)
                document = self._value(next(self._events), 1)
        return document

    def _value(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._copy(event, depth)
        self._require_room(event, depth, values=1)
        if isinstance(event, yaml.ScalarEvent):
            result = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            _require_tag(event, "seq")
            result = [self._value(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
        else:
            _require_tag(event, "map")
            result = self._mapping(depth + 1)
        if event.anchor:
            self._anchors[event.anchor] = result
        return result

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _mapping(self, depth: int) -> dict[Any, Any]:
        own: dict[Any, Any] = {}
        merged: dict[Any, Any] | None = None
        for event in self._until(yaml.MappingEndEvent):
            is_merge = isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value == "<<"
            key = "<<" if is_merge else self._key(event, depth)
            if merged is not None if is_merge else key in own:
                raise _error(f"the key {key!r} stands twice", event.start_mark)
            following = next(self._events)
            inner = self._value(following, depth)
            if is_merge:
                merged = _merge(inner, following)
            else:
                own[key] = inner
        return {**(merged or {}), **own}  # what a mapping says itself counts more than what it takes over

    def _key(self, event: Any, depth: int) -> Any:
        key = None
        if isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            key = self._value(event, depth)
        if isinstance(event, yaml.MappingStartEvent) or isinstance(key, dict):
            problem = "a mapping cannot be a key; text in braces must stand in quotes, and templates be filled in"
            raise _error(problem, event.start_mark)
        if isinstance(event, yaml.SequenceStartEvent) or isinstance(key, list):
            raise _error("a list cannot be a key; text in brackets must stand in quotes", event.start_mark)
        return key

    def _copy(self, event: Any, depth: int) -> Any:
        """Return a copy of what an alias stands for, so that a setting changed in one place changes no other."""
        if event.anchor not in self._anchors:
            raise _error(f"the alias *{event.anchor} stands before the end of what it names", event.start_mark)
        named = self._anchors[event.anchor]
        values, height = _size(named)
        self._require_room(event, depth + height - 1, values)
        return copy.deepcopy(named)

    def _require_room(self, event: Any, depth: int, values: int) -> None:
        self._values += values
        if depth > MAX_DEPTH:
            raise _error(f"lists and mappings are nested more than {MAX_DEPTH} deep", event.start_mark)
        if self._values > MAX_VALUES:
            problem = f"it holds more than {MAX_VALUES} values, counting what aliases stand for"
            raise _error(problem, event.start_mark)


def _scalar(event: Any) -> Any:
    """Return what a scalar means: by its tag; without one and without quotes by PATTERNS; else text."""
    if event.implicit[0]:
        kind = next((kind for kind, pattern in PATTERNS.items() if pattern.fullmatch(event.value)), "str")
    else:
        kind = _require_tag(event, *CONVERSIONS)
    try:
        return CONVERSIONS[kind](event.value)
    except (ValueError, LookupError):
        raise _error(f"no such value: !!{kind} {event.value:.40}", event.start_mark) from None


def _require_tag(event: Any, *allowed: str) -> str:
    """Return the tag of an event without its prefix; where it has none, the last that is allowed."""
    kind: str = allowed[-1] if event.tag in (None, "!") else event.tag.removeprefix(TAG)
    if kind not in allowed:
        known = ", ".join(f"!!{name}" for name in allowed)
        raise _error(f"the tag {event.tag.replace(TAG, '!!')} cannot stand here. Allowed: {known}", event.start_mark)
    return kind


def _merge(value: Any, event: Any) -> dict[Any, Any]:
    """Return what a merge key takes over, from a mapping or from a list of mappings, of which an earlier one wins."""
    mappings = value if isinstance(value, list) else [value]
    merged: dict[Any, Any] = {}
    for mapping in mappings:
        if not isinstance(mapping, dict):
            problem = f"<< expected a mapping or a list of mappings. Received: {type(mapping).__name__}"
            raise _error(problem, event.start_mark)
        merged = {**mapping, **merged}
    return merged


def _size(value: Any) -> tuple[int, int]:
    """Count the values in a value, keys too and itself, and the depth of lists and mappings in it."""
    if not isinstance(value, dict | list):
        return 1, 1
    inner = [_size(item) for item in (value.values() if isinstance(value, dict) else value)]
    keys = len(value) if isinstance(value, dict) else 0
    return 1 + keys + sum(values for values, _ in inner), 1 + max((height for _, height in inner), default=0)


def _error(problem: str, mark: Any) -> YamlError:
    return YamlError(f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem)


def _refuse_size() -> None:
    raise YamlError(f"it is larger than {MAX_BYTES} bytes")
