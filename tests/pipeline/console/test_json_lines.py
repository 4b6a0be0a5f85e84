"""--log-json: every line is a JSON object, also those of the steps; the run's own log stays plain text."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.console import json_lines

PROJECT = Path(__file__).parents[3]


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_errors_are_json_objects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "demo", "--log-json", "--set", "train.ä=1"]) == 2
    shown = capsys.readouterr().err
    first, second = objects(shown)
    assert (first["level"], first["command"]) == ("error", "check") and str(first["time"]).endswith("+00:00")
    assert "1 setting is not right" in str(first["message"]) and "train.ä" in str(second["message"]) and "ä" in shown


def test_the_environment_variable_has_the_same_effect_except_on_queries(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(json_lines.VARIABLE, "1")
    assert main(["recipes"]) == 0
    assert capsys.readouterr().out.startswith("camvid_best ")
    assert main(["check", "no_such_recipe"]) == 2
    assert "There is no recipe" in str(objects(capsys.readouterr().err)[0]["message"])


def test_an_unexpected_error_is_one_object_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(json_lines.VARIABLE, raising=False)
    options = argparse.Namespace(log_json=True, command_name="run", run="r1", step=None)
    with pytest.raises(SystemExit) as caught, json_lines.if_requested(options):
        print("half a line", end="")
        raise RuntimeError("a fault")
    shown = capsys.readouterr()
    (entry,) = objects(shown.err)
    assert caught.value.code == 1 and "RuntimeError: a fault" in str(entry["message"]) and entry["run"] == "r1"
    assert objects(shown.out)[0]["message"] == "half a line"


def test_steps_print_objects_and_the_log_stays_plain_text(tmp_path: Path, camvid_raw: Path) -> None:
    command = [sys.executable, "-P", "-m", "pipeline", "run", "tests/tiny.yaml", "--until", "ingest", "--log-json"]
    command += ["--set", f"data.manual_dir={camvid_raw}", "--workspace", str(tmp_path)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT)}
    shown = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)
    entries = objects(shown.stdout)
    assert {entry["command"] for entry in entries} == {"run", "step"}
    assert any(entry.get("step") == "ingest" and "done" in str(entry["message"]) for entry in entries)
    (log,) = tmp_path.glob("runs/*/log.txt")
    assert log.read_text().startswith("run       ")
