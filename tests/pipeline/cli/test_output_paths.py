"""What cannot be written is told before the work."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.errors import UserError
from pipeline.orchestration.error_advice import explain


@pytest.mark.parametrize(
    "command",
    [
        ["browse", "camvid", "--set", "data.manual_dir=raw"],
        ["inspect", "fast", "--filters", "stem_a_conv"],
        ["predict", "model", "image.png"],
        ["suspects", "run"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("below", ["", "deep/down"])
def test_a_file_in_the_place_of_the_folder(
    command: list[str], below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "taken"
    file.touch()
    assert main([*command, "--out", str(file / below)]) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert "--out must be a folder" in shown and f"{file} is a file." in shown


@pytest.mark.parametrize("kind", [FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError])
def test_what_is_in_the_way_is_said_by_name(kind: type[OSError], tmp_path: Path) -> None:
    told = explain(kind(1, "In the way", "there.json"), tmp_path)
    assert isinstance(told, UserError) and str(told) == "In the way: there.json"


@pytest.mark.parametrize("arguments", [("a folder is there already",), (1, "File exists", "{workspace}/artifacts")])
def test_what_segline_itself_runs_into_is_a_fault(arguments: tuple[Any, ...], tmp_path: Path) -> None:
    error = FileExistsError(*(str(part).format(workspace=tmp_path) for part in arguments))
    assert explain(error, tmp_path) is error
