"""What to do for a step, and for whom."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.config.recipe import Recipe
from pipeline.orchestration.graph import Step
from pipeline.workspace.fingerprint import Fingerprint
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store


@dataclass(frozen=True)
class Context:
    """One run: where, what, which run, and the store that records it."""

    workspace: Workspace
    recipe: Recipe
    run: RunFolder
    store: Store


@dataclass(frozen=True)
class Input:
    """One thing that a step reads: a folder and the digest of its contents."""

    path: Path
    digest: str
    kind: str


@dataclass(frozen=True)
class Plan:
    """What to do for one step.

    Attributes:
        step: The step.
        inputs: What it reads, by name.
        fingerprint: What its result depends on.
        complete: A complete artifact with this fingerprint, or None.
        reason: Why it is reused or run, in one line.
    """

    step: Step
    inputs: dict[str, Input]
    fingerprint: Fingerprint
    complete: Path | None
    reason: str
