"""The quickstart notebook: its cells run from top to bottom, in a fresh process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
NOTEBOOK = json.loads((PROJECT / "quickstart.ipynb").read_text(encoding="utf-8"))
DISPLAY = "import sys, types\nsys.modules['IPython.display'] = types.SimpleNamespace(display=print)\n"
"""Replaces IPython, which the tests do not need."""

SMALL = {"model.options.width": 8, "evaluate.overlays": 1, "export.parity_images": 2, "train.samples": 1}
QUICK = {"28, 2": "14, 1", "settings = {": f"settings = {SMALL} | {{"}
"""Replacements in the cells that save time: fewer images, one epoch, a narrow network."""


def cells() -> list[str]:
    return ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_it_is_committed_without_output() -> None:
    assert NOTEBOOK["nbformat"] == 4 and len(cells()) > 8
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in NOTEBOOK["cells"])


@pytest.mark.slow
def test_every_cell_runs(tmp_path: Path) -> None:
    source = DISPLAY + "\n".join(cells())
    for original, quick in QUICK.items():
        assert source.count(original) == 1
        source = source.replace(original, quick)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    shown = subprocess.run(
        [sys.executable, "-P", "-c", source], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "train     run      for the first time" in shown.stdout
    assert "export    reuse    nothing it depends on has changed" in shown.stdout
    assert "PIL.Image.Image" in shown.stdout
