"""What a run ends with: the figures, and where to look."""

import os
from pathlib import Path

from pipeline.evaluation.score_table import table
from pipeline.workspace import json_file
from pipeline.workspace.run_folder import RunFolder


def summary(run: RunFolder, served: Path | None) -> list[str]:
    """Lines of at most 80 columns, paths apart: IoU of each class, mIoU beside the baseline, paths of the results.

    Args:
        run: A run whose evaluate step is done.
        served: Where the model is served, if it is.
    """
    evaluate, train = run.artifact("evaluate"), run.artifact("train")
    paths = {"report": run.path / "report.html", "overlays": evaluate / "overlays", "events": train / "events"}
    if served:
        paths["SavedModel"] = served
    return [
        *table(json_file.read(evaluate / "metrics.json")).splitlines(),
        "",
        *(f"{name:<10} {_near(path)}" for name, path in paths.items()),
    ]


def _near(path: Path) -> str:
    """Path as one would type it here."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
