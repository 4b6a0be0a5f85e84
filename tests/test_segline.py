"""`import segline`: light, the command line's results and sentences, and what a notebook shows of them."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import segline
from pipeline.__main__ import main
from pipeline.orchestration import runner
from pipeline.orchestration.child_process import ChildError
from pipeline.workspace.run_folder import RunFolder
from segline import cells, work
from segline.runs import Report
from tests.pipeline import finished
from tests.pipeline.finished import Finished
from tests.test_imports import HEAVY

PROJECT = Path(__file__).parent.parent
PUBLIC = set(segline.__all__)

CHECK = {"check": "evaluate.min_miou", "passed": False, "bound": ">=", "required": 0.99, "received": 0.46, "note": ""}


def test_nothing_heavy_is_imported() -> None:
    heavy = HEAVY | {"pandas", "jinja2", "yaml", "IPython"}
    code = f"import sys, segline\nprint(sorted({heavy!r} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_a_foreign_package_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "models.py").touch()
    code = f"import sys\nsys.path[:0] = [{str(tmp_path)!r}, {str(PROJECT)!r}]\nimport segline"
    shown = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert f"ImportError: another package called `models` hides Segline's own: {tmp_path}" in shown.stderr


def test_every_public_name_is_there_and_on_its_page() -> None:
    page = (PROJECT / "docs" / "library.md").read_text()
    named = set(re.findall(r"segline\.([A-Za-z_]\w*)", "\n".join(re.findall(r"```python\n(.*?)```", page, re.S))))
    assert named <= PUBLIC and all(hasattr(segline, name) for name in PUBLIC)
    assert not [name for name in PUBLIC if name not in page]
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        segline.trian  # noqa: B018


def test_recipes_and_datasets_are_tables() -> None:
    recipes, datasets = segline.recipes(), segline.datasets()
    assert {"demo", "camvid_fast"} <= {row["recipe"] for row in recipes}
    assert {row["dataset"] for row in datasets} >= {"camvid", "image_folder", "kitti_road"}
    assert '<td style="text-align:left">demo</td>' in recipes._repr_html_()
    assert repr(recipes[:1]).splitlines()[0] == "recipe       what it does" and recipes[0]["recipe"] == "camvid_best"


@pytest.fixture
def made(finished: Finished, small_steps: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a finished workspace `work`, the default one, and the recipe `net.yaml`."""
    finished.copy(tmp_path / "work")
    (tmp_path / "net.yaml").write_bytes(finished.recipe.read_bytes())
    monkeypatch.setenv("SEGLINE_WORKSPACE", "work")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_is_what_the_command_makes(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = segline.run("net.yaml", set={"evaluate.overlays": 7})
    shown = capsys.readouterr().out
    assert "train     reused   made by run one" in shown and "evaluate  runs     evaluate.overlays 5 -> 7" in shown
    command = "segline run net.yaml --set evaluate.overlays=7 --workspace work\n"
    assert (run.path / "command.txt").read_text() == command and run.log.startswith(f"run       {run.id}")
    assert run.path == Path("work/runs", run.id)
    assert run.exported == Path("work/runs", run.id, "export", "saved_model").resolve()
    assert [row["run"] for row in segline.runs()] == [run.id, "two", "one"]
    assert segline.Run(run.id[:17]).id == run.id


def test_metrics_have_the_names_of_the_gate(made: Path) -> None:
    metrics = segline.Run("one").metrics
    assert metrics["miou"] == json.loads(Path("work/runs/one/evaluate/metrics.json").read_text())["miou"]
    assert metrics.classes[0]["class"] == "Sky" and metrics.classes[0]["IoU"] == metrics["iou/Sky"]
    assert metrics.intervals == {"miou": (0.25, 0.75)}
    assert segline.Run("one").history == [{"epoch": 1, "loss": 2.0, "miou": 0.25}]


def test_tables_are_data_frames(made: Path) -> None:
    pytest.importorskip("pandas", reason="the extra `notebook` is not installed")
    metrics = segline.Run("one").metrics
    assert list(metrics.classes.frame()["class"])[:2] == ["Sky", "Building"]
    assert metrics.frame().loc["miou"].tolist() == [metrics["miou"], 0.25, 0.75]


def test_without_pandas_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(segline.Error, match=r"pip install 'segline\[notebook\]'"):
        segline.recipes().frame()


@pytest.mark.parametrize(
    ("call", "command"),
    [
        (lambda: segline.run("nope"), "run nope"),
        (lambda: segline.run("net.yaml", {"train.epoch": 3, "train.batch_size": 0}), ONE := "run net.yaml"),
        (lambda: segline.Run("three"), "diff three one"),
        (lambda: segline.runs("nowhere"), "runs --workspace nowhere"),
        (lambda: segline.sweep("net.yaml", {"train.epochs": [0]}), "sweep net.yaml --grid train.epochs=0"),
        (lambda: segline.sample("camvit", "raw"), "sample camvit --out raw"),
    ],
)
def test_errors_are_the_sentences_of_the_command(
    call: Any, command: str, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--set", "train.epoch=3", "--set", "train.batch_size=0"] if command == ONE else []
    assert main([*command.split(), *settings]) == 2
    printed = " ".join(capsys.readouterr().err.removeprefix("segline: ").split())
    with pytest.raises(segline.Error) as raised:
        call()
    assert " ".join(str(raised.value).split()) == printed and raised.value.exit_code == 2
    assert raised.value._render_traceback_() == [f"segline.Error: {raised.value}"]


def test_a_step_that_fails_raises_what_its_process_has_logged(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_child(run: RunFolder, *_: Any, **__: Any) -> None:
        run.log("segline: camvid: 2 bad raw files.\nempty file (2):\n  a.png")
        raise ChildError(2)

    monkeypatch.setattr(runner, "run_child", run_child)
    with pytest.raises(segline.Error, match="camvid: 2 bad raw files") as raised:
        segline.run("net.yaml", rerun=["evaluate"])
    assert str(raised.value).endswith("  a.png")
    run = raised.value.run
    assert run is not None and not run.path.joinpath("evaluate").exists() and run.path.joinpath("train").exists()
    with pytest.raises(segline.Error, match="no result of step evaluate yet"):
        _ = run.metrics


def test_a_refusal_of_the_gate_keeps_the_run(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(config: Any, inputs: Any, out: Path) -> None:
        (out / "verdict.json").write_text(json.dumps({"passed": False, "checks": [CHECK], "note": ""}))

    steps = tuple(replace(step, work=refuse) if step.name == "gate" else step for step in finished.STEPS)
    monkeypatch.setattr(finished, "STEPS", steps)
    finished.use_small_steps(monkeypatch)
    with pytest.raises(segline.Error, match=r"evaluate\.min_miou.*0\.99") as raised:
        segline.run("net.yaml", rerun=["gate"])
    assert "class  " not in str(raised.value)
    assert raised.value.exit_code == 3 and raised.value.run and raised.value.run.metrics["miou"] < 0.5
    with pytest.raises(segline.Error, match="no result of step export yet"):
        segline.load(raised.value.run)


def test_ctrl_c_stays_ctrl_c(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_child(*_: Any, **__: Any) -> None:
        raise ChildError(130, "interrupted")

    monkeypatch.setattr(runner, "run_child", run_child)
    with pytest.raises(KeyboardInterrupt):
        segline.run("net.yaml", rerun=["train"])


def test_steps_are_checked_before_anything_runs(made: Path) -> None:
    with pytest.raises(segline.Error) as raised:
        segline.run("net.yaml", until="trian", rerun="train")
    with pytest.raises(segline.Error, match=r"rerun: there is no step 5\."):
        segline.run("net.yaml", rerun=[5])  # type: ignore[list-item]
    assert str(raised.value).splitlines() == [
        "until: there is no step 'trian'.",
        "rerun must be a list of steps, such as ['train']. Received: 'train'.",
        "Steps: ingest, validate, train, evaluate, gate, export.",
    ]


def test_a_sweep_has_its_members_best_first(made: Path) -> None:
    swept = segline.sweep("net.yaml", {"evaluate.overlays": [1, 20]})
    assert [(row["evaluate.overlays"], row["state"]) for row in swept] == [("1", "done"), ("20", "done")]
    assert swept[0]["miou"] > swept[1]["miou"] == segline.Run(swept[1]["run"]).metrics["miou"]
    assert swept.best.id == swept[0]["run"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1e-05, "1e-05"),
        ((64, 64), "[64, 64]"),
        (Path("a b"), "a b"),
        ("null", '"null"'),
        ("12", '"12"'),
        ({"flip": False}, '{"flip": false}'),
        ([Path("a")], '["a"]'),
    ],
)
def test_settings_are_written_so_that_they_are_read_as_the_same(value: Any, text: str) -> None:
    from datasets import plain_yaml

    assert work.overrides_of({"key": value}) == [f"key={text}"]
    expected = json.loads(json.dumps(value, default=str)) if not isinstance(value, Path) else str(value)
    assert plain_yaml.value(text) == expected


def test_a_run_shows_itself_in_a_notebook(made: Path) -> None:
    run = segline.Run("one")
    shown = run._repr_html_()
    assert "Run one" in shown and "mIoU" in shown and "0.250 to 0.750" in shown and "Sky</td>" in shown
    assert shown.count("data:image/svg+xml;base64,") == 2  # loss, mIoU
    assert str(made) not in shown
    (made / "work/runs/two/report.html").write_text("<h1 title='x'>Report</h1>")
    frame = segline.Run("two").report._repr_html_()
    assert 'srcdoc="&lt;h1 title=&#39;x&#39;&gt;Report' in frame and 'sandbox="allow-scripts allow-popups"' in frame
    assert Path(segline.Run("two").report) == Path("work/runs/two/report.html")
    assert isinstance(segline.Run("two").report, Report)


def test_what_a_notebook_shows_is_escaped_and_small() -> None:
    table = segline.Table([{"class": "<script>", "colour": (1, 2, 3), "IoU": None, "pixels": 1234}], "<b>")
    assert "<script>" not in (shown := table._repr_html_()) and "<b>" not in shown
    assert "&lt;script&gt;" in shown and "rgb(1,2,3)" in shown and ">1,234</td>" in shown
    picture = cells.picture(Image.effect_noise((3000, 1500), 50), 'a"b')
    assert picture["width"] == cells.WIDEST and len(picture["url"]) < 300_000
    assert 'alt="a&#34;b"' in cells.html(picture)
