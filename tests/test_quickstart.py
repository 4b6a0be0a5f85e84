"""The quickstart notebook: shipped with its outputs, and its cells run from top to bottom in a kernel.

`python tests/test_quickstart.py` executes it in an empty folder, and writes it with its outputs.
"""

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parent.parent
PATH = PROJECT / "quickstart.ipynb"

SMALL = {"model.options.width": 8, "evaluate.overlays": 1, "export.parity_images": 2, "train.samples": 1}
QUICK = {"count=28": "count=14", '"train.epochs": 25': '"train.epochs": 1', "settings = {": f"settings = {SMALL} | {{"}
"""Replacements in the cells that save time: fewer images, one epoch, a narrow network."""

LARGEST = 500_000
"""Bytes of the notebook, with its pictures."""

MACHINE = r"/(?:home|root|tmp|mnt|work|usr|opt|var|Users)/|site-packages"


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def kinds(cell: Any) -> list[set[str]]:
    """What a cell shows beside text that it prints: the forms of each output."""
    return [set(output["data"]) for output in cell["outputs"] if output["output_type"] != "stream"]


def text(cell: Any) -> str:
    """What a cell prints and shows, without its pictures."""
    parts = [output.get("text") or list(output["data"].values()) for output in cell["outputs"]]
    return re.sub("base64,[A-Za-z0-9+/=]+", "", json.dumps(parts))


def execute(notebook: Any, folder: Path, packages: Path) -> None:
    """Run every cell in a kernel whose working directory is `folder`, and keep the outputs in the notebook."""
    from nbclient import NotebookClient

    metadata = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=600, resources=metadata, record_timing=False, coalesce_streams=True)
    client.execute(env={**os.environ, "PYTHONPATH": str(packages)})


def test_it_is_shipped_with_its_outputs() -> None:
    cells = code(json.loads(PATH.read_text(encoding="utf-8")))
    assert len(cells) > 8 and [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [text(cell) for cell in cells if re.search(MACHINE, text(cell))]
    assert not [cell for cell in cells for output in cell["outputs"] if output.get("name") == "stderr"]
    assert PATH.stat().st_size < LARGEST


@pytest.mark.slow
def test_every_cell_runs_in_a_kernel(installed: Path, tmp_path: Path) -> None:
    """From a wheel, so that all six steps, the report and a prediction are known to work outside a clone."""
    for library in ("nbclient", "ipykernel"):
        pytest.importorskip(library, reason="the extra `test` brings it")
    import nbformat

    shipped, notebook = nbformat.read(PATH, 4), nbformat.read(PATH, 4)
    for original, quick in QUICK.items():
        (cell,) = (cell for cell in code(notebook) if original in cell["source"])
        cell["source"] = cell["source"].replace(original, quick)
    execute(notebook, tmp_path, installed)
    assert [kinds(cell) for cell in code(notebook)] == [kinds(cell) for cell in code(shipped)]
    shown = "\n".join(map(text, code(notebook)))
    assert "train     runs     for the first time" in shown and "export    reused   made by run" in shown
    assert all(part in shown for part in ("data:image/svg+xml", "data:image/jpeg", "<iframe srcdoc="))
    assert "stderr" not in {output.get("name") for cell in code(notebook) for output in cell["outputs"]}


if __name__ == "__main__":
    import nbformat

    executed = nbformat.read(PATH, 4)
    with tempfile.TemporaryDirectory() as folder:
        execute(executed, Path(folder), PROJECT)
    nbformat.write(executed, PATH)
