"""The base of every section of a recipe, and how its fields count for a fingerprint."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.config.step_names import GATE
from pipeline.console.url_secrets import hide

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
"""Pattern of the name of a recipe, a run or a served model: it becomes the name of a folder."""

Url = Annotated[str, Field(pattern=r"^[a-z0-9]+://.+"), AfterValidator(hide)]
"""A URL of shared storage, as it may be shown: without its password, which only `url_secrets.reveal` knows."""

LOCATION: dict[str, Any] = {"fingerprinted": "contents"}
"""Marks a field that says where something lies. What lies there is fingerprinted, the place itself is not."""

UNFINGERPRINTED: dict[str, Any] = {"fingerprinted": "no"}
"""Marks a field that changes how fast a step is, or what it shows, and nothing of its result."""

VERDICT_ONLY: dict[str, Any] = {"fingerprinted": GATE}
"""Marks a field that counts for the gate only: another bound gives another verdict and measures nothing again."""


class Section(BaseModel):
    """Base of all sections: immutable, and a key that is not listed is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @classmethod
    def uncounted(cls, step: str) -> set[str]:
        """Return the names of the fields that are no part of the fingerprint of `step`: marked, and for another."""
        marks = {name: field.json_schema_extra for name, field in cls.model_fields.items()}
        return {name for name, mark in marks.items() if isinstance(mark, dict) and mark["fingerprinted"] != step}

    def modules(self) -> tuple[str, ...]:
        """Return the project's modules that this section chooses by name; their source belongs to the fingerprint."""
        return ()

    def files(self) -> dict[str, Path]:
        """Return the files that this section names, by key; their contents belong to the fingerprint."""
        return {}
