"""A sweep: every combination, a failure that does not stop the others, a table with the best first."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.analysis import grid, sweep_table
from pipeline.errors import UserError
from pipeline.workspace.layout import Workspace

PROJECT = Path(__file__).parents[3]
TINY = str(PROJECT / "tests/tiny.yaml")
SET = ["data.manual_dir=unused"]


def test_members_are_every_combination() -> None:
    members = grid.members(TINY, SET, ["train.learning_rate=1e-3,3e-3", "input.size=[64, 64],null"])
    assert [member.name for member in members] == [
        "train.learning_rate=1e-3 input.size=[64, 64]",
        "train.learning_rate=1e-3 input.size=null",
        "train.learning_rate=3e-3 input.size=[64, 64]",
        "train.learning_rate=3e-3 input.size=null",
    ]
    assert members[2].recipe.train.learning_rate == 3e-3 and members[2].recipe.input.size == (64, 64)


@pytest.mark.parametrize(
    ("grids", "expected"),
    [
        (["train.epochs"], "KEY=A,B"),
        (["train.epochs=3,"], "KEY=A,B"),
        (["train.epochs=3", "train.epochs=4"], "train.epochs is given more than once"),
        (["train.epochs=3,x", "train.seed=1,-1"], "train.seed"),
        (["train.epochs=3,x", "train.seed=1,-1"], "train.epochs"),
    ],
)
def test_an_invalid_grid_is_refused_before_anything_runs(grids: list[str], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        grid.members(TINY, SET, grids)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Calls of a fake run, whose mIoU is its learning rate; 0.5 adds a group, 1 fails, 2 raises, 3 is interrupted."""
    calls: list[dict[str, Any]] = []

    def run(workspace: Workspace, recipe: Any, *, until: str, run_id: str | None = None) -> int:
        calls.append({"rate": recipe.train.learning_rate, "until": until})
        if recipe.train.learning_rate == 2:
            raise UserError("The loss became nan.")
        if recipe.train.learning_rate in (1, 3):
            return 1 if recipe.train.learning_rate == 1 else 130
        if run_id is None:
            return 0
        folder = workspace.run(run_id)
        (folder / "evaluate").mkdir(parents=True)
        (folder / "recipe.yaml").touch()
        metrics: dict[str, Any] = {"miou": recipe.train.learning_rate}
        metrics["calibration"] = {"ece": -recipe.train.learning_rate}
        if recipe.train.learning_rate == 0.5:
            metrics["slices"] = [{"group": "rare", "miou": 0.5, "pixel_accuracy": None, "iou": {}}]
        (folder / "evaluate/metrics.json").write_text(json.dumps(metrics))
        return 0

    monkeypatch.setattr(grid, "bring_up_to_date", run)
    return calls


def sweep(folder: Path, rates: str, by: str = "miou") -> int:
    return grid.run(Workspace(folder), grid.members(TINY, SET, [f"train.learning_rate={rates}"]), by=by)


def test_a_failed_member_does_not_stop_the_others_and_is_shown(
    tmp_path: Path, ran: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(tmp_path, "0.1,1,2,0.3") == 1
    assert [call["rate"] for call in ran] == [0.1, 1, 2, 0.3]
    assert {call["until"] for call in ran} == {"evaluate"}  # nothing is exported, so nothing promoted
    results = json.loads(next(tmp_path.glob("sweeps/*/results.json")).read_text())
    assert [(result["state"], result["figures"].get("miou")) for result in results] == [
        ("done", 0.3),
        ("done", 0.1),
        ("failed", None),
        ("failed", None),
    ]
    lines = next(tmp_path.glob("sweeps/*/results.csv")).read_text().splitlines()
    assert lines[0].startswith("train.learning_rate,state,run,miou,") and lines[1].startswith("0.3,done,")
    shown = capsys.readouterr().out
    assert "0.3000  train.learning_rate=0.3" in shown and "The loss became nan." in shown


def test_ctrl_c_ends_the_sweep(tmp_path: Path, ran: list[dict[str, Any]]) -> None:
    with pytest.raises(KeyboardInterrupt):
        sweep(tmp_path, "3,0.1")
    assert len(ran) == 1


def test_an_unknown_metric_is_refused_with_the_allowed_ones(tmp_path: Path, ran: list[dict[str, Any]]) -> None:
    with pytest.raises(UserError, match=r"--by: there is no metric 'mious'\. Did you mean 'miou'\?") as error:
        sweep(tmp_path, "0.1", by="mious")
    assert "miou, pixel_accuracy" in str(error.value) and ran == []


def test_a_group_that_some_members_lack_is_a_dash_in_the_table(
    tmp_path: Path, ran: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(tmp_path, "0.1,0.5,0.3", by="slice/rare/miou") == 0
    shown = capsys.readouterr().out
    assert "   0.5000  train.learning_rate=0.5" in shown and "        -  train.learning_rate=0.3" in shown
    with pytest.raises(UserError, match=r"no member has the metric 'slice/none/miou'.*: miou, ece, slice/rare/miou"):
        sweep(tmp_path, "0.1,0.5,0.3", by="slice/none/miou")  # groups are known when measured
    assert len(ran) == 6 and "results.csv" in capsys.readouterr().out


def test_for_an_error_metric_the_least_comes_first() -> None:
    results = [{"settings": {"a": str(value)}, "state": "done", "figures": {"ece": value}} for value in (0.2, 0.1)]
    assert [result["figures"]["ece"] for result in sweep_table.ordered(results, "ece")] == [0.1, 0.2]


def test_lines_fit_a_terminal() -> None:
    settings = {f"model.options.some_long_parameter_{index}": "0.123456" for index in range(4)}
    results = [{"settings": settings, "state": "done", "figures": {"miou": 0.5}, "error": None, "run": "a"}]
    results.append({**results[0], "state": "failed", "figures": {}, "error": "word " * 100})
    lines = sweep_table.lines(results, "miou")
    assert max(map(len, lines)) <= 80 and lines[1].startswith("   0.5000  model.options")


@pytest.mark.parametrize(("index", "written"), [(0, True), (1, False)])
def test_of_several_workers_only_the_chief_writes(
    index: int, written: bool, tmp_path: Path, ran: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    assert sweep(tmp_path, "0.1,1,0.3") == 1
    assert [call["rate"] for call in ran] == [0.1, 1, 0.3]
    assert (tmp_path / "sweeps").is_dir() == written
