"""Datasets are discovered by folder; CamVid's spec has the published values."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from datasets import catalog
from datasets.errors import DatasetError
from datasets.spec import IGNORE, DatasetSpec

PROJECT = Path(__file__).parents[2]


def test_every_dataset_has_its_files_and_a_valid_spec() -> None:
    assert "camvid" in catalog.names()
    for name in catalog.names():
        for config in catalog.configs(name) if not catalog.takes_layout(name) else ():
            check_spec(catalog.spec(name, config), name, config)
        for file in ("README.md", "CITATIONS.bib", "TAGS.txt"):
            assert (PROJECT / "datasets" / name / file).stat().st_size


def check_spec(spec: DatasetSpec, name: str, config: str) -> None:
    assert (spec.name, spec.config) == (name, config)
    assert len(set(spec.classes)) == spec.num_classes < IGNORE
    assert len(set(spec.colours)) == spec.num_classes
    assert all(0 <= part <= 255 for colour in spec.colours for part in colour)
    assert spec.homepage.startswith("https://") and spec.licence and spec.citation.startswith("@")


def test_camvid_is_the_segnet_layout() -> None:
    spec = catalog.spec("camvid")
    assert spec.classes[0] == "Sky" and spec.classes[3] == "Road" and spec.classes[10] == "Bicyclist"
    assert spec.colours[3] == (128, 64, 128)
    assert spec.split_sizes == {"train": 367, "val": 101, "test": 233}
    assert spec.citation.strip() == (PROJECT / "datasets/camvid/CITATIONS.bib").read_text().strip()


def test_camvid_tags_are_known_to_tfds() -> None:
    import tensorflow_datasets as tfds

    known = (Path(tfds.__file__).parent / "core" / "valid_tags.txt").read_text()
    tags = (PROJECT / "datasets/camvid/TAGS.txt").read_text().splitlines()
    assert tags
    assert {tag.split(" #")[0] for tag in tags} <= {line.split(" #")[0] for line in known.splitlines()}


def test_the_message_for_an_unknown_name_suggests_the_closest() -> None:
    with pytest.raises(DatasetError, match=r"no dataset 'camvit'.*Did you mean 'camvid'\?.*Known datasets: .*camvid"):
        catalog.spec("camvit")


def test_reading_a_spec_imports_nothing_heavy() -> None:
    code = (
        "import sys; from datasets import catalog; catalog.spec('camvid');"
        "print({'numpy', 'PIL', 'tensorflow_datasets', 'tensorflow', 'apache_beam'} & set(sys.modules))"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "set()"


def test_a_spec_is_restored_from_json(tmp_path: Path) -> None:
    spec = catalog.spec("camvid")
    spec.write(tmp_path / "spec.json")
    assert DatasetSpec.read(tmp_path / "spec.json") == spec
    assert json.loads((tmp_path / "spec.json").read_text())["classes"][3] == "Road"


def test_colours_must_match_the_classes() -> None:
    with pytest.raises(ValueError, match="2 classes, 1 colours"):
        DatasetSpec("x", ("a", "b"), ((0, 0, 0),), {}, (), "", "", "")
