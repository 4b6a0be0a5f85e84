"""What a run ends with: the figures, and where to look."""

import json
import os
from pathlib import Path

from pipeline.config import Recipe
from pipeline.run_folder import RunFolder
from pipeline.runner import serving_name
from pipeline.score_table import table
from pipeline.serving import versions
from pipeline.workspace import Workspace


def summary(workspace: Workspace, recipe: Recipe, run: RunFolder) -> list[str]:
    """Lines of at most 80 columns, paths apart: IoU of each class, mIoU beside the baseline, paths of the results."""
    metrics = json.loads((run.artifact("evaluate") / "metrics.json").read_text(encoding="utf-8"))
    served = workspace.serving / serving_name(recipe)
    newest = served / str(max(versions(served)))
    return [
        *table(metrics).splitlines(),
        "",
        *(
            f"{name:<10} {_near(path)}"
            for name, path in {
                "report": run.artifact("evaluate") / "report.html",
                "overlays": run.artifact("evaluate") / "overlays",
                "events": run.artifact("train") / "events",
                "SavedModel": newest,
            }.items()
        ),
    ]


def _near(path: Path) -> str:
    """Path as one would type it here."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
