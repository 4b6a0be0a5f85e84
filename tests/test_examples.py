"""The examples in docstrings: each one runs and prints what it shows."""

import doctest
import importlib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = [
    ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("datasets", "models", "pipeline", "segline")
    for path in sorted((PROJECT / package).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


def test_the_packages_have_examples() -> None:
    assert len(MODULES) >= 20
    assert {name.partition(".")[0] for name in MODULES} == {"datasets", "models", "pipeline", "segline"}


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_show(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # an example may write a file
    results = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert results.attempted, "`>>> ` stands outside of a docstring"
    assert not results.failed, "the lines above show what was expected and what came"
