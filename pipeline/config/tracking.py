"""The recipe's section `tracking`: where the figures of a run go beside the workspace."""

from typing import Any, Literal

from pydantic import Field

from pipeline.config.section import UNFINGERPRINTED, Section, Url


class TrackingConfig(Section):
    """Where the figures of a run go beside the workspace. `tracking: mlflow` is short for `tracking: {to: mlflow}`."""

    to: Literal["mlflow"] = Field(description="what takes them", json_schema_extra=UNFINGERPRINTED)
    uri: Url | None = Field(
        default=None,
        description="MLflow's server or store, such as http://host:5000; null: MLFLOW_TRACKING_URI, or the folder "
        "mlruns of the workspace",
        json_schema_extra=UNFINGERPRINTED,
    )
    experiment: str | None = Field(
        default=None, description="MLflow's experiment; null: the recipe's name", json_schema_extra=UNFINGERPRINTED
    )


def from_name(value: Any) -> Any:
    """Return the section for a name alone."""
    return {"to": value} if isinstance(value, str) else value
