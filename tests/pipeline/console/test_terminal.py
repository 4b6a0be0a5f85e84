"""Printed text fits 80 columns, and no word is lost."""

import pytest

from models import catalog
from pipeline.__main__ import main
from pipeline.analysis import inspection
from pipeline.console.terminal import WIDTH, cut, wrapped
from pipeline.evaluation import comparison
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.paired import Difference
from pipeline.evaluation.score_table import table


def test_long_lines_break_between_words_and_no_word_is_lost() -> None:
    path = "/a/" + "long-" * 20 + "path"
    text = f"{'one two ' * 12}\n  {'three four ' * 10}\n  a | table   stays\n{path} is kept whole"
    lines = wrapped(text).split("\n")
    assert wrapped(text).split() == text.split()
    assert all(len(line) <= WIDTH or path in line for line in lines)
    assert "  a | table   stays" in lines
    assert [line[:4] for line in lines if "three" in line] == ["  th", "    "]


def test_json_lines_are_not_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGLINE_LOG_JSON", "1")
    assert wrapped("word " * 40) == "word " * 40


def test_a_shortened_name_keeps_both_ends() -> None:
    assert cut("short", 5) == "short"
    assert cut("stuttgart_000012_000019_leftImg8bit", 14) == "stuttg..mg8bit"
    assert {len(cut("x" * 40, width)) for width in (7, 8, 9)} == {7, 8, 9}


def test_an_error_fits_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "camvid_fast", "--set", "train.epochs=none", "--set", "model.nmae=fast"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("segline: ") and max(map(len, shown.splitlines())) <= WIDTH


def test_the_layer_table_of_a_deep_network_fits() -> None:
    lines = inspection.table(catalog.build("ddrnet", 19, {}), (1024, 2048))
    assert max(map(len, lines)) <= WIDTH


def test_tables_of_long_names_fit() -> None:
    names = ["a class of a very long name, " * 3 + str(number) for number in range(30)]
    differences = {f"iou/{name}": Difference(0.5, 0.25, 0.1234, 0.4321, 0.01, 9, True) for name in names}
    lines = comparison.table(Comparison(9, 1, 0, differences, 0.95), "a" * 20, "b")
    assert max(map(len, lines)) <= WIDTH
    assert "Just by chance, about 2 of 30 metrics would seem better or worse." in lines
    rows = [{"name": name, "iou": 1.0, "precision": 1.0, "accuracy": 1.0, "pixels": 7} for name in names]
    metrics = {"split": "val", "dataset": "toy", "images": 3, "per_class": rows, "absent": names[:3], "miou": 1.0}
    metrics |= {"majority_class": names[0], "majority_baseline_miou": 0.1, "pixel_accuracy": 1.0}
    metrics |= {"mean_class_accuracy": 1.0, "frequency_weighted_iou": None}
    assert max(map(len, table(metrics).splitlines())) <= WIDTH
