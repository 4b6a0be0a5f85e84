"""Errors that need no work: no workspace, no file, no model. Runs are named by the beginning of their names."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.__main__ import main
from tests.pipeline.finished import Finished


@pytest.mark.parametrize(
    "line",
    [
        "status",
        "runs",
        "diff one two",
        "compare one two",
        "lineage --openlineage events.jsonl",
        "suspects one --out suspects",
        "promote one",
        "rollback net",
        "recover",
        "reproduce one",
        "gc",
        "tensorboard",
        "verify missing",
        "inspect missing/runs/one",
        "step gate --run one",
    ],
)
def test_a_workspace_that_is_not_there_is_refused_and_not_made(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    place = [] if line.startswith("verify") else ["--workspace", "missing"]
    assert main([*line.split(), *place]) == 2
    assert "missing" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_an_empty_folder_is_no_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--workspace", str(tmp_path)]) == 2
    assert "is no workspace: it holds no results yet." in " ".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("line", ["step export --run on", "diff on tw", "compare on one", "promote tw --dry-run"])
def test_a_run_is_named_by_its_beginning(line: str, finished: Finished, tmp_path: Path) -> None:
    work = finished.copy(tmp_path / "work").root
    assert main([*line.split(), "--workspace", str(work)]) == 0
    assert not (work / "runs/on").exists()


def test_what_can_be_known_without_tensorflow_is_checked_without_it(camvid_raw: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/saved_model.pb").touch()
    data = f"--set data.manual_dir={camvid_raw} --set data.allow_partial=true --set train.batch_size=2"
    lines = {
        "predict none image.png --out out": 2,
        "predict model image.png --out out": 2,  # no model of Segline
        "inspect none/none": 2,
        "inspect fast --activations stem --image none.png": 2,
        "suspects none --out out": 2,
        f"check demo {data}": 0,
        f"run demo {data} --dry-run": 0,
    }
    code = (
        "import sys\nfrom pipeline.__main__ import main\n"
        f"codes = [main(line.split()) for line in {list(lines)!r}]\n"
        "print(codes, [name for name in ('tensorflow', 'apache_beam') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == f"{list(lines.values())} []", shown.stdout + shown.stderr
