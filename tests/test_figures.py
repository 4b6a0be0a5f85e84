"""The scripts that make figures: README's table of recipes, and accuracies by minute."""

import doctest
import json
from pathlib import Path

import pytest

from tests.benchmarks import accuracy_per_minute, recipe_table


def test_the_table_of_recipes_is_that_of_their_heads() -> None:
    page = recipe_table.README.read_text()
    assert recipe_table.table() in page, "run python tests/benchmarks/recipe_table.py"
    assert recipe_table.updated(page) == page
    assert all(f"`{path.stem}`" in recipe_table.table() for path in recipe_table.RECIPES.glob("*.yaml"))


def test_the_scripts_examples_hold() -> None:
    assert not any(doctest.testmod(module).failed for module in (recipe_table, accuracy_per_minute))


def test_accuracies_by_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "history.json"
    path.write_text(json.dumps([{"seconds": 290.0, "miou": 0.25}, {"seconds": 400.0, "miou": 0.5}]))
    monkeypatch.setattr("sys.argv", ["accuracy_per_minute", str(path), "--minutes", "4", "5", "11.5"])
    accuracy_per_minute.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["4", "min", "5", "min", "11.5", "min", "history"],
        ["-", "0.250", "0.500", str(path)],
    ]
