"""Publishing the result of a step: begin, link, seal, rename, record.

Before the rename there is no result, after it there is a whole one. A step that ran here and one that was fetched from
shared storage are published by the same lines.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.orchestration.plan import Context, Plan
from pipeline.workspace import integrity, properties
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import write_seal


def begin(context: Context, plan: Plan, reason: str) -> int:
    """Record that a step has begun, and what it reads. Returns the execution's id."""
    store, fingerprint = context.store, plan.fingerprint
    execution = store.begin(context.run.id, plan.step.name, reason, fingerprint.key, fingerprint.to_json())
    for name, source in plan.inputs.items():
        uri = context.workspace.relative(source.path)
        store.link(execution, "input", name, source.kind, uri, source.digest)
    return execution


def publish(context: Context, plan: Plan, folder: Path, execution: int, seal: Mapping[str, Any]) -> Path:
    """Seal a finished folder, rename it into place and record it; the lock of the step's slot must be held.

    Args:
        context: The run.
        plan: The step and its fingerprint.
        folder: The folder, on the same file system as the artifacts.
        execution: What `begin` returned.
        seal: What artifact.json says; `run` and `execution` are added.

    Returns:
        The published artifact.
    """
    for path in folder.rglob(".*"):  # half-written files of processes that were killed: no part of the result
        if path.is_file():
            path.unlink()
    write_seal(folder, {**seal, "run": context.run.id, "execution": execution})
    artifact = context.workspace.next_attempt(plan.step.name, plan.fingerprint.key)
    folder.rename(artifact)
    integrity.remember(context.workspace, artifact, seal["files"])
    context.run.link(plan.step.name, artifact)
    record(context, plan, execution, artifact, seal["digest"])
    return artifact


def complete_folder(workspace: Workspace, run: str, step: str, artifact: Path) -> None:
    """Link a result in the folder of the run that made it, if that was killed before it could do so."""
    folder = RunFolder(workspace.run(run))
    if folder.exists and not (folder.path / step).is_symlink():
        folder.link(step, artifact)


def record(context: Context, plan: Plan, execution: int, artifact: Path, contents: str) -> None:
    """Record that an execution wrote an artifact, with its figures, and ended well; `contents` is its digest."""
    uri = context.workspace.relative(artifact)
    context.store.finish(execution, plan.step.name, uri, contents, properties.of(artifact))
