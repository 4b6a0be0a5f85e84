"""Fixtures that several tests share. Expensive ones are made once a session, in a temporary folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

PROJECT = Path(__file__).parent.parent
SAMPLE = {"count": 14, "seed": 3, "size": (72, 96)}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start with the files that hold slow tests, so that parallel processes end at about the same time."""
    if config.getoption("random_order_enabled", False):
        return
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real data; without it the test is skipped."""
    folder = PROJECT.parent / "shared" / "data"
    if not (folder / "CamVid").is_dir():
        pytest.skip("there is no real data (../shared/data)")
    return folder


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which `pip install .` has put Segline, as for those who have no clone. Read only."""
    pytest.importorskip("setuptools", reason="TensorFlow brings it")
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    for package in ("datasets", "models", "pipeline", "segline"):
        shutil.copytree(PROJECT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--target", site, source], check=True)
    return site


@pytest.fixture(scope="session")
def camvid_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sample data in CamVid's layout, 96 x 72 pixels. Read only."""
    from datasets.camvid import sample

    folder = tmp_path_factory.mktemp("raw") / "camvid"
    sample.write(folder, **SAMPLE)
    return folder


@pytest.fixture(scope="session")
def tiny_recipe(camvid_raw: Path):
    """A recipe on `camvid_raw` that takes seconds: one epoch of a narrow network."""
    from pipeline.orchestration.recipe_loader import load_recipe

    return load_recipe(str(PROJECT / "tests" / "tiny.yaml"), [f"data.manual_dir={camvid_raw}"])


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory, camvid_raw: Path, tiny_recipe) -> Path:
    """Folder that the ingest step wrote for `tiny_recipe`. Read only."""
    from pipeline.steps import ingest

    out = tmp_path_factory.mktemp("ingest")
    ingest.run(tiny_recipe.only(("data", "ingest")), {"raw": camvid_raw}, out)
    return out


@pytest.fixture(scope="session")
def validated(tmp_path_factory: pytest.TempPathFactory, ingested: Path, tiny_recipe) -> Path:
    """Folder that the validate step wrote for `tiny_recipe`. Read only."""
    from pipeline.steps import validate

    out = tmp_path_factory.mktemp("validate")
    validate.run(tiny_recipe.only(("validate",)), {"ingest": ingested}, out)
    return out


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished workspace (finished.py). Read only: take `copy`."""
    from tests.pipeline import finished

    with pytest.MonkeyPatch.context() as patch:
        finished.use_small_steps(patch)
        return finished.make(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command takes the small steps of finished.py."""
    from tests.pipeline import finished

    finished.use_small_steps(monkeypatch)
