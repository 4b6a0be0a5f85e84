"""The command line as a user calls it, on sample data: complete, repeated, changed, misused, killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.__main__ import main

PROJECT = Path(__file__).parent.parent
STEPS = ("ingest", "validate", "train", "evaluate", "gate", "export")


class Segline:
    """Calls the command line in its own workspace."""

    def __init__(self, workspace: Path, raw: Path) -> None:
        self.workspace, self.raw = workspace, raw
        self.environment = {**os.environ, "SEGLINE_WORKSPACE": str(workspace), "PYTHONPATH": str(PROJECT)}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "pipeline", *arguments]

    def __call__(self, *arguments: str, code: int = 0) -> str:
        process = subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        shown = process.stdout + process.stderr
        assert process.returncode == code, shown
        assert "Traceback" not in shown
        return shown

    def run(self, *arguments: str, code: int = 0) -> str:
        return self("run", *self.recipe(), *arguments, code=code)

    def recipe(self) -> tuple[str, ...]:
        return (str(PROJECT / "tests/tiny.yaml"), "--set", f"data.manual_dir={self.raw}")


@pytest.fixture(scope="module")
def segline(tmp_path_factory: pytest.TempPathFactory, camvid_raw: Path) -> Segline:
    """A workspace in which the tiny recipe has run to the end."""
    made = Segline(tmp_path_factory.mktemp("work space"), camvid_raw)
    made.first = made.run()  # type: ignore[attr-defined]
    return made


@pytest.fixture
def fresh(tmp_path: Path, camvid_raw: Path) -> Segline:
    return Segline(tmp_path / "workspace", camvid_raw)


def first_run(segline: Segline) -> str:
    """Return the name of the first run, which is complete; tests add others to the workspace."""
    return min(folder.name for folder in (segline.workspace / "runs").iterdir())


def served(segline: Segline) -> Path:
    return segline.workspace / "serving/tiny/1"


def test_one_command_leads_from_raw_folder_to_served_model(segline: Segline) -> None:
    shown = segline.first  # type: ignore[attr-defined]
    assert all(re.search(rf"^{step} +done", shown, re.M) for step in STEPS)
    assert (served(segline) / "saved_model.pb").is_file()
    facts = json.loads((served(segline) / "assets.extra/segline.json").read_text())
    assert facts["classes"][0] == "Sky"
    assert re.search(r"^mIoU +0\.\d+ +always predicting .* gives 0\.\d+$", shown, re.M)
    named = dict(re.findall(r"^(report|overlays|events|SavedModel) +(.+)$", shown, re.M))
    assert len(named) == 4 and all(Path(path).exists() for path in named.values())
    assert max(map(len, shown.split("report   ")[0].splitlines())) <= 80
    report = Path(named["report"])
    assert "serving" not in report.parts and "artifacts/export/" in report.read_text()
    assert "| miou |" in report.with_suffix(".md").read_text()


def test_a_repeated_run_reuses_every_step(segline: Segline) -> None:
    shown = segline.run()
    assert all(re.search(rf"^{step} +reused", shown, re.M) for step in STEPS)
    assert [path.name for path in served(segline).parent.iterdir() if not path.name.startswith(".")] == ["1"]


def test_a_workspace_is_listed_explained_and_verified(segline: Segline, tmp_path: Path) -> None:
    first = segline("runs").splitlines()[-1].split()[0]
    run = json.loads(segline("runs", "--json"))[-1]
    assert run["id"] == first and "serving/tiny/1" in run["served"] and run["figures"]["images"] == 4
    assert segline("explain", *segline.recipe()).split()[1::8] == ["reuse"] * len(STEPS)
    assert segline("step", "train", *segline.recipe(), "--run", "new", "--dry-run").startswith("train     reuse")
    shown = segline("run", *segline.recipe(), "--set", "evaluate.overlays=2", "--dry-run")
    assert re.search(r"^evaluate +run +evaluate\.overlays 1 -> 2$", shown, re.M)
    assert "intact  serving/tiny/1" in segline("verify", str(segline.workspace))
    assert "would free" in segline("gc", "--keep-last", "1", "--dry-run")
    assert "events" in segline("lineage", "--openlineage", str(tmp_path / "events.json"))
    segline.run("--until", "validate", "--set", "validate.all_void_mask=error")
    second = segline("runs", "--limit", "1").split()[0]
    assert "recipe     validate.all_void_mask: warning -> error" in segline("diff", first, second)
    shown = segline("reproduce", second)
    assert re.search(r"^ingest/records +bitwise identical$", shown, re.M)
    assert re.search(r"^validate/statistics.json +bitwise identical$", shown, re.M)


def test_a_damaged_file_is_named(segline: Segline) -> None:
    report = next(segline.workspace.glob("artifacts/validate/*/weights.json"))
    before = report.read_bytes()
    report.write_bytes(before.replace(b"0", b"1", 1))
    try:
        assert f"{report.parent.name}: weights.json is damaged" in segline("verify", str(segline.workspace), code=2)
    finally:
        report.write_bytes(before)


def test_a_reused_run_imports_no_tensorflow(segline: Segline) -> None:
    code = (
        "import sys\nfrom pipeline.__main__ import main\n"
        f"code = main(['run', *{list(segline.recipe())!r}])\n"
        "heavy = {'tensorflow', 'keras', 'apache_beam', 'tensorflow_datasets'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else code)"
    )
    subprocess.run([sys.executable, "-c", code], env=segline.environment, check=True, stdout=subprocess.DEVNULL)


def test_status_and_lineage_trace_a_model_back_to_raw_files(segline: Segline) -> None:
    segline.run()  # other tests' runs may fill the few that are shown
    shown = segline("status")
    assert "reused" in shown and max(map(len, shown.splitlines())) <= 80
    assert "There is no nowhere in" in segline("lineage", str(served(segline) / "nowhere"), code=2)
    shown = segline("lineage", str(served(segline)))
    for word in (
        "served",
        "export",
        "evaluate",
        "train",
        "validate",
        "ingest",
        "raw",
        str(segline.raw),
        "tensorflow 2",
    ):
        assert word in shown
    digests = [line for line in shown.splitlines() if "sha256" in line]
    assert digests and max(map(len, digests)) <= 80
    log = segline.workspace / "runs" / first_run(segline) / "log.txt"
    assert "train" in log.read_text()


def test_two_evaluations_are_compared_image_by_image(segline: Segline, tmp_path: Path) -> None:
    run = first_run(segline)
    artifact = next((segline.workspace / "artifacts/evaluate").iterdir())
    shown = segline("compare", run, str(artifact), "--json", str(tmp_path / "new/c.json"))
    assert re.search(r"^miou .* \+0\.0000 +few$", shown, re.M) and "4 images in common" in shown
    assert json.loads((tmp_path / "new/c.json").read_text())["differences"]["miou"]["beyond_noise"] is None
    assert "noise" in segline("compare", run[:-2], run)
    assert "There is no run 'nothing'" in segline("compare", run, "nothing", code=2)


def test_promotion_by_hand_and_rollback_without_an_earlier_version(segline: Segline) -> None:
    run = first_run(segline)
    assert "serving/byhand/1" in segline("promote", run, "--name", "byhand")
    assert "no earlier version" in segline("rollback", "byhand", code=2)
    assert "byhand" in segline("rollback", "other", code=2)
    assert "by hand, as byhand version 1" in segline("status", "--limit", "100")


def test_an_impossible_metric_is_refused_before_training(segline: Segline) -> None:
    shown = segline.run("--set", 'evaluate.gate={"iou/Kar": 0.5}', "--set", "train.epochs=7", code=2)
    assert "Did you mean 'iou/Car'?" in shown and "train     runs" not in shown


@pytest.mark.slow
def test_suspects_are_written(segline: Segline, tmp_path: Path) -> None:
    run = first_run(segline)
    assert "regions in" in segline("suspects", run, "--out", str(tmp_path / "out"), "--count", "5")
    assert (tmp_path / "out/suspects.csv").is_file()


def test_a_prediction_needs_only_the_served_folder(segline: Segline, tmp_path: Path) -> None:
    segline("predict", str(served(segline).parent), str(segline.raw / "val"), "--out", str(tmp_path / "out"))
    images = sorted(path.stem for path in (segline.raw / "val").iterdir())
    for kind in ("ids", "colour", "overlay"):
        assert sorted(path.stem for path in (tmp_path / "out" / kind).rglob("*.png")) == images


def test_a_failed_gate_promotes_nothing(segline: Segline) -> None:
    shown = segline.run("--set", "evaluate.min_miou=0.99", "--set", "export.name=strict", code=3)
    assert "0.99" in shown
    assert not (segline.workspace / "serving/strict").exists()
    assert "refused" in segline("status", "--limit", "1")


def test_an_orchestrator_drives_the_same_steps(segline: Segline) -> None:
    segline("step", "ingest", *segline.recipe(), "--run", "night1")
    for step in STEPS[1:]:
        assert "reused" in segline("step", step, "--run", "night1")
    assert "There is no run 'night2'" in segline("step", "train", "--run", "night2", code=2)
    other = (*segline.recipe(), "--set", "train.epochs=9", "--run", "night1")
    assert "began with another recipe" in segline("step", "train", *other, code=2)
    assert "--run must be a name" in segline("step", "train", "--run", "../../night1", code=2)


def test_a_missing_split_is_refused_before_training(segline: Segline) -> None:
    shown = segline.run("--set", "evaluate.split=tset", "--set", "train.epochs=7", code=2)
    assert "split 'tset' is not there" in shown and "train     runs" not in shown
    assert "evaluate.split" in segline("check", *segline.recipe(), "--set", "evaluate.split=tset", code=2)
    many = ("--set", "train.batch_size=40", "--set", "train.accumulate=1")
    assert "more than the" in segline("check", *segline.recipe(), *many, code=2)
    segline("check", *segline.recipe(), *many, "--set", "input.copies=[gamma, hue, flip_left_right, brightness]")


def test_a_closed_pipe_does_not_stop_a_run(segline: Segline) -> None:
    run = subprocess.Popen(
        segline.command("run", *segline.recipe(), "--rerun", "validate", "--until", "validate"),
        env=segline.environment,
        stdout=subprocess.PIPE,
    )
    assert run.stdout
    run.stdout.close()
    assert run.wait(60) == 0
    assert "done" in segline("status", "--limit", "1")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "camvid_fats"], "Did you mean 'camvid_fast'?"),
        (["run", "demo", "--set", "train.epoch=1"], "Did you mean 'epochs'?"),
        (["run", "demo", "--set", "train.epochs=x"], "train.epochs"),
        (["run", "demo", "--set", "data.manual_dir=/not/there"], "trainannot"),
        (["check", "demo", "--set", "data.manual_dir=/not/there"], "trainannot"),
        (["show", "demo", "--set", "model.name=unett"], "model"),
        (["predict", "/not/there", "/neither", "--out", "out"], "/not/there"),
        (["sample", "camvit", "--out", "out"], "Did you mean 'camvid'?"),
    ],
)
def test_a_mistake_gets_one_clear_message(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SEGLINE_WORKSPACE", str(tmp_path / "workspace"))
    assert main(arguments) == 2
    assert expected in capsys.readouterr().err


def test_check_runs_nothing(fresh: Segline) -> None:
    shown = fresh("check", *fresh.recipe())
    assert "train 8, val 4, test 2" in shown and "devices" in shown
    assert not (fresh.workspace / "artifacts").exists()


def test_all_bad_files_are_named_and_nothing_is_written(fresh: Segline, tmp_path: Path) -> None:
    import shutil

    raw = tmp_path / "raw"
    shutil.copytree(fresh.raw, raw)
    broken = sorted((raw / "train").iterdir())[:2]
    for path in broken:
        path.write_bytes(path.read_bytes()[:500])
    fresh.raw = raw
    shown = fresh.run("--until", "ingest", code=2)
    assert all(path.name in shown for path in broken)
    assert not list((fresh.workspace / "artifacts/ingest").glob("*"))
    shown = fresh.run("--until", "ingest", "--set", "ingest.on_bad_input=quarantine")
    assert "done" in shown


@pytest.mark.slow
@pytest.mark.parametrize(  # not the gate, which is too short to be killed
    "step",
    ["ingest", "validate", "train", *(pytest.param(step, marks=pytest.mark.long) for step in ("evaluate", "export"))],
)
def test_kill_9_in_a_step_and_the_same_command_finishes(segline: Segline, fresh: Segline, step: str) -> None:
    """Every step before `step` is copied from the finished workspace, so that only the killed one costs time."""
    import shutil

    shutil.copytree(segline.workspace, fresh.workspace, symlinks=True)
    shutil.rmtree(fresh.workspace / "artifacts" / step)
    process = subprocess.Popen(
        fresh.command("run", *fresh.recipe(), "--until", step),
        env=fresh.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    partial = fresh.workspace / "artifacts" / step
    while not list(partial.glob("*.partial")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, "the step ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert "killed" in fresh("status", "--limit", "1")
    assert not [path for path in partial.iterdir() if path.suffix != ".partial"]
    assert re.search(rf"^{step} +done", fresh.run("--until", step), re.M)
    assert not list(partial.glob("*.partial"))


@pytest.mark.slow
def test_ctrl_c_stops_at_a_checkpoint_and_says_how_to_resume(segline: Segline, fresh: Segline) -> None:
    import shutil

    shutil.copytree(segline.workspace, fresh.workspace, symlinks=True)
    long = ("--set", "train.epochs=500", "--until", "train")
    process = subprocess.Popen(
        fresh.command("run", *fresh.recipe(), *long),
        env=fresh.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    for line in process.stdout:
        if line.startswith("epoch 2/500"):
            break
    os.killpg(process.pid, signal.SIGINT)
    shown = process.stdout.read()
    assert process.wait(60) == 130, shown
    assert "same command" in shown and "Traceback" not in shown
    assert "interrupted" in fresh("status", "--limit", "1")
