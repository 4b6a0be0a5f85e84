"""What a served model says of its origin."""

import shutil
from pathlib import Path

import pytest

from pipeline.orchestration import served_origin
from tests.pipeline.finished import Finished


def test_a_model_without_its_run_has_no_example_images(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-input.jpg").touch()
    monkeypatch.chdir(tmp_path)
    served = Path(shutil.copytree(finished.workspace.serving / "net" / "2", tmp_path / "model"))
    assert served_origin.read(served)["run"] and served_origin.example_images(served) == []
    (served / served_origin.ORIGIN).unlink()
    assert served_origin.example_images(served) == []
