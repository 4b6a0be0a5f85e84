"""The scripts that write parts of the pages: the tables of recipes, the reference of settings, accuracies by minute."""

import doctest
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docs import settings
from docs.pictures import draw
from tests.benchmarks import accuracy_per_minute, recipe_table


def test_the_tables_of_recipes_are_those_of_their_heads() -> None:
    tables = recipe_table.tables()
    for path, table in tables.items():
        assert table in path.read_text(), "run python tests/benchmarks/recipe_table.py"
        assert recipe_table.updated(path.read_text().replace("| `", "| `old_"), table).count(table) == 1
    assert all(f"| `{path.stem}` |" in "".join(tables.values()) for path in recipe_table.RECIPES.glob("*.yaml"))


def test_the_front_page_holds_no_figure_that_is_not_measured() -> None:
    assert "not measured" not in recipe_table.README.read_text()


def test_the_reference_of_settings_is_that_of_the_types() -> None:
    assert settings.PAGE.read_text() == settings.page(), "run python docs/settings.py"


def test_every_setting_says_what_it_is_for() -> None:
    keys = [key for _, _, keys in settings.sections() for key in keys]
    assert not [key.name for key in keys if not key.meaning]
    assert {"train.epochs", "validate.drift.rare", "schedule.on_failure.command"} <= {key.name for key in keys}


def test_the_scripts_examples_hold() -> None:
    assert not any(doctest.testmod(module).failed for module in (recipe_table, settings, accuracy_per_minute))


def test_a_picture_keeps_white_and_the_colours_of_the_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    noise[:2], noise[2:4] = 255, (0, 128, 192)
    draw.save(Image.fromarray(noise), tmp_path / "large.png", [(0, 128, 192)])
    kept = np.asarray(Image.open(tmp_path / "large.png").convert("RGB"))
    assert kept.shape == noise.shape and (kept[:4] == noise[:4]).all()
    assert abs(kept.astype(int) - noise).mean() < 20
    monkeypatch.setattr(draw, "LIMIT", 10_000)
    draw.save(Image.fromarray(noise), tmp_path / "small.png")
    assert (tmp_path / "small.png").stat().st_size <= 10_000 < (tmp_path / "large.png").stat().st_size


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
