"""Segline in surroundings that are not a developer's: read-only code, no HOME, another umask, odd names of folders."""

import compileall
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code that nobody may write."""
    folder = tmp_path_factory.mktemp("site") / "read only"
    for package in ("datasets", "models", "pipeline"):
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(folder, quiet=2)
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    return folder


def contents(folder: Path) -> dict[str, int]:
    """Every file with its time; a superuser may write what is read-only, so that modes prove nothing."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("umask", [0o077, pytest.param(0o000, marks=pytest.mark.slow)])
def test_a_run_needs_neither_home_nor_writable_code(
    umask: int, installed: Path, camvid_raw: Path, tmp_path: Path
) -> None:
    before = contents(installed)
    workspace = tmp_path / "Prüfung ü 測試 with blanks"
    raw = tmp_path / "raw daten ä"
    raw.symlink_to(camvid_raw)
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "SEGLINE_WORKSPACE")}
    command = [sys.executable, "-P", "-m", "pipeline", "run", str(PROJECT / "tests" / "tiny.yaml")]
    command += ["--set", f"data.manual_dir={raw}", "--workspace", str(workspace), "--until", "validate"]
    shown = subprocess.run(
        command,
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(installed)},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert list(workspace.glob("runs/*/validate/statistics.json"))
    assert contents(installed) == before
    modes = {stat.S_IMODE(path.stat().st_mode) for path in workspace.rglob("*") if not path.is_symlink()}
    assert not [oct(mode) for mode in modes if mode & umask]
