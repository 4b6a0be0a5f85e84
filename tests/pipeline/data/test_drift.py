"""Data drift: every statistic that is compared, the severities, and what a run does about them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.config.validate import DriftConfig
from pipeline.data import drift
from pipeline.errors import UserError
from pipeline.orchestration.follow_up import check_drift
from pipeline.orchestration.plan import Context
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store

TRAIN: dict[str, Any] = {
    "images": 100,
    "pixels": [800_000, 198_000, 2_000],
    "void_pixels": 20_000,
    "sizes": {"360x480": 100},
    "groups": {"north": 60, "south": 40},
    "mean": [100.0, 110.0, 120.0],
    "std": [50.0, 50.0, 50.0],
}


def statistics(**changes: Any) -> dict[str, Any]:
    return {"classes": ["Road", "Car", "Dog"], "splits": {"train": TRAIN | changes}}


def far(before: dict[str, Any], now: dict[str, Any], **config: Any) -> list[tuple[str, str]]:
    findings = drift.compare(before, now, DriftConfig(**config))
    return [(one.what, one.severity) for one in findings if one.severity != "ok"]


def test_equal_data_has_not_drifted_and_every_statistic_is_listed() -> None:
    findings = drift.compare(statistics(), statistics(), DriftConfig())
    assert {one.severity for one in findings} == {"ok"}
    assert [one.what for one in findings] == [
        *("images", "brightness", "contrast", "ignored pixels", "images of new sizes"),
        *("share of Road", "share of Car", "share of Dog"),
    ]


CASES = {
    "images": ("images", {"images": 201}, {"images": 199}, {"images_factor": None}),
    "brightness": ("brightness", {"mean": [123.0] * 3}, {"mean": [121.0] * 3}, {"brightness": None}),
    "contrast": ("contrast", {"std": [37.0] * 3}, {"std": [39.0] * 3}, {"contrast": None}),
    "ignored": ("ignored pixels", {"void_pixels": 80_000}, {"void_pixels": 70_000}, {"ignored_share": None}),
    "sizes": (
        "images of new sizes",
        {"sizes": {"360x480": 89, "720x960": 11}},
        {"sizes": {"360x480": 90, "720x960": 10}},
        {"new_sizes": None},
    ),
    "share": (
        "share of Road",
        {"pixels": [740_000, 258_000, 2_000]},
        {"pixels": [760_000, 238_000, 2_000]},
        {"class_share": None},
    ),
    "rare class": (
        "share of Dog",
        {"pixels": [800_000, 195_000, 5_000]},
        {"pixels": [800_000, 196_500, 3_500]},
        {"class_factor": None},
    ),
    "vanished class": (
        "share of Dog",
        {"pixels": [800_000, 200_000, 0]},
        {"pixels": [800_000, 198_800, 1_200]},
        {"class_factor": None},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_statistic_beyond_its_limit_is_reported(case: str) -> None:
    what, beyond, within, off = CASES[case]
    assert (what, "warning") in far(statistics(), statistics(**beyond))
    assert far(statistics(), statistics(**beyond), severity="error")[0][1] == "error"
    assert far(statistics(), statistics(**beyond), severity="ignore") == []
    assert far(statistics(), statistics(**within)) == []
    assert (what, "warning") not in far(statistics(), statistics(**beyond), **off)


def test_the_factor_of_a_class_that_stays_rare_is_not_compared() -> None:
    few, fewer = statistics(pixels=[800_000, 199_500, 500]), statistics(pixels=[800_000, 199_900, 100])
    assert far(few, fewer) == []
    assert far(few, fewer, rare=0) == [("share of Dog", "warning")]


def test_new_and_vanished_groups_have_their_own_severity() -> None:
    now = statistics(groups={"north": 60, "east": 20, "west": 20})
    assert far(statistics(), now) == [("vanished groups", "warning"), ("new groups", "warning")]
    assert far(statistics(), now, groups="ignore", severity="error") == []
    findings = drift.compare(statistics(), now, DriftConfig(groups="error"))
    assert (findings[0].severity, findings[0].now, findings[1].now) == ("error", "south", "east, west")


def test_other_classes_cannot_be_compared() -> None:
    other = statistics() | {"classes": ["Road", "Car", "Cat"]}
    assert far(statistics(), other) == [("classes", "warning")]


class Bench:
    """A served model trained on data of `statistics()`, and a run that has validated other data."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.store = Store(self.workspace.store)
        assets = self.workspace.serving / "net/1/assets.extra"
        assets.mkdir(parents=True)
        (assets / "origin.json").write_text(json.dumps({"run": "first", "statistics": statistics()}))
        validated = root / "artifacts/validate/k"
        validated.mkdir(parents=True)
        self.file = validated / "statistics.json"
        self.run = RunFolder(self.workspace.run("second"))
        self.run.path.mkdir(parents=True)
        self.run.link("validate", validated)
        self.store.begin_run("second", "recipe", "", "", "running")

    def check(self, now: dict[str, Any], name: str = "net", **config: Any) -> None:
        self.file.write_text(json.dumps(now))
        section = SimpleNamespace(drift=DriftConfig(**config))
        recipe: Any = SimpleNamespace(serving_name=name, validate_=section)
        check_drift(Context(self.workspace, recipe, self.run, self.store))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_run_warns(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.check(statistics(mean=[10.0] * 3))
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "drift     1 statistic differs from the data of serving/net/1",
        "  train brightness: 110.0 -> 10.0 (limit 12)",
    ]
    written = json.loads((bench.run.path / drift.FILE).read_text())
    assert (written["against"], written["run"], len(written["findings"])) == ("serving/net/1", "first", 8)
    assert [row["state"] for row in bench.store.executions("second")] == ["done"]


def test_a_run_stops(bench: Bench) -> None:
    with pytest.raises(UserError, match=r"brightness: 110\.0 -> 10\.0 .*\n.*validate\.drift\.severity=warning"):
        bench.check(statistics(mean=[10.0] * 3), severity="error")
    (row,) = bench.store.executions("second")
    assert (row["step"], row["state"]) == ("drift", "failed") and "brightness" in row["error"]


def test_the_same_data_and_a_first_model_are_not_compared(bench: Bench) -> None:
    bench.check(statistics())
    bench.check(statistics(mean=[0.0] * 3), name="another", severity="error")
    assert bench.store.executions("second") == [] and not (bench.run.path / drift.FILE).exists()


def test_similar_data_is_reported(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.check(statistics(images=101), severity="error")
    assert capsys.readouterr().out == "drift     the data is like that of serving/net/1\n"
