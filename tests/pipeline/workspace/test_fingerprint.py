"""Fingerprints: the changes that count, the changes that do not, and their descriptions."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.workspace import fingerprint
from pipeline.workspace.fingerprint import Fingerprint, code_of

BASE = Fingerprint({"train.epochs": 3}, {"ingest": "a"}, {"models.fast": "c"}, {"keras": "3.15"}, 1)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of three modules: a step imports a model inside a function, and the model imports blocks."""
    for name, source in {
        "pipeline/__init__.py": "",
        "pipeline/steps/__init__.py": "",
        "pipeline/steps/train.py": "import json\nimport numpy\n\n\ndef run():\n    from models import fast\n    fast\n",
        "models/__init__.py": "",
        "models/fast.py": "from models.blocks import convolution\n",
        "models/blocks.py": "def convolution():\n    return 1  # one\n",
        "models/unused.py": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    monkeypatch.setattr(fingerprint, "PROJECT", tmp_path)
    return tmp_path


def test_imports_are_followed_into_functions_and_through_modules(project: Path) -> None:
    code, libraries = code_of(["pipeline.steps.train"])
    assert {"pipeline.steps.train", "models.fast", "models.blocks"} <= set(code)
    assert "models.unused" not in code
    assert set(libraries) == {"python", "numpy"}


def test_an_indirect_import_counts_and_a_comment_does_not(project: Path) -> None:
    before, _ = code_of(["pipeline.steps.train"])
    blocks = project / "models/blocks.py"
    blocks.write_text("def convolution():\n\n    return 1  # still one\n")
    assert code_of(["pipeline.steps.train"])[0] == before
    blocks.write_text("def convolution():\n    return 2\n")
    after, _ = code_of(["pipeline.steps.train"])
    assert [name for name in after if after[name] != before[name]] == ["models.blocks"]


def test_a_deleted_module_no_longer_counts(project: Path) -> None:
    shutil.rmtree(project / "models")
    assert "models.fast" not in code_of(["pipeline.steps.train"])[0]


def test_the_key_depends_on_every_part() -> None:
    others = [
        Fingerprint({"train.epochs": 4}, BASE.inputs, BASE.code, BASE.libraries, 1),
        Fingerprint(BASE.settings, {"ingest": "b"}, BASE.code, BASE.libraries, 1),
        Fingerprint(BASE.settings, BASE.inputs, {"models.fast": "d"}, BASE.libraries, 1),
        Fingerprint(BASE.settings, BASE.inputs, BASE.code, {"keras": "3.16"}, 1),
        Fingerprint(BASE.settings, BASE.inputs, BASE.code, BASE.libraries, 2),
    ]
    assert len({BASE.key, *(other.key for other in others)}) == 6
    old = json.loads(BASE.to_json())
    assert [other.changes(old) for other in others] == [
        ["train.epochs 3 -> 4"],
        ["ingest has other contents"],
        ["code of models.fast"],
        ["keras 3.15 -> 3.16"],
        ["the step's version 1 -> 2"],
    ]
    assert BASE.changes(old) == []


def test_a_difference_fits_one_line() -> None:
    old = {"settings": {"a": 1, "b": 2, "c": 3}, "inputs": {}, "code": {}, "libraries": {}, "version": 1}
    now = Fingerprint(settings={"a": 2, "b": 3, "c": 3}, inputs={}, code={}, libraries={}, version=1)
    assert now.difference(old) == "a 1 -> 2; b 2 -> 3"
    assert replace(now, version=2).difference(old) == "a 1 -> 2; b 2 -> 3 (and 1 more)"
    long = replace(now, settings={"a": "x" * 35, "b": "y" * 35, "c": 3})
    assert long.difference(old) == f'a 1 -> "{"x" * 35}" (and 1 more)'
    assert replace(now, settings=old["settings"]).difference(old) == ""
