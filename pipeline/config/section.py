"""What every section of a recipe is, and how its fields count for the fingerprint."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
"""What may name a recipe, a run, a served model: it becomes the name of a folder."""

PLACE: dict[str, Any] = {"fingerprinted": "contents"}
"""Marks a field that says where something lies. What lies there is fingerprinted, the place itself is not."""

PACE: dict[str, Any] = {"fingerprinted": "no"}
"""Marks a field that changes how fast a step is, and nothing of its result."""


class Section(BaseModel):
    """Base of all sections: immutable, and a key that is not listed is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    def modules(self) -> tuple[str, ...]:
        """Give the project's modules that this section chooses by name; their source belongs to the fingerprint."""
        return ()

    def files(self) -> dict[str, Path]:
        """Give the files that this section names, by key; their contents belong to the fingerprint."""
        return {}
