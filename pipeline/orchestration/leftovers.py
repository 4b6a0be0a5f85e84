"""Folders that killed steps leave half made."""

import shutil

from pipeline.orchestration.graph import STEPS
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace


def remove(workspace: Workspace) -> None:
    """Remove what killed steps left behind that can no longer be resumed; a living step holds its slot's lock."""
    for step in STEPS:
        for partial in workspace.partials(step.name) if not step.resumes else []:
            if not lock.is_held(workspace.lock(step.name, partial.stem)):
                shutil.rmtree(partial, ignore_errors=True)
