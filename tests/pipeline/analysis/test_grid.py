"""A sweep: every combination, a failure that does not stop the others, a table with the best first."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.analysis import grid, halving, member_run, optuna_search, search_space, setting_effects, sweep_table
from pipeline.cli.parser import build_parser
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
        pause = recipe.train.pause_epochs
        calls.append({"rate": recipe.train.learning_rate, "until": until, "pause": pause, "run": run_id})
        if pause:
            return 4
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

    monkeypatch.setattr(member_run, "bring_up_to_date", run)
    return calls


@pytest.mark.parametrize("seed", [0, 1])
def test_a_sample_is_some_of_the_combinations_and_the_same_for_a_seed(seed: int) -> None:
    grids = ["train.learning_rate=1e-4,1e-3,1e-2", "train.seed=1,2,3"]
    every = {member.name for member in grid.members(TINY, SET, grids)}
    drawn = [member.name for member in grid.members(TINY, SET, grids, sample=4, seed=seed)]
    assert len(set(drawn)) == 4 and set(drawn) < every
    assert drawn == [member.name for member in grid.members(TINY, SET, grids, sample=4, seed=seed)]
    assert len(grid.members(TINY, SET, grids, sample=100)) == 9


def test_a_range_is_drawn_evenly_by_its_logarithm_and_whole_numbers_stay_whole() -> None:
    space = search_space.parse(["a=1e-5..1e-1", "b=1..3", "c=-1..1", "d=x,y"])
    drawn = search_space.sample(space, 300, seed=0)
    rates = sorted(float(row["a"]) for row in drawn)
    assert rates[0] >= 1e-5 and rates[-1] <= 1e-1 and 3e-4 < rates[150] < 3e-3
    assert {row["b"] for row in drawn} == {"1", "2", "3"} and {row["d"] for row in drawn} == {"x", "y"}
    assert -1 <= min(float(row["c"]) for row in drawn) < -0.5
    assert len(search_space.sample(search_space.parse(["b=1..3"]), 9, seed=0)) == 3
    with pytest.raises(UserError, match=r"a, b, c: a range LOW\.\.HIGH needs --sample N"):
        search_space.combinations(space)
    with pytest.raises(UserError, match=r"must rise. Received: 3\.\.1"):
        search_space.parse(["b=3..1"])


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


def test_halving_continues_the_same_runs_of_the_best(
    tmp_path: Path, ran: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = [0.1, 0.9, 0.3, 0.2, 0.8, 0.4, 0.5, 0.6, 0.7]
    runs: dict[str, float] = {}

    def history(_: Workspace, run: str) -> list[dict[str, Any]]:
        runs.update((call["run"], call["rate"]) for call in ran)
        return [{"epoch": epoch, "miou": runs[run], "per_class_iou": None} for epoch in (1, 2, 3)]

    monkeypatch.setattr(halving, "_history", history)
    grids = [f"train.learning_rate={','.join(map(str, rates))}"]
    members = grid.members(TINY, [*SET, "train.epochs=9"], grids)
    assert grid.run(Workspace(tmp_path), members, by="miou", factor=3) == 0
    pauses = [(call["pause"], call["until"]) for call in ran]
    assert pauses == [(1, "train")] * 9 + [(3, "train")] * 3 + [(None, "evaluate")]
    assert sorted(call["rate"] for call in ran[9:12]) == [0.7, 0.8, 0.9] and ran[12]["rate"] == 0.9
    assert len({call["run"] for call in ran}) == 9  # a member that continues keeps its run
    results = json.loads(next(tmp_path.glob("sweeps/*/results.json")).read_text())
    assert [(row["state"], row["epochs"]) for row in results] == [
        ("done", None),
        *2 * [("stopped", 3)],
        *6 * [("stopped", 1)],
    ]
    assert "train.learning_rate=0.8 (stopped after epoch 3)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "grids", "by", "message"),
    [
        ([], ["train.epochs=3,9"], "miou", "no --grid train.epochs"),
        ([], ["train.seed=1,2"], "ece", "--halving ranks members by a metric of the validation"),
    ],
)
def test_members_that_cannot_be_compared_at_a_pause_are_refused(
    settings: list[str], grids: list[str], by: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        grid.run(Workspace(tmp_path), grid.members(TINY, [*SET, *settings], grids), by=by, factor=3)


def test_pauses_come_with_validations_and_before_the_end() -> None:
    (member,) = grid.members(TINY, [*SET, "train.epochs=20", "train.validate_every=4"], ["train.seed=1"])
    assert halving.rungs([member.recipe] * 8, 2, "miou") == [
        halving.Rung(4, 4),
        halving.Rung(8, 2),
        halving.Rung(12, 1),
    ]
    assert halving.rungs([member.recipe], 3, "miou") == []


def test_the_settings_that_mattered_are_named_and_chance_is_not() -> None:
    grids = [{"a": str(a), "b": str(b)} for a in range(3) for b in range(4)]
    noise = [0.01 * (index * 7 % 5) for index in range(12)]
    found = setting_effects.shares(grids, [int(row["a"]) + one for row, one in zip(grids, noise, strict=True)])
    assert list(found) == ["a", "b"] and found["a"] > 0.95 and found["b"] < 0.05
    drawn = [{"rate": str(1.1**index)} for index in range(10)]
    assert setting_effects.shares(drawn, [index**3 for index in range(10)])["rate"] == pytest.approx(1)
    assert setting_effects.shares(drawn, [index * 7 % 10 for index in range(10)])["rate"] < 0.1
    assert setting_effects.shares(grids[:3], [1, 2, 3]) == {} and setting_effects.shares(grids, [1.0] * 12) == {}


def test_optuna_learns_from_the_runs_before(
    tmp_path: Path, ran: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna", reason="the extra `sweep` brings optuna")
    search = {"number": 14, "by": "miou", "seed": 1}
    assert grid.run_adaptive(Workspace(tmp_path), TINY, SET, ["train.learning_rate=0.01..0.49"], **search) == 0
    rates = [call["rate"] for call in ran]
    assert len(rates) == 14 and sum(rates[10:]) / 4 > sum(rates[:10]) / 10  # TPE's first ten are random
    assert "what mattered for miou" in capsys.readouterr().out


def test_without_optuna_the_sampler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optuna_search, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'segline\[sweep\]'"):
        optuna_search.require()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--sample 0", "--sample must be at least 1"),
        ("--halving 1", "--halving must be at least 2"),
        ("--sampler tpe", "--sampler tpe needs --sample N"),
        ("--sampler tpe --sample 3 --dry-run", "--sampler tpe needs --sample N"),
    ],
)
def test_options_that_do_not_go_together_are_refused(line: str, message: str) -> None:
    options = build_parser().parse_args(["sweep", TINY, "--grid", "train.seed=1,2", *line.split()])
    with pytest.raises(UserError, match=message):
        options.command(options)
