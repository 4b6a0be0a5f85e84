"""Output paths that cannot be written are refused before the work."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.errors import UserError
from pipeline.orchestration.error_advice import as_user_error


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
    command: list[str],
    below: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "taken"
    file.touch()
    (tmp_path / "artifacts").mkdir()
    monkeypatch.setenv("SEGLINE_WORKSPACE", str(tmp_path))
    assert main([*command, "--out", str(file / below)]) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert "--out must be a folder" in shown and f"{file} is a file." in shown


@pytest.mark.parametrize("kind", [FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError])
def test_an_os_error_is_reported_with_the_path(kind: type[OSError], tmp_path: Path) -> None:
    reported = as_user_error(kind(1, "In the way", "there.json"), tmp_path)
    assert isinstance(reported, UserError) and str(reported) == "In the way: there.json"


@pytest.mark.parametrize("arguments", [("the folder exists",), (1, "File exists", "{workspace}/artifacts")])
def test_an_os_error_inside_the_workspace_stays_an_internal_error(arguments: tuple[Any, ...], tmp_path: Path) -> None:
    error = FileExistsError(*(str(part).format(workspace=tmp_path) for part in arguments))
    assert as_user_error(error, tmp_path) is error
