"""The recipe's section `model`: which network, with which parameters."""

import os
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from models import catalog
from models.errors import ModelError
from pipeline.config.section import Section


class ModelConfig(Section):
    """Which network. Its own parameters are those of the file's `build` function."""

    name: str = Field(description="a model: one of the files under models/")
    options: dict[str, Any] = Field(default_factory=dict, description="parameters of the model's `build`")

    @field_validator("options")
    @classmethod
    def _home_is_found(cls, options: dict[str, Any]) -> dict[str, Any]:
        """A path, of weights, may begin with `~` like that of the data."""
        return {
            key: os.path.expanduser(value) if isinstance(value, str) else value  # noqa: PTH111, `random` is no path
            for key, value in options.items()
        }

    @model_validator(mode="after")
    def _is_a_model(self) -> "ModelConfig":
        try:
            catalog.check(self.name, self.options)
        except ModelError as error:
            raise ValueError(str(error)) from None
        return self

    def modules(self) -> tuple[str, ...]:
        """Return the network's module."""
        return (f"models.{self.name}",)

    def files(self) -> dict[str, Path]:
        """Return the files of weights that the options name, and those of a preset's folder."""
        paths = {f"model.options.{key}": Path(value) for key, value in self.options.items() if isinstance(value, str)}
        folder = Path(self.options.get("preset", ""), "config.json").parent
        if "preset" in self.options and (folder / "config.json").is_file():
            paths |= {f"model.options.preset/{path.name}": path for path in sorted(folder.iterdir())}
        return {key: path for key, path in paths.items() if path.is_file()}
