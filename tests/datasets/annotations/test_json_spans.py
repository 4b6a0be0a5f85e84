"""Large JSON is walked element by element, and only positions are kept."""

import json

import pytest

from datasets.annotations.json_spans import Span, text, walk
from datasets.audit import BadFileError

TREE = {"a": [{"id": 1, "é": "ü\n"}, [2], "x"], "b": {"k": {"n": 1}, "l": 2}, "c": "],}", "d": 1.5, "e": [], "f": {}}


@pytest.mark.parametrize("options", [{}, {"indent": 2}, {"ensure_ascii": False}, {"separators": (",", ":")}])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_spans_hold_their_elements(options: dict, mark: bytes) -> None:
    content = mark + json.dumps(TREE, **options).encode()
    spans: list[Span] = []
    keys = walk(content, {"a": lambda _, span: spans.append(span), "b": lambda _, span: spans.append(span)})
    parts = [json.loads(content[span.start : span.start + span.length]) for span in spans]
    assert parts == [*TREE["a"], *TREE["b"].values()]
    assert {key: json.loads(content[span.start : span.start + span.length]) for key, span in keys.items()} == TREE


def test_text_is_that_of_utf_8() -> None:
    seen = []
    walk('[{"a": "Größe €"}, {"a": "\\u20ac ü"}]'.encode(), {"": lambda value, _: seen.append(text(value["a"]))})
    assert seen[0] == "Größe €"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"a" 1}', b'{"a": [1 2]}', b'{"a": 1} x', b"[1]", b"1", b'{"a": "\xff"}', b'{"a": ' + b"[" * 100_000],
)
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(BadFileError):
        walk(content, {"a": lambda *_: None})
