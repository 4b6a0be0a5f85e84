"""What is to be done for a step."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.orchestration.graph import Step
from pipeline.workspace.fingerprint import Fingerprint


@dataclass(frozen=True)
class Input:
    """One thing that a step reads: a folder and the digest of what is in it."""

    path: Path
    digest: str
    kind: str


@dataclass(frozen=True)
class Plan:
    """What is to be done for one step.

    Attributes:
        step: The step.
        inputs: What it reads, by name.
        fingerprint: What its result depends on.
        found: A complete artifact with this fingerprint, or None.
        reason: Why it is reused or run, in one line.
    """

    step: Step
    inputs: dict[str, Input]
    fingerprint: Fingerprint
    found: Path | None
    reason: str
