"""Walk a large JSON document by its top-level members, and keep where each is instead of what it holds."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from datasets.audit import BadFileError, Kind

_decode = json.JSONDecoder().raw_decode
_SPACE = re.compile(r"[ \t\n\r]*")


class Span(NamedTuple):
    """Where a JSON value is in a document, bytes."""

    start: int
    length: int


Visit = Callable[[Any, Span], None]


def walk(content: bytes, visits: Mapping[str, Visit]) -> dict[str, Span]:
    """Call `visits[key](element, span)` for each element of the arrays and each value of the objects of these keys.

    One element is in memory at a time. The text in an element is that of the bytes in Latin-1: `text` corrects it.

    Args:
        content: A JSON object, UTF-8.
        visits: {top-level key: function}; the key "" stands for a document that is itself an array.

    Returns:
        {top-level key: where its value is}.

    Raises:
        BadFileError: No JSON, or its top is neither an object nor an array that `visits` names.
    """
    document = str(content, "latin-1")  # a character for each byte, so that positions are those of bytes
    try:
        content.decode("utf-8")
        start = _skip(document, 3 if content.startswith(b"\xef\xbb\xbf") else 0)
        if document[start : start + 1] == "[" and "" in visits:
            _end(document, _each(document, start, visits[""]))
            return {"": Span(start, len(document) - start)}
        if document[start : start + 1] != "{":
            raise BadFileError(Kind.ANNOTATION, "its JSON does not begin with an object")
        return dict(_members(document, start, visits))
    except (ValueError, RecursionError, IndexError) as error:
        raise BadFileError(Kind.ANNOTATION, f"no JSON: {error}") from None


def parse_list(content: bytes, key: str, tool: str) -> tuple[dict[str, Any], list[Any]]:
    """Parse an object of JSON as a tool writes it; return it and the list at `key`, or raise BadFileError."""
    tree = parse(content)
    if not isinstance(tree, dict) or not isinstance(tree.get(key), list):
        raise BadFileError(Kind.ANNOTATION, f"a JSON without a list `{key}`, so it is not of {tool}")
    return tree, tree[key]


def text(value: Any) -> str:
    """Return the text of a JSON string that was read as Latin-1, or of a number."""
    plain = str(value)
    try:
        return plain.encode("latin-1").decode("utf-8")
    except ValueError:  # it had an escape such as \\u20ac, so it is right already
        return plain


def parse(content: bytes) -> Any:
    """Parse JSON bytes, or raise BadFileError."""
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadFileError(Kind.ANNOTATION, f"no JSON: {error}") from None


def _members(document: str, start: int, visits: Mapping[str, Visit]) -> Iterator[tuple[str, Span]]:
    at = _skip(document, start + 1)
    while document[at] != "}":
        key, at = _decode(document, at)
        at = _skip(document, at)
        if not isinstance(key, str) or document[at] != ":":
            raise ValueError(f"a key and a colon are expected at byte {at}")
        at = first = _skip(document, at + 1)
        visit = visits.get(text(key))
        if document[at] in "[{":
            at = _each(document, at, visit) if visit or document[at] == "[" else _decode(document, at)[1]
        else:
            at = _decode(document, at)[1]
        yield text(key), Span(first, at - first)
        at = _after_comma(document, at, "}")
    _end(document, at + 1)


def _each(document: str, start: int, visit: Visit | None) -> int:
    """Visit the elements of the array, or the values of the object, at `start`; return the position after it."""
    close = "]" if document[start] == "[" else "}"
    at = _skip(document, start + 1)
    while document[at] != close:
        first = at
        value, at = _decode(document, at)
        if close == "}":
            at = _skip(document, _skip(document, at) + 1)  # the colon
            first = at
            value, at = _decode(document, at)
        if visit:
            visit(value, Span(first, at - first))
        at = _after_comma(document, at, close)
    return at + 1


def _after_comma(document: str, at: int, close: str) -> int:
    at = _skip(document, at)
    if document[at] == ",":
        return _skip(document, at + 1)
    if document[at] != close:
        raise ValueError(f"',' or {close!r} is expected at byte {at}")
    return at


def _skip(document: str, at: int) -> int:
    """Return the position of the next character that is no white space."""
    match = _SPACE.match(document, at)
    return match.end() if match else at


def _end(document: str, at: int) -> None:
    if _skip(document, at) != len(document):
        raise ValueError(f"there is more after its end, at byte {at}")
