"""YAML of recipes and of the command line: what it means, and that every mistake in it is a mistake of YAML."""

import pytest
import yaml

from pipeline.config import yaml_loader


def load(text):
    return yaml.load(text, yaml_loader.Loader)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 1e-3),
        ("0016E5", "0016E5"),
        ("2026-02-28", "2026-02-28"),
        ("2026-02-30", "2026-02-30"),
        ("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}", {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}),
        ("p: {q: &a {<<: &b {x: 5}, x: 1}}\nc: {<<: *a}", {"p": {"q": {"x": 1}}, "c": {"x": 1}}),
        ("a: {<<: [{x: 1}, {y: 2}]}", {"a": {"x": 1, "y": 2}}),
    ],
)
def test_values(text, expected):
    assert load(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schedule: {{ cron }}", "a mapping cannot be a key.*templates be filled in"),
        ("gate: {[a]: 1}", "a list cannot be a key"),
        ("a: {x: 1, x: 2}", "the key 'x' stands twice"),
        ("a: &a {x: 1}\nb: {<<: *a, y: 2, y: 3}", "the key 'y' stands twice"),
        ("a: {<<: 3}", "expected a mapping"),
        ("!!timestamp 2026-02-30", "day is out of range"),
        ("!!int x", "no such value"),
        ("!!timestamp x", "no such value"),
        ("0b_", "no such value"),
        ("[1", "flow sequence"),
    ],
)
def test_mistakes_are_those_of_yaml_and_text_on_the_command_line(text, said):
    with pytest.raises(yaml.YAMLError, match=said):
        load(text)
    assert yaml_loader.value(text) == text
