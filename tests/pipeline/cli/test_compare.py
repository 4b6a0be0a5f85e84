"""`segline compare` of three runs compares every pair, and says that it corrects for their number."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.__main__ import main
from pipeline.evaluation.image_counts import FILE, ImageCounts
from pipeline.workspace import json_file


def test_three_runs_are_compared_pair_by_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids, groups, truth = tuple("abcdefgh"), ("day",) * 8, np.full((8, 1), 1000)
    for name, correct in {"one": 500, "two": 510, "three": 600}.items():
        hits = np.arange(8)[:, None] * 9 + correct
        (tmp_path / name).mkdir()
        json_file.write(tmp_path / name / "metrics.json", {"dataset": "toy", "split": "val", "classes": ["road"]})
        ImageCounts(ids, groups, hits, truth, hits).write(tmp_path / name / FILE)
    (tmp_path / "artifacts").mkdir()
    monkeypatch.setenv("SEGLINE_WORKSPACE", str(tmp_path))
    monkeypatch.setattr("pipeline.cli.results_commands._artifact", lambda options, name, step: tmp_path / name)
    assert main(["compare", "one", "two", "three", "--json", str(tmp_path / "pairs.json")]) == 0
    shown = capsys.readouterr().out
    assert shown.count("Verdicts are corrected for 3 comparisons (Holm 1979); intervals are not.") == 3
    assert max(map(len, shown.splitlines())) <= 80
    rows = json.loads((tmp_path / "pairs.json").read_text())["pairs"]
    assert [(row["a"], row["b"]) for row in rows] == [("one", "two"), ("one", "three"), ("two", "three")]
    # Every image agrees: 2 of 2**8 swaps are as large, times three pairs.
    assert [row["differences"]["miou"]["p"] for row in rows] == pytest.approx([3 * 2 / 2**8] * 3)
    assert main(["compare", "one", "two"]) == 0 and "Holm" not in capsys.readouterr().out
