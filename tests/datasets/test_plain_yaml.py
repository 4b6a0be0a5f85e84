"""YAML of recipes, layouts and the command line: what it means; each mistake and each excess is a YamlError."""

import math
import time
from pathlib import Path

import pytest

from datasets import plain_yaml
from datasets.plain_yaml import MAX_BYTES, MAX_DEPTH, YamlError, dump, load, parse, value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 1e-3),
        ("-2.5E+3", -2500.0),
        ("0.5", 0.5),
        ("[+1, 1_000, 0x1F, 0o17, 0b11]", [1, 1000, 31, 15, 3]),
        ("[.inf, -.Inf]", [math.inf, -math.inf]),
        ("[010, 0016E5, 0b_, 12:30, 1.2.3, 1__0]", ["010", "0016E5", "0b_", "12:30", "1.2.3", "1__0"]),
        ("[2026-02-28, 2026-02-30, 2026-02-28 12:00:00]", ["2026-02-28", "2026-02-30", "2026-02-28 12:00:00"]),
        ("[yes, on, True, no, OFF, false]", [True, True, True, False, False, False]),
        ("[yEs, 'yes', !!str yes]", ["yEs", "yes", "yes"]),
        ("[~, null, Null, 'null']", [None, None, None, "null"]),
        ("!!float 1", 1.0),
        ("!!map {a: !!seq [1]}", {"a": [1]}),
        ("", None),
        ("a:", {"a": None}),
        ("\ufeff--- # a head\na: |\n  1\n  2\n...\n", {"a": "1\n2\n"}),
        ("{1: a, 2.5: b, null: c}", {1: "a", 2.5: "b", None: "c"}),
        ("[&k x, {*k : 1}]", ["x", {"x": 1}]),
    ],
)
def test_values(text, expected):
    result = parse(text)
    assert result == expected and repr(result) == repr(expected)
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}", {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}),
        ("a: &a {x: 1, y: 2}\nb: {x: 3, <<: *a}", {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}),
        ("p: {q: &a {<<: &b {x: 5}, x: 1}}\nc: {<<: *a}", {"p": {"q": {"x": 1}}, "c": {"x": 1}}),
        ("p: &p {x: 5}\nq: &q {<<: *p, x: 1}\nc: {<<: *q}", {"p": {"x": 5}, "q": {"x": 1}, "c": {"x": 1}}),
        ("a: {<<: [{x: 1}, {y: 2}]}", {"a": {"x": 1, "y": 2}}),
        ("a: {<<: [{x: 1}, {x: 2, y: 2}], y: 3}", {"a": {"x": 1, "y": 3}}),
        ("p: &p {x: 1}\nq: &q {x: 2}\na: {<<: [*q, *p]}", {"p": {"x": 1}, "q": {"x": 2}, "a": {"x": 2}}),
        ("{'<<': 1}", {"<<": 1}),
    ],
)
def test_of_merged_mappings_own_keys_win_and_then_the_earlier(text, expected):
    assert parse(text) == expected


def test_an_alias_is_a_value_of_its_own():
    """`--set b.x=2` changes `b`, and not what it was copied from."""
    tree = parse("a: &a {x: [1]}\nb: *a\nc: {<<: *a}")
    tree["b"]["x"].append(2)
    tree["c"]["x"].append(3)
    assert tree == {"a": {"x": [1]}, "b": {"x": [1, 2]}, "c": {"x": [1, 3]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schedule: {{ cron }}", r"a mapping cannot be a key.*templates be filled in \(line 1, column 12\)"),
        ("gate: {[a]: 1}", "a list cannot be a key"),
        ("a: &a [1]\nb: {*a : 1}", r"a list cannot be a key.*line 2"),
        ("a: {x: 1, x: 2}", "the key 'x' stands twice"),
        ("a: 1\nb:\n  x: 1\n  y: 2\n  x: 3", r"the key 'x' stands twice \(line 5, column 3\)"),
        ("{1: a, 0x1: b}", "the key 1 stands twice"),
        ("a: &a {x: 1}\nb: {<<: *a, y: 2, y: 3}", "the key 'y' stands twice"),
        ("a: {<<: {x: 1}, <<: {y: 1}}", "the key '<<' stands twice"),
        ("a: {<<: 3}", "expected a mapping"),
        ("a: {<<: [{x: 1}, 3]}", "expected a mapping"),
        ("!!timestamp 2026-02-30", "the tag !!timestamp cannot stand here"),
        ("!!python/name:os.system", "the tag !!python/name:os.system cannot stand here"),
        ("!local {a: 1}", "the tag !local cannot stand here"),
        ("!!map [1]", "the tag !!map cannot stand here. Allowed: !!seq"),
        ("!!int x", "no such value: !!int x"),
        ("!!int 0b_", "no such value"),
        ("!!bool 3", "no such value"),
        ("9" * 5000, "no such value"),
        ("[1", r"flow sequence.*line 1, column 3"),
        ("a\n---\nb", r"second document.*line 2"),
        ("a: *b", r"the alias \*b stands before"),
        ("a: &a [*a]", r"the alias \*a stands before the end"),
        ('"\\UFFFFFFFF"', "too large"),
        ("\x00", "special characters are not allowed"),
    ],
)
def test_mistakes_have_one_line_and_are_text_on_the_command_line(text, message):
    with pytest.raises(YamlError, match=message) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert value(text) == text


ALIASES_OF_ALIASES = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
MERGES_OF_MERGES = "a0: &a0 {k0: {}}\n" + "".join(
    f"a{i}: &a{i} {{<<: *a{i - 1}, k{i}: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 40)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 400))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ALIASES_OF_ALIASES, "more than 100000 values"),
        (MERGES_OF_MERGES, "more than"),
        (CHAIN, "nested more than 50 deep"),
        ("[" * 100_000, "nested more than 50 deep"),
        ("{a: " * 100_000, "nested more than 50 deep"),
        ("- " * 100_000, "nested more than 50 deep"),
        ("a" * (MAX_BYTES + 1), "larger than 1000000 bytes"),
    ],
    ids=["aliases", "merges", "chain", "lists", "mappings", "dashes", "long"],
)
def test_excess_is_refused_at_once(text, message):
    began = time.process_time()
    with pytest.raises(YamlError, match=message):
        parse(text)
    assert time.process_time() - began < 5


def test_what_is_allowed_at_most_is_read():
    assert str(parse("[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1))).count("[") == MAX_DEPTH - 1


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("\ufeffa: Grün\r\nb: 1\r\n".encode())
    assert load(path) == {"a": "Grün", "b": 1}
    path.write_bytes(b"a: \xff")
    with pytest.raises(YamlError, match="utf-8"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "b.yaml")
    monkeypatch.setattr(plain_yaml, "MAX_BYTES", 10)
    path.write_bytes("a: Grüße!".encode())  # 9 characters
    with pytest.raises(YamlError, match="larger than 10 bytes"):
        load(path)


@pytest.mark.parametrize("style", [{}, {"default_flow_style": True}])
def test_what_is_written_is_read_back(style) -> None:
    texts = ["1e-3", "1E5", "0016E5", "0o17", "0b1", "0x1F", "1_000", "010", "12:30", "2026-02-28", "yes", "~", ""]
    texts += ["null", "<<", "=", ".inf", "+.5", "1.", "a: b", "- x", "#", "*a", "Grün", "a\nb", "{{ cron }}", " x "]
    tree = {"z": texts, "a": [1, -1.5, 1e-7, 1e22, math.inf, True, None, {}, []], **dict.fromkeys(texts, 1)}
    result = parse(dump(tree, **style))
    assert result == tree and repr(result) == repr(tree)
