"""The evaluate step with several workers and devices: every metric equals that of one device, to the last digit."""

import json
from pathlib import Path

import pytest

from datasets.camvid import sample
from datasets.spec import DatasetSpec
from models import catalog
from pipeline.config.recipe import Recipe
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.steps import evaluate, ingest
from pipeline.training import trained_model
from tests.pipeline.cluster import loopback

PROJECT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("shared_evaluate.py")
FILES = ("metrics.json", "pictures/index.json")


def tiny(*settings: str) -> Recipe:
    return load_recipe(str(PROJECT / "tests/tiny.yaml"), ["data.manual_dir=unused", *settings])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Five images of val and an untrained network, whose class probabilities are nearly equal."""
    folder = tmp_path_factory.mktemp("inputs")
    sample.write(folder / "raw", count=20, seed=1, size=(72, 96))
    config, folders = tiny(), {name: folder / name for name in ("ingest", "train")}
    for path in folders.values():
        path.mkdir()
    ingest.run(config.only(("data", "ingest")), {"raw": folder / "raw"}, folders["ingest"])
    spec = DatasetSpec.read(folders["ingest"] / "spec.json")
    trained_model.save(folders["train"], catalog.build(config.model.name, spec.num_classes, config.model.options))
    return folders


@pytest.fixture(scope="module")
def single(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("single")
    evaluate.run(tiny().only(("input", "model", "evaluate")), inputs, out)
    return out


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "devices"), [(1, 2), pytest.param(2, 1, marks=pytest.mark.long), (2, 2)])
def test_the_metrics_are_those_of_one_device(
    inputs: dict[str, Path], single: Path, tmp_path: Path, workers: int, devices: int
) -> None:
    folders = [str(PROJECT / "tests/tiny.yaml"), str(inputs["ingest"]), str(inputs["train"]), str(tmp_path)]
    shown = loopback.together(SCRIPT, [*folders, str(devices)], workers)
    assert [text.count("on 5 images of val") for text in shown] == [1, 0][:workers]
    for name in FILES:
        assert (tmp_path / name).read_text() == (single / name).read_text(), name
    assert (tmp_path / "per_image.npz").read_bytes() == (single / "per_image.npz").read_bytes()
    speed = json.loads((tmp_path / "speed.json").read_text())
    assert (speed["workers"], speed["replicas"]) == (workers, workers * devices)
